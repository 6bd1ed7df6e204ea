"""Rare classes: enough of them choose the epoch, and they count as what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from learning.data import PartitionFile, Selection, row_count
from learning.held_back import hold_back, rare_classes
from learning.plans import FineTune, Pretrain
from learning.spec import Schema

SCHEMA = Schema("at", ("id",), "y", numeric=("x",))


def days(rows: int, rare: float, number: int = 20) -> list[Selection]:
    """Rows of some days, of which every so manieth is of the rare class."""
    target = (np.arange(rows) % round(1 / rare) == 0).astype("float64")
    block = np.datetime64("2024-01-01") + np.arange(rows) * number // rows
    return [Selection(PartitionFile("p", Path()), np.arange(rows), target, block.astype("datetime64[us]"))]


def events(parts: list[Selection]) -> int:
    """Rows of the rare class."""
    return int(sum(part.target.sum() for part in parts))


def test_more_days_choose_where_a_class_is_rare() -> None:
    """Of 10,000 rows a tenth would have 5 of 0.5 %: 30 it is to be, but never more than a third of the rows."""
    learning, validating = hold_back(SCHEMA, days(20_000, 0.005), FineTune(), seed=0)
    assert events(validating) == 30
    assert row_count(learning) + row_count(validating) == 20_000
    few, chosen = hold_back(SCHEMA, days(10_000, 0.001, number=30), FineTune(), seed=0)
    assert row_count(chosen) == pytest.approx(10_000 / 3, abs=400)
    assert events(few) > events(chosen) > 0


def test_a_frequent_class_changes_nothing() -> None:
    """A tenth of the rows, as ever, all counting the same."""
    _, validating = hold_back(SCHEMA, days(10_000, 0.1), FineTune(), seed=0)
    assert row_count(validating) == 1_000
    assert all(part.weight is None for part in validating)
    assert rare_classes(days(1_000, 0.1)) == {}


def test_rare_rows_stay_where_others_are_thinned_and_no_share_moves() -> None:
    """Of 1,000 rows that choose most are rare ones; by their weights they are the 0.5 % that they are."""
    _, validating = hold_back(SCHEMA, days(60_000, 0.005), Pretrain(validation_rows=1_000), seed=0)
    target, weight = (np.concatenate([getattr(part, name) for part in validating]) for name in ("target", "weight"))
    assert len(target) == 1_000
    assert target.sum() >= 30
    assert np.average(target, weights=weight) == pytest.approx(0.005, rel=0.1)


def test_numbers_are_no_rare_classes() -> None:
    """A quantity has values that are seen once."""
    number = np.random.default_rng(0).normal(size=500)
    assert rare_classes([Selection(PartitionFile("p", Path()), np.arange(500), number)]) == {}
    assert rare_classes([Selection(PartitionFile("p", Path()), np.arange(500), np.arange(500.0))]) == {}


def test_counts_and_ratings_have_no_rare_classes() -> None:
    """Of a number a tenth chooses, however seldom a value is; by counting it as a class it would be a third."""
    _, validating = hold_back(SCHEMA, days(10_000, 0.001, number=30), FineTune(), seed=0, classes=False)
    assert row_count(validating) <= 1_000


def test_rows_of_rare_classes_alone_are_thinned_as_any() -> None:
    """The newest day may hold no other row."""
    target = np.where(np.arange(10_000) < 9_600, 0.0, 1.0)
    block = (np.datetime64("2024-01-01") + (target > 0)).astype("datetime64[us]")
    chosen = [Selection(PartitionFile("p", Path()), np.arange(10_000), target, block)]
    _, validating = hold_back(SCHEMA, chosen, FineTune(validation_rows=100), seed=0)
    assert row_count(validating) == 100
    assert events(validating) == 100
