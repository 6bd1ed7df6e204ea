"""Models as a whole: which there are, how each fares, and that one was renamed, retired, or taken up again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from clock import now
from db.arrival_tables import Partition, Recall
from db.lookups import model_id
from db.promotions import find_champion, promotions
from db.records import came_to
from db.runs import runs
from db.statements import add_row, read, row_of, select_as
from db.tables import Model, ModelEvent
from errors import InvalidName, valid_name

Kind = Literal["renamed", "retired", "resumed"]


@dataclass(frozen=True)
class ModelRecord:
    """How a model fares, in a line.

    Args:
        name: of the model.
        champion: number of the version in production; None before there is one.
        since: since when it is.
        rows: of all partitions that count.
        outcome: what its newest finished run came to.
        last_run: when that one ended.
        retired: whether its runs do nothing any more.
    """

    name: str
    champion: int | None
    since: datetime | None
    rows: int
    outcome: str | None
    last_run: datetime | None
    retired: bool


@dataclass(frozen=True)
class ModelEventRecord:
    """That a model was renamed (`was` is its name before), retired, or taken up again."""

    kind: Kind
    was: str | None
    reason: str
    actor: str
    at: datetime


def models(session: Session) -> tuple[ModelRecord, ...]:
    """Every model that the registry knows, by name."""
    names = session.scalars(select(Model.name).order_by(Model.name)).all()
    return tuple(_record(session, name) for name in names)


def _record(session: Session, name: str) -> ModelRecord:
    champion = find_champion(session, name)
    ended = next((run for run in runs(session, name) if run.finished_at), None)
    counted = Partition.model_id == model_id(session, name), Partition.id.not_in(select(Recall.partition_id))
    return ModelRecord(
        name,
        champion.number if champion else None,
        promotions(session, name)[-1].at if champion else None,
        int(session.scalar(select(func.sum(Partition.rows)).where(*counted)) or 0),
        (came_to(ended) or ended.outcome) if ended else None,
        ended.finished_at if ended else None,
        retired(session, name) is not None,
    )


def model_events(session: Session, name: str) -> tuple[ModelEventRecord, ...]:
    """What became of a model as a whole, oldest first."""
    mine = ModelEvent.model_id == model_id(session, name)
    return read(session, select_as(ModelEventRecord, ModelEvent).where(mine).order_by(ModelEvent.id), ModelEventRecord)


def retired(session: Session, name: str) -> ModelEventRecord | None:
    """That a model was retired; None if it was not, or was taken up again since."""
    newest = [event for event in model_events(session, name) if event.kind != "renamed"][-1:]
    return next((event for event in newest if event.kind == "retired"), None)


def retire(session: Session, name: str, *, reason: str, actor: str) -> None:
    """End a model: its runs do nothing any more, and all that it did stays. Doing it twice changes nothing.

    Raises:
        UnknownModel: the registry has none of this name.
    """
    if retired(session, name) is None:
        _add(session, name, ModelEventRecord("retired", None, reason, actor, now()))


def resume(session: Session, name: str, *, reason: str, actor: str) -> None:
    """Take a retired model up again, where it was left.

    Raises:
        UnknownModel: the registry has none of this name.
    """
    if retired(session, name) is not None:
        _add(session, name, ModelEventRecord("resumed", None, reason, actor, now()))


def rename(session: Session, name: str, new: str, *, reason: str, actor: str) -> None:
    """Give a model another name; all that it did follows, and that it had another one stays known.

    Raises:
        UnknownModel: the registry has none of the old name.
        InvalidName: the new one could not be a file, or is another model's.
    """
    row = model_id(session, name)
    try:
        session.execute(update(Model).where(Model.id == row).values(name=valid_name(new)))
    except IntegrityError as error:
        why, fix = "the registry has a model of this name", "choose a name that `evergreen models` does not list"
        raise InvalidName(f"model name '{new}'", why, fix) from error
    _add(session, new, ModelEventRecord("renamed", name, reason, actor, now()))


def _add(session: Session, name: str, event: ModelEventRecord) -> None:
    add_row(session, ModelEvent, row_of(ModelEvent, event, model_id=model_id(session, name)))
