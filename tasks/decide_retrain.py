"""Decide whether the pending data are worth a retrain now."""

from db.records import RunEnding
from monitoring.decision import Pending, decide
from monitoring.drift import DriftVerdict
from tasks.run import Run, step


@step("decide")
def decide_retrain(run: Run, pending: Pending, drift: DriftVerdict | None) -> RunEnding:
    """Whether the pending data are worth a retrain now."""
    spec = run.context.spec
    return decide(pending, drift, spec.retrain, spec.gate.min_rows)
