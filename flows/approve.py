"""Answer for a version that passed the gate and waits: a form in the Prefect UI, whose answer the registry keeps."""

from typing import Literal

from prefect import flow

from db.approvals import Answer
from tasks.run import end_run, recorded_run
from tasks.settle_approval import settle_approval


@flow(name="approve", flow_run_name="{model} · approve version {version}")
def approve(model: str, version: int, decision: Literal["approve", "reject"], by: str, reason: str) -> str:
    """Promote a version that awaits approval, or keep the champion.

    Args:
        model: its name.
        version: number of the version, as the run that awaits approval names it.
        decision: "approve" puts it in production, "reject" keeps the champion.
        by: who decides; it is kept for ever.
        reason: why, in a sentence; it is kept for ever.

    Returns:
        How the run ended: "promoted", "not approved", or "overtaken": another version was promoted since it was judged,
        so that it has to be judged again.
    """
    answer = Answer(version, decision == "approve", by, reason)
    with recorded_run(model) as run:
        return end_run(run, settle_approval(run, answer))
