"""An evaluation's curves, as they are recorded and read back."""

from __future__ import annotations

from filled import MODEL, three_champions

from db.registry import ModelRegistry
from db.verdict_records import CALIBRATION, PRECISION, EvaluationCurve, NewEvaluation


def test_curves_belong_to_their_evaluation(registry: ModelRegistry) -> None:
    """In order of name and side; one that was recorded without has none."""
    three_champions(registry)
    new = NewEvaluation(None, MODEL, 3, 2, True, "better", ())
    curves = tuple(
        EvaluationCurve(name, side, 900, {"recall": [0.5, 1.0], "precision": [1.0, 0.25]})
        for name in (PRECISION, CALIBRATION)
        for side in ("challenger", "champion")
    )
    with_curves, without = registry.record_evaluation(new, curves), registry.record_evaluation(new)
    assert registry.evaluation_curves(with_curves) == tuple(sorted(curves, key=lambda c: (c.name, c.side)))
    assert registry.evaluation_curves(without) == ()
