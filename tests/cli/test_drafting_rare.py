"""Drafts for targets that a plain model learns badly: rare classes, and numbers that lie far out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from cli.drafting.guess import guess
from cli.drafting.source import model_source, schema_source

DRAW = np.random.default_rng(0)


def of(target: object) -> pl.DataFrame:
    """400 rows with this target."""
    rows = range(400)
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=row) for row in rows]
    return pl.DataFrame({"id": [f"r{row}" for row in rows], "at": at, "x": DRAW.normal(size=400), "target": target})


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ([float(row % 50 == 0) for row in range(400)], "class_weight={1: 7},"),
        (
            ["fraud" if row % 100 == 0 else " " if row == 7 else "fine" for row in range(400)],
            'class_weight={"fraud": 9.94},',
        ),
        ([float(row % 15 == 0) for row in range(400)], ""),
    ],
    ids=["numbers", "words", "not so rare"],
)
def test_rows_of_a_rare_class_are_drafted_to_count_more(target: list[object], wanted: str) -> None:
    """By the root of how many times fewer they are, and where they bring a time, half as many are held out."""
    found = guess(of(target))
    source = model_source(found, "orders", "orders.csv")
    compile(source, "orders.py", "exec")
    assert wanted in source
    assert ('gate=Gate(metric="pr_auc"),' in source) == ("class_weight={1:" in source or '{"fraud":' in source)
    assert ("holdout=0.1," in source) == ("holdout=0.1," in schema_source(found)) == bool(wanted)
    assert "holdout" not in model_source(guess(of(target).drop("at")), "orders", "orders.csv")
    assert ("epochs=30," in source and "patience=30," in source, "patience=5," in source) == (bool(wanted), not wanted)
    assert ("class_weight" in source) == bool(wanted) == any("class_weight" in doubt for doubt in found.doubts)


def test_a_target_with_far_rows_is_drafted_with_a_loss_that_they_do_not_decide() -> None:
    """Two degrees of freedom are heavy tails; a bell curve has none."""
    heavy, usual = guess(of(1e4 * DRAW.standard_t(1.5, 400))), guess(of(DRAW.normal(2e5, 7e4, 400)))
    assert heavy.objective.startswith('Regression(loss="huber", delta=')
    assert any("far out" in doubt for doubt in heavy.doubts)
    assert usual.objective == "Regression()"
    assert "layers.Dense(1)])" in model_source(heavy, "orders", "orders.csv")
