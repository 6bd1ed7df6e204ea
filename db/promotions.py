"""Who is in production: the promotion with the highest sequence. Nothing is flagged, so nothing can go stale."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from clock import now
from db.lineage import tainted_versions
from db.lookups import CHAMPION_ID, FAR, OF_MODEL, model_id, version_id
from db.records import PromotionKind, PromotionRecord, VersionRecord
from db.statements import add_unless_taken, read, row_of, select_as
from db.tables import Evaluation, Model, Promotion, Version
from db.versions import VERSIONS, version_records
from errors import NoChampion, NothingToRollBack, PromotionConflict, TaintedVersion

NEWEST_SEQUENCE = select(func.max(Promotion.sequence)).join(Model).where(OF_MODEL)
# With a subquery, since from a join SQLite makes a walk through all of the model's versions.
CHAMPION = VERSIONS.where(Version.id == CHAMPION_ID.scalar_subquery())


def promote(  # noqa: PLR0913 - the facts of a promotion, in named words
    session: Session,
    model: str,
    number: int,
    *,
    seen: int,
    kind: PromotionKind,
    actor: str,
    reason: str,
    evaluation_id: int | None = None,
) -> PromotionRecord:
    """Make a version the champion, provided that nothing was promoted since sequence `seen`.

    Args:
        session: the transaction.
        model: name of the model.
        number: the version.
        seen: the sequence that the decision was based on.
        kind: "bootstrap", "promote" or "rollback".
        actor: who decided.
        reason: why, in a sentence.
        evaluation_id: the evaluation that it was decided on.

    Raises:
        UnknownVersion: the model has no version of this number.
        TaintedVersion: it learned from a recalled partition.
        PromotionConflict: someone else promoted since; evaluate against the new champion.
    """
    model_row, version = model_id(session, model), version_id(session, model, number)
    if number in tainted_versions(session, model):
        raise TaintedVersion(
            f"version {number} of model '{model}'",
            "it, or a version it descends from, learned from a recalled partition",
            f"promote a clean version, or train anew with `evergreen bootstrap {model}`",
        )
    record = PromotionRecord(model, seen + 1, number, kind, evaluation_id, actor, reason, now())
    row = row_of(Promotion, record, model_id=model_row, version_id=version)
    # Two that saw the same sequence both come to add it; the unique constraint lets one through.
    if sequence(session, model) == seen and add_unless_taken(session, Promotion, row):
        return record
    present = sequence(session, model)
    raise PromotionConflict(
        f"version {number} of model '{model}', decided on at promotion {seen}",
        f"{present} promotions were made" if present != 1 else "1 promotion was made",
        "evaluate it against the present champion, then promote it again",
    )


def rollback(session: Session, model: str, *, to: int | None = None, actor: str, reason: str) -> PromotionRecord:
    """Put an earlier version back in production.

    Args:
        session: the transaction.
        model: name of the model.
        to: the version; by default the newest clean one among those that were champion before the present one.
        actor: who decided.
        reason: why, in a sentence.

    Raises:
        NoChampion: nothing was promoted yet.
        NothingToRollBack: no clean version was champion before.
    """
    history = promotions(session, model)
    if not history:
        raise no_champion(session, model)
    if to is None:
        tainted = tainted_versions(session, model)
        earlier = [number for number in predecessors(history) if number not in tainted]
        if not earlier:
            raise NothingToRollBack(
                f"model '{model}'",
                f"before its champion, version {history[-1].number}, no clean version was in production",
                f"name one: `evergreen registry rollback {model} --to N`; if all are tainted, `evergreen bootstrap "
                f"{model}` trains anew on what is left",
            )
        to = earlier[-1]
    return promote(session, model, to, seen=history[-1].sequence, kind="rollback", actor=actor, reason=reason)


def predecessors(history: tuple[PromotionRecord, ...]) -> list[int]:
    """The versions that were champion before the present one and were not rolled back from, oldest first.

    A rollback undoes what came after the version it returned to, so a second rollback goes further back
    instead of forward again.
    """
    line: list[int] = []
    for promotion in history:
        if promotion.number in line:
            del line[line.index(promotion.number) :]
        elif promotion.kind == "rollback" and line:
            del line[-1]
        line.append(promotion.number)
    return line[:-1]


def sequence(session: Session, model: str) -> int:
    """The number of the newest promotion; 0 if there is none."""
    newest: int | None = session.connection().scalar(NEWEST_SEQUENCE, {"model": model})
    return newest or 0


def find_champion(session: Session, model: str, when: datetime | None = None) -> VersionRecord | None:
    """The version in production now, or at an instant; None if there was none."""
    found = version_records(session, CHAMPION, {"model": model, "when": when or FAR})
    return found[0] if found else None


def champion(session: Session, model: str) -> VersionRecord:
    """The version in production.

    Raises:
        UnknownModel: the registry has no model of this name.
        NoChampion: nothing was promoted yet.
    """
    found = find_champion(session, model)
    if found is None:
        raise no_champion(session, model)
    return found


def no_champion(session: Session, model: str) -> NoChampion:
    """The error of a model in which nothing was promoted; raises if there is no such model."""
    model_id(session, model)
    return NoChampion(f"model '{model}'", "nothing was promoted yet", f"train version 1: `evergreen bootstrap {model}`")


def promotions(session: Session, model: str) -> tuple[PromotionRecord, ...]:
    """Every promotion and rollback, newest last; raises UnknownModel."""
    statement = select_as(PromotionRecord, Promotion, model=Model.name, number=Version.number)
    of_model = statement.join(Version).join(Model, Model.id == Promotion.model_id)
    mine = of_model.where(Promotion.model_id == model_id(session, model))
    return read(session, mine.order_by(Promotion.sequence), PromotionRecord)


def promoted_by(session: Session, run_id: int) -> int | None:
    """The version that a run promoted by itself, not a person later; None if there is none."""
    judged = Evaluation.run_id == run_id
    adopted = and_(Version.run_id == run_id, Promotion.kind == "bootstrap", Promotion.evaluation_id.is_(None))
    joined = select(Version.number).join(Promotion).outerjoin(Evaluation, Evaluation.id == Promotion.evaluation_id)
    newest: int | None = session.scalar(joined.where(or_(judged, adopted)).order_by(Promotion.id.desc()).limit(1))
    return newest
