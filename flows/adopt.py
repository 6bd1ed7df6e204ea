"""Take over a model that was trained elsewhere: its very weights are version 1, and nothing is trained."""

from datetime import datetime

from prefect import flow

from tasks.adopt import adopt_weights, promote_adopted
from tasks.register_version import register_version
from tasks.report import report
from tasks.run import end_run, recorded_run
from tasks.take_arrivals import take_arrivals


@flow(name="adopt", flow_run_name="{model} · adopt")
def adopt(model: str, trained_before: datetime | None = None) -> str:
    """Register the saved model that models/NAME.py cuts as version 1, and promote it without a verdict.

    Args:
        model: its name.
        trained_before: rows before this time count as learned; by default all that has arrived.

    Returns:
        How the run ended: "promoted" or "needs attention".
    """
    with recorded_run(model) as run:
        take_arrivals(run)
        learned = adopt_weights(run, trained_before)
        first = register_version(run, learned)
        ending = promote_adopted(run, first)
        report(run, ending)
        return end_run(run, ending)
