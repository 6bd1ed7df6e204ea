"""Let a challenger take the champion's place if the gate says so: refit on everything, and tried out."""

from __future__ import annotations

from dataclasses import dataclass

from clock import now
from db.approvals import NewApproval
from db.records import AWAITING, OVERTAKEN, PromotionKind, RunEnding
from errors import PromotionConflict
from evaluation.past_verdicts import STUCK_AFTER
from monitoring.decision import Pending
from tasks.evaluate import ACTOR, PromotionDecision, evaluate_challenger
from tasks.finetune import Proven, refit
from tasks.infra_check import InfraCheck, begin_try_out, try_out_version
from tasks.register_version import Learned, register_version
from tasks.run import Context, Run, step
from tasks.weigh_columns import weigh_columns

WAYS_OUT = (
    "stuck: {} challengers in a row were better on what is new, and refused. Of version {}: {}. If what is new matters "
    "more: `evergreen registry promote {} {} --reason ...`. If the past still counts: let the next ones learn "
    "otherwise (`RetrainPolicy(escalate=...)`), or allow more (`Gate(max_forgetting=..., also=...)`), and "
    "`evergreen retrain {}`"
)


ASKED = (
    "version {} passed and awaits approval{}: {}. To answer: `evergreen registry approve {} {} --reason ...`, or "
    "reject; or run the deployment `approve` in Prefect"
)


@dataclass
class Trial:
    """A challenger on trial: what it learned, of which pending rows.

    `ready` is the version that is promoted in the end, tried out once, and why it is too slow for that.
    """

    challenger: int
    learned: Learned
    check: InfraCheck
    pending: Pending | None = None
    ready: tuple[int, str] | None = None


def promote(context: Context, decision: PromotionDecision, number: int) -> RunEnding | None:
    """Promote what was accepted, or let it wait for a person; None if somebody else promoted first.

    Then the gate has to judge again.
    """
    # A backtest takes it that people always approve.
    if context.spec.gate.approval == "manual" and not decision.bootstraps and context.past is None:
        return ask(context, decision, number)
    first = decision.champion is None
    kind: PromotionKind = "bootstrap" if first else "promote"
    try:
        context.registry.promote(
            context.spec.name,
            number,
            seen=decision.seen,
            kind=kind,
            actor=ACTOR,
            reason=decision.reason,
            evaluation_id=decision.evaluation_id,
        )
    except PromotionConflict:
        return None
    return RunEnding("promoted", "bootstrap" if first else "retrain", decision.reason)


def ask(context: Context, decision: PromotionDecision, number: int) -> RunEnding | None:
    """Let what was accepted wait for a person's approval; None if somebody else promoted first.

    Nothing waits for it: no process, no slot of Prefect's. The answer promotes it by the same compare-and-swap.
    """
    registry, model, gate = context.registry, context.spec.name, context.spec.gate
    if registry.sequence(model) != decision.seen:
        return None
    until = now() + gate.patience if gate.patience else None
    asked = NewApproval(number, decision.evaluation_id, decision.seen, until, decision.work_key)
    registry.ask_for_approval(model, asked)
    limit = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    return RunEnding(AWAITING, "retrain", ASKED.format(number, limit, decision.reason, model, number))


def refused(decision: PromotionDecision, model: str, stuck: int) -> RunEnding:
    """How a run ends whose challenger was refused.

    Args:
        decision: the gate's.
        model: name of the model.
        stuck: how many challengers in a row before this one were better on what is new, and refused.
    """
    if decision.blocked and stuck + 1 >= STUCK_AFTER:
        number = decision.challenger
        return RunEnding("stuck", "retrain", WAYS_OUT.format(stuck + 1, number, decision.reason, model, number, model))
    outcome = OVERTAKEN if decision.overtaken else "rejected"
    return RunEnding(outcome, "bootstrap" if decision.champion is None else "retrain", decision.reason)


@step("promote")
def promote_version(run: Run, decision: PromotionDecision, number: int) -> RunEnding | None:
    """Promote what was accepted; None means that somebody else promoted first."""
    return promote(run.context, decision, number)


def evaluate_and_promote(run: Run, trial: Trial) -> RunEnding:
    """Let the gate judge; where somebody else promoted in the meantime, judge again, against the new champion."""
    while True:
        decision = evaluate_challenger(run, trial.challenger, trial.pending, trial.learned.folds)
        if not decision.accepted:
            return refused(decision, run.model, trial.pending.stuck if trial.pending else 0)
        number, slow = made_ready(run, trial, decision)
        ending = RunEnding("rejected", "retrain", slow) if slow else promote_version(run, decision, number)
        if ending is not None:
            return ending


def made_ready(run: Run, trial: Trial, decision: PromotionDecision) -> tuple[int, str]:
    """The version to promote, tried out: what was proven is refit on all that is pending. And why it is too slow."""
    if trial.ready is None:
        number, pending = trial.challenger, trial.pending
        if pending and pending.prove_from and not trial.learned.folds:
            trained = trial.learned.trained
            number = register_version(run, refit(run, pending, Proven(number, trained.kept, trained.fitted)))
        begin_try_out(run.context, number, decision.champion, trial.check)
        weigh_columns(run, number)  # for drift checks to come: now, as the other process takes as long to answer
        trial.ready = number, try_out_version(run, number, decision.champion, trial.check)
        if rule := trial.check.latency(decision.champion):
            run.context.registry.record_rule(decision.evaluation_id, rule)
    return trial.ready
