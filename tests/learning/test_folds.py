"""Folds: each is judged by a challenger that learned from all others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from learning.data import PartitionFile, Selection, select
from learning.folds import fold_starts, middle_epochs
from learning.spec import ModelSpec

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PLACE = PartitionFile("p", Path())
NO_BLOCKS = Selection(PLACE, np.arange(9), np.zeros(9))


def days(events: list[int], rows: int = 100) -> list[Selection]:
    """So many rows a day, the first of them events."""
    target = np.concatenate([np.arange(rows) < count for count in events]).astype("float64")
    block = np.datetime64("2024-01-01", "us") + np.repeat(np.arange(len(events)), rows) * np.timedelta64(1, "D")
    return [Selection(PLACE, np.arange(len(target)), target, block)]


def starts(events: list[int], share: float = 0.25) -> list[int]:
    """The days on which folds begin."""
    return [(start - FIRST).days for start in fold_starts(days(events), share)]


def test_folds_hold_whole_days_and_about_as_many_events() -> None:
    """Each fold's verdict is to say about as much."""
    assert starts([3] * 8) == [0, 2, 4, 6]
    assert starts([0, 0, 0, 12, 4, 4, 2, 2]) == [0, 4, 6]  # one day has half of all events
    assert starts([3] * 8, share=0.5) == [0, 4]


def test_a_small_share_is_no_reason_for_a_hundred_trainings() -> None:
    """Each fold is one."""
    assert len(starts([1] * 60, share=0.01)) == 5


@pytest.mark.parametrize("rows", [[], days([5]), [NO_BLOCKS]])
def test_a_single_day_has_no_folds(rows: list[Selection]) -> None:
    """Nor have no rows at all, or rows without days."""
    assert len(fold_starts(rows, 0.25)) < 2


def test_each_row_is_left_out_once(spec: ModelSpec, partition: Callable[..., PartitionFile]) -> None:
    """What a fold's challenger learns from and what it is judged by are all rows, and no row is both."""
    new = partition("new")
    everything = select(spec.schema, [new], "all")[0].rows.tolist()
    begin = [FIRST + timedelta(minutes=minute) for minute in (0, 3, 7)]
    judged = []
    for since, until in pairwise([*begin, FIRST + timedelta(days=1)]):
        learned = select(spec.schema, [new], "all", before=since, after=until)[0].rows.tolist()
        left_out = select(spec.schema, [new], "all", since=since, before=until)[0].rows.tolist()
        assert sorted(learned + left_out) == everything
        judged += left_out
    assert judged == everything


def test_the_middle_epoch_is_kept() -> None:
    """One fold that found nothing, or much, does not decide for all rows."""
    proofs = [SimpleNamespace(kept={"head": epochs}) for epochs in (0, 7, 5, 30)]
    assert middle_epochs(proofs) == {"head": 5}  # type: ignore[arg-type] - they have what is looked at
