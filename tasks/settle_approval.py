"""Let a person's answer decide: what passed the gate is promoted, or the champion stays."""

from __future__ import annotations

from db.approvals import Answer
from db.records import NOT_APPROVED, OVERTAKEN, RunEnding
from errors import PromotionConflict
from tasks.logs import run_logger
from tasks.run import Context, Run, step

DECISION = "approval"  # of a run that neither trained nor watched


def settle(context: Context, answer: Answer) -> RunEnding:
    """Answer for a version that awaits it, and say what became of it.

    Raises:
        NothingToApprove: it does not wait, somebody has answered, or its time is over.
        TaintedVersion: it learned from a partition that was recalled meanwhile.
    """
    registry, model = context.registry, context.spec.name
    try:
        done = registry.answer_approval(model, answer)
    except PromotionConflict as error:
        return RunEnding(OVERTAKEN, DECISION, str(error))
    if done is None:
        return RunEnding(NOT_APPROVED, DECISION, f"{answer.actor} turned version {answer.number} down: {answer.reason}")
    return RunEnding("promoted", DECISION, done.reason)


@step("settle the approval")
def settle_approval(run: Run, answer: Answer) -> RunEnding:
    """Promote what a person approves, by the same compare-and-swap as the gate's own promotions."""
    run.rows = f"version {answer.number}"
    run_logger().info("%s says of version %d: %s", answer.actor, answer.number, answer.reason)
    return settle(run.context, answer)
