"""One verdict of two parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from db.verdict_records import DriftColumn
from learning.spec import DriftPolicy
from monitoring.drift import Compared, DriftVerdict, Side
from monitoring.parts import compare_outputs, together

CALM = DriftVerdict(False, 0.0, "0 of 1 columns drifted", (DriftColumn("a", "wasserstein", 0.0, 1.0, drifted=False),))
ALARM = replace(CALM, drifted=True, share=1.0, broken=True, attention=("b is constant",), columns=())


def test_one_part_that_drifted_or_is_broken_is_enough() -> None:
    """One prediction among fifty columns must not drown."""
    for parts in ((CALM, ALARM), (ALARM, CALM)):
        found = together(*parts, ("remark",))
        assert found is not None
        assert (found.drifted, found.share, found.broken, found.attention) == (True, 1.0, True, ("b is constant",))
        assert found.columns == CALM.columns
        assert found.reason.startswith("remark; 0 of 1 columns drifted; of what the champion makes of them, ")


def test_a_missing_part_leaves_the_other() -> None:
    """And no part is no verdict."""
    assert together(CALM, None) == CALM
    only = together(None, CALM)
    assert only is not None
    assert only.reason == "of what the champion makes of them, 0 of 1 columns drifted"
    assert together(None, None) is None


@pytest.mark.parametrize(("values", "broken"), [([0.1, 0.2], False), ([0.5, 0.5], True), ([None, None], True)])
def test_outputs_that_moved_far_are_drift_and_silent_ones_broken(
    monkeypatch: pytest.MonkeyPatch, values: list[float | None], broken: bool
) -> None:
    """What rotated images do to features is what a retrain is for; features that are all the same are a fault."""
    column = DriftColumn("base/direction 1", "wasserstein", 9.0, 0.1, drifted=True, broken=True)
    told = "feature 'base/direction 1' is broken: far outside"
    found = DriftVerdict(True, 1.0, f"{told}; 1 of 1 columns drifted", (column,), broken=True, attention=(told,))
    monkeypatch.setattr("monitoring.parts.compare_sides", lambda *_, **__: found)
    side = Side(
        pl.DataFrame({"base/direction 1": pl.Series(values, dtype=pl.Float64)}),
        np.zeros(2, np.int64),
        None,
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
        2,
    )
    verdict = compare_outputs(side, side, [Compared(column.column, "number", "feature")], DriftPolicy(), "champion")
    assert (verdict.drifted, verdict.broken, verdict.columns[0].broken) == (True, broken, broken)
    assert verdict.attention == ((told,) if broken else ())
    assert verdict.reason == (found.reason if broken else "1 of 1 columns drifted")
