"""Let the challenger take the champion's place if the gate says so."""

from __future__ import annotations

from db.records import PromotionKind, RunEnding
from errors import PromotionConflict
from tasks.evaluate import ACTOR, PromotionDecision, evaluate_challenger
from tasks.infra_check import InfraCheck
from tasks.run import Context, Run, step


def promote(context: Context, decision: PromotionDecision) -> RunEnding | None:
    """Promote a challenger that was accepted; None if somebody else promoted first and the gate has to judge again."""
    work = "bootstrap" if decision.champion is None else "retrain"
    if not decision.accepted:
        return RunEnding("rejected", work, decision.reason)
    kind: PromotionKind = "bootstrap" if decision.champion is None else "promote"
    try:
        context.registry.promote(
            context.spec.name,
            decision.challenger,
            seen=decision.seen,
            kind=kind,
            actor=ACTOR,
            reason=decision.reason,
            evaluation_id=decision.evaluation_id,
        )
    except PromotionConflict:
        return None
    return RunEnding("promoted", work, decision.reason)


@step("promote or reject")
def promote_challenger(run: Run, decision: PromotionDecision) -> RunEnding | None:
    """Promote what was accepted; None means that somebody else promoted first."""
    return promote(run.context, decision)


def evaluate_and_promote(run: Run, challenger: int, check: InfraCheck) -> RunEnding:
    """Let the gate judge; where somebody else promoted in the meantime, judge again, against the new champion."""
    while True:
        ending = promote_challenger(run, evaluate_challenger(run, challenger, check))
        if ending is not None:
            return ending
