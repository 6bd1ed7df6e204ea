"""Approvals: versions that passed the gate and wait for a person, and what was answered.

Nothing waits in a process: what was asked is a row, an answer is another one, and that its time is over, or that
somebody else was promoted meanwhile, follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from clock import now
from db.approval_tables import Approval, ApprovalAnswer
from db.lineage import tainted_versions
from db.lookups import model_id, version_id
from db.models import retired
from db.promotions import promote
from db.records import PromotionKind, PromotionRecord
from db.statements import add_row, add_unless_taken, read, row_of, select_as
from db.tables import Evaluation, Promotion, Run, Version
from errors import NothingToApprove, PromotionConflict

State = Literal["awaits approval", "approved", "not approved", "overtaken", "tainted"]


@dataclass(frozen=True)
class NewApproval:
    """A version that is to wait for a person.

    Args:
        number: the version that is promoted if it is approved.
        evaluation_id: the gate's verdict on it, or on its proof.
        seen: the sequence that the verdict was based on: a later promotion overtakes it.
        until: when its time is over; None for never.
        work_key: the work of the run that asks: who does the same finds the question, however that run ends.
    """

    number: int
    evaluation_id: int
    seen: int
    until: datetime | None = None
    work_key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a person says of a version that waits.

    Args:
        number: the version.
        approved: whether it is to be the champion.
        actor: who says so.
        reason: why, in a sentence.
    """

    number: int
    approved: bool
    actor: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse an answer of nobody, and one without a reason; raises NothingToApprove."""
        for what, value in (("a name", self.actor), ("a reason", self.reason)):
            if not value.strip():
                raise NothingToApprove(f"an answer without {what}", "it is kept for ever", f"give {what}")


@dataclass(frozen=True)
class ApprovalRecord:
    """A version that passed the gate, and what a person said.

    Args:
        id: its row.
        number: the version that is promoted if it is approved.
        evaluation_id: the gate's verdict on it, or on its proof.
        verdict: that verdict's sentence.
        judged_against: the champion's row; None where a constant stood in for one.
        seen: the promotion that it was judged after: a later one overtakes it.
        at: when it was asked for.
        until: when its time is over; None for never.
        newest: the promotion that is the newest now.
        approved: the answer; None where there is none.
        actor: who answered.
        reason: why.
        answered_at: when.
        tainted: whether it learned from a partition that was recalled.
    """

    id: int
    number: int
    evaluation_id: int
    verdict: str
    judged_against: int | None
    seen: int
    at: datetime
    until: datetime | None
    newest: int
    approved: bool | None
    actor: str | None
    reason: str | None
    answered_at: datetime | None
    tainted: bool = False

    def state(self, when: datetime) -> State:
        """What has become of it at a time: nobody need have noted that it is over."""
        if self.approved is not None:
            return "approved" if self.approved else "not approved"
        if self.tainted:
            return "tainted"
        if self.newest != self.seen:
            return "overtaken"
        return "not approved" if self.until and when >= self.until else "awaits approval"

    def is_void(self, when: datetime) -> bool:
        """Whether nobody answered, and nobody can approve of it any more: its work may be judged anew."""
        return self.state(when) in {"overtaken", "tainted"}


def ask_for_approval(session: Session, model: str, new: NewApproval) -> None:
    """Let a version that passed the gate wait for a person; a run that is killed from now on has done its work."""
    add_row(session, Approval, row_of(Approval, new, version_id=version_id(session, model, new.number), at=now()))
    if new.work_key:
        asking = select(Evaluation.run_id).where(Evaluation.id == new.evaluation_id).scalar_subquery()
        session.execute(update(Run).where(Run.id == asking).values(work_key=new.work_key))


def question(session: Session, model: str, work_key: str | None) -> ApprovalRecord | None:
    """The newest question of a run that did this very work; None where none asked."""
    if work_key is None:
        return None
    judged = select(Approval.id).join(Evaluation, Evaluation.id == Approval.evaluation_id)
    found = set(session.scalars(judged.join(Run, Run.id == Evaluation.run_id).where(Run.work_key == work_key)))
    return next((one for one in approvals(session, model) if one.id in found), None)


def approvals(session: Session, model: str) -> tuple[ApprovalRecord, ...]:
    """The versions of a model that waited for a person, or do, newest first; raises UnknownModel."""
    model_row = model_id(session, model)
    newest = select(func.coalesce(func.max(Promotion.sequence), 0)).where(Promotion.model_id == model_row)
    answer = {"actor": ApprovalAnswer.actor, "reason": ApprovalAnswer.reason, "answered_at": ApprovalAnswer.at}
    judged = {"verdict": Evaluation.reason, "judged_against": Evaluation.champion_id}
    known = {"number": Version.number, "approved": ApprovalAnswer.approved, **judged}
    statement = (
        select_as(ApprovalRecord, Approval, newest=newest.scalar_subquery(), **known, **answer)
        .join(Version, Version.id == Approval.version_id)
        .join(Evaluation, Evaluation.id == Approval.evaluation_id)
        .outerjoin(ApprovalAnswer, ApprovalAnswer.approval_id == Approval.id)
        .where(Version.model_id == model_row)
        .order_by(Approval.id.desc())
    )
    tainted = tainted_versions(session, model)
    return tuple(replace(one, tainted=one.number in tainted) for one in read(session, statement, ApprovalRecord))


def answer_approval(session: Session, model: str, answer: Answer) -> PromotionRecord | None:
    """Let an answer decide: the version is promoted, or the champion stays; in one transaction with the answer.

    Raises:
        NothingToApprove: it does not wait, somebody has answered, its time is over, or the model is retired.
        PromotionConflict: another version was promoted since it was judged.
        TaintedVersion: it learned from a partition that was recalled meanwhile.
    """
    asked, ended = awaiting(session, model, answer.number), retired(session, model)
    if answer.approved and ended:
        fix = f"`evergreen models resume {model} --reason ...` first"
        raise NothingToApprove(f"version {answer.number} of model '{model}'", f"it is retired: {ended.reason}", fix)
    if answer.approved and asked.newest != asked.seen:
        raise overtaken(model, asked)
    if not add_unless_taken(session, ApprovalAnswer, row_of(ApprovalAnswer, answer, approval_id=asked.id, at=now())):
        raise NothingToApprove(f"version {answer.number} of model '{model}'", "somebody answered first", listed(model))
    if not answer.approved:
        return None
    why = f"approved: {answer.reason}; the gate: {asked.verdict}"
    kind: PromotionKind = "promote" if asked.judged_against else "bootstrap"
    verdict = {"seen": asked.seen, "evaluation_id": asked.evaluation_id}
    return promote(session, model, answer.number, kind=kind, actor=answer.actor, reason=why, **verdict)


def awaiting(session: Session, model: str, number: int) -> ApprovalRecord:
    """What a version waits for; of one that was overtaken too, which may still be turned down.

    Raises:
        NothingToApprove: it does not wait, somebody has answered, or its time is over.
    """
    found, at = approvals(session, model), now()
    version_id(session, model, number)
    asked = next((one for one in found if one.number == number), None)
    received = f"version {number} of model '{model}'"
    if asked is None:
        waiting = ", ".join(str(one.number) for one in found if one.state(at) == "awaits approval")
        why = f"it does not wait for approval; of this model, {f'version {waiting} does' if waiting else 'none does'}"
        raise NothingToApprove(received, why, listed(model))
    if asked.approved is not None:
        why = f"{asked.actor} has {'approved it' if asked.approved else 'turned it down'}: {asked.reason}"
        raise NothingToApprove(received, why, listed(model))
    if asked.state(at) == "not approved":
        why = f"its time was over on {asked.until:%Y-%m-%d %H:%M} UTC, and the champion has stayed"
        raise NothingToApprove(received, why, f"`evergreen retrain {model}` tries again as soon as rows have arrived")
    return asked


def overtaken(model: str, asked: ApprovalRecord) -> PromotionConflict:
    """The error of who approves what was judged against another champion than there is now."""
    return PromotionConflict(
        f"version {asked.number} of model '{model}', judged after promotion {asked.seen}",
        f"promotion {asked.newest} has come since",
        f"let it be judged again, against the present champion: `evergreen retrain {model}`",
    )


def listed(model: str) -> str:
    """The fix of who named a version that does not wait."""
    return f"choose one that `evergreen registry approvals {model}` lists as awaiting"
