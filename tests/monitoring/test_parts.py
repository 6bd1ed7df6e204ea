"""One verdict of two parts."""

from __future__ import annotations

from dataclasses import replace

from db.verdict_records import DriftColumn
from monitoring.drift import DriftVerdict
from monitoring.parts import together

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
