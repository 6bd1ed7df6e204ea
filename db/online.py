"""Online learning: one run at a time learns a model's events, and says in one transaction how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import BigInteger, case, cast, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from clock import now
from db.lookups import model_id, version_id
from db.online_records import CheckpointRecord, NewCheckpoint
from db.online_tables import OnlineCheckpoint, OnlineConsumer, OnlineLoss
from db.statements import Statement, add_if_new, add_row, read, row_of, select_as
from db.tables import Run, Version
from db.verdict_records import BlockLossRecord
from errors import AnotherConsumer

KEPT = 20  # checkpoints of a consumer whose files stay; only the newest is gone on from


def claim(session: Session, model: str, run_id: int) -> None:
    """Let an open run be the one that learns a model's events.

    Raises:
        AnotherConsumer: another run is, and it is alive.
    """
    row = model_id(session, model)
    add_if_new(session, OnlineConsumer, [{"model_id": row, "run_id": run_id}])
    over = select(Run.id).where(or_(Run.finished_at.is_not(None), Run.alive_until.is_(None), Run.alive_until < now()))
    free = or_(OnlineConsumer.run_id == run_id, OnlineConsumer.run_id.in_(over))
    _own(session, row, run_id, model, free)


def add_checkpoint(session: Session, new: NewCheckpoint) -> tuple[str, ...]:
    """Record how far a consumer has come; returns the uri of files that no checkpoint needs any more.

    Raises:
        AnotherConsumer: the run has not claimed the model, or another one has since: this one was taken for dead.
    """
    row = model_id(session, new.model)
    _own(session, row, new.run_id, new.model, OnlineConsumer.run_id == new.run_id)
    champion = version_id(session, new.model, new.champion)
    file = {name: value for name, value in vars(new.stored).items() if name != "kind"}
    try:
        number = add_row(
            session,
            OnlineCheckpoint,
            row_of(OnlineCheckpoint, new, model_id=row, champion_id=champion, at=now()) | file,
        )
    except IntegrityError as error:
        raise _another(new.model) from error
    for one in new.losses:
        of = {"version_id": version_id(session, new.model, one.number), "checkpoint_id": number}
        add_row(session, OnlineLoss, row_of(OnlineLoss, one, **of))
    old = OnlineCheckpoint.number <= new.number - KEPT
    mine = OnlineCheckpoint.model_id == row, OnlineCheckpoint.consumer == new.consumer
    unnamed = update(OnlineCheckpoint).where(*mine, old, OnlineCheckpoint.uri.is_not(None))
    gone = set(session.scalars(select(OnlineCheckpoint.uri).where(*mine, old, OnlineCheckpoint.uri.is_not(None))))
    session.execute(unnamed.values(uri=None))
    still = set(session.scalars(select(OnlineCheckpoint.uri).where(OnlineCheckpoint.uri.in_(gone))))
    return tuple(sorted(uri for uri in gone - still if uri))


def newest_checkpoint(session: Session, model: str, consumer: str) -> CheckpointRecord | None:
    """Where a consumer is; None where it has not begun."""
    mine = _select(session, model).where(OnlineCheckpoint.consumer == consumer)
    found = read(session, mine.order_by(OnlineCheckpoint.number.desc()).limit(1), CheckpointRecord)
    return found[0] if found else None


def checkpoints(session: Session, model: str, limit: int = 20) -> tuple[CheckpointRecord, ...]:
    """The checkpoints of all consumers of a model, newest first."""
    found = _select(session, model).order_by(OnlineCheckpoint.id.desc()).limit(limit)
    return read(session, found, CheckpointRecord)


def online_losses(session: Session, model: str, numbers: Sequence[int]) -> tuple[BlockLossRecord, ...]:
    """The losses of some versions on a model's events, by time block, oldest first; a consumer stands for a partition.

    The newest block of each consumer is left out: it is not over.
    """
    rows, came = (cast(func.sum(one), BigInteger) for one in (OnlineLoss.rows, OnlineLoss.rare))  # else it is a Decimal
    known = func.count(OnlineLoss.rare) == func.count()  # of every part
    rare, expected = case((known, came)), case((known, func.sum(OnlineLoss.expected)))
    weight = func.sum(OnlineLoss.weight)
    loss = func.sum(OnlineLoss.weight * OnlineLoss.loss) / weight  # a block is in several checkpoints
    consumer, number = OnlineCheckpoint.consumer, Version.number
    by_block = (
        select(consumer.label("partition"), OnlineLoss.block, number)
        .add_columns(rows.label("rows"), loss.label("loss"), rare.label("rare"), expected.label("expected"))
        .select_from(OnlineLoss)
        .join(OnlineCheckpoint)
        .join(Version, Version.id == OnlineLoss.version_id)
        .where(Version.model_id == model_id(session, model), number.in_(numbers))
        .group_by(consumer, OnlineLoss.block, number)
        .order_by(OnlineLoss.block, consumer, number)
    )
    found = read(session, by_block, partial(BlockLossRecord, proving=False))
    newest = {one.partition: one.block for one in found}  # the last one of each
    return tuple(one for one in found if one.block < newest[one.partition])


def _select(session: Session, model: str) -> Statement:
    found = select_as(CheckpointRecord, OnlineCheckpoint, champion=Version.number)
    joined = found.join(Version, Version.id == OnlineCheckpoint.champion_id)
    return joined.where(OnlineCheckpoint.model_id == model_id(session, model))


def _own(session: Session, row: int, run_id: int, model: str, allowed: object) -> None:
    """Lock the model's consumer for this transaction, and let it be the run's if that is allowed."""
    mine = update(OnlineConsumer).where(OnlineConsumer.model_id == row, allowed)  # type: ignore[arg-type]
    if session.scalar(mine.values(run_id=run_id).returning(OnlineConsumer.model_id)) is None:
        raise _another(model)


def _another(model: str) -> AnotherConsumer:
    return AnotherConsumer(
        f"the events of model '{model}'",
        "another run learns them, and two would learn each event twice",
        f"wait until it ends, or stop it; `evergreen registry runs {model}` lists what is open",
    )
