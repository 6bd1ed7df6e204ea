"""What a version learned from, what it has not learned yet, and what happens when data is recalled."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import CTE, bindparam, select
from sqlalchemy.orm import Session

from db.lookups import AnyRow, Rows, model_id, now, version_id
from db.records import PartitionRecord, Recall, VersionRecord
from db.tables import Model, Partition, Promotion, Revocation, Version, VersionPartition
from db.versions import select_versions, version_records
from db.writing import add_if_new
from errors import UnknownPartition


def partitions(session: Session, model: str) -> tuple[PartitionRecord, ...]:
    """Every partition that may be learned from, oldest event time first."""
    return _records(session, _select_partitions(model_id(session, model)))


def pending(session: Session, model: str, number: int | None = None) -> tuple[PartitionRecord, ...]:
    """The partitions that a version (by default the champion) and its ancestors have not learned from."""
    model_row = model_id(session, model)
    version = _champion_id(session, model_row) if number is None else version_id(session, model, number)
    statement = _select_partitions(model_row)
    if version is not None:
        statement = statement.where(Partition.id.not_in(_learned_by_line(version)))
    return _records(session, statement)


def trained_on(session: Session, model: str, number: int) -> tuple[PartitionRecord, ...]:
    """The partitions that a version and its ancestors learned from, recalled ones left out."""
    version = version_id(session, model, number)
    statement = _select_partitions(model_id(session, model)).where(Partition.id.in_(_learned_by_line(version)))
    return _records(session, statement)


def learned_by(session: Session, model: str, number: int) -> tuple[PartitionRecord, ...]:
    """The partitions that one version learned from, recalled ones left out."""
    own = select(VersionPartition.partition_id).where(
        VersionPartition.version_id == version_id(session, model, number), VersionPartition.role == "trained"
    )
    return _records(session, _select_partitions(model_id(session, model)).where(Partition.id.in_(own)))


def ancestors(session: Session, model: str, number: int) -> tuple[VersionRecord, ...]:
    """A version and all that it descends from, newest first."""
    line = _line(version_id(session, model, number))
    statement = select_versions().where(Version.id.in_(select(line.c.id))).order_by(Version.number.desc())
    return version_records(session, statement)


def partition(session: Session, model: str, digest: str) -> PartitionRecord:
    """One partition, also one that was recalled.

    Raises:
        UnknownPartition: no partition's digest is, or begins with, the one given; or several do.
    """
    return _record(_find_partition(session, model, digest))


def recall(session: Session, model: str, digest: str, *, reason: str, actor: str) -> Recall:
    """Recall a partition: it is never learned from again, and versions that did are tainted.

    Recalling it twice changes nothing; the first reason stays.

    Raises:
        UnknownPartition: no partition's digest is, or begins with, the one given; or several do.
    """
    row = _find_partition(session, model, digest)
    add_if_new(session, Revocation, [{"partition_id": row.id, "reason": reason, "actor": actor, "at": now()}])
    return Recall(_record(row), tuple(sorted(_tainted_by(session, row.id))))


def tainted_versions(session: Session, model: str) -> tuple[int, ...]:
    """Numbers of the versions that learned from a recalled partition, or descend from one that did."""
    return tuple(sorted(set(session.connection().scalars(_tainted_in_model(), {"model": model}))))


@cache
def _tainted_in_model() -> Rows:
    recalled = (
        select(VersionPartition.version_id.label("id"))
        .join(Revocation, Revocation.partition_id == VersionPartition.partition_id)
        .join(Partition, Partition.id == Revocation.partition_id)
        .join(Model, Model.id == Partition.model_id)
        .where(Model.name == bindparam("model"))
    )
    return _descendants(recalled)


def _tainted_by(session: Session, partition: int) -> set[int]:
    learned = select(VersionPartition.version_id.label("id")).where(VersionPartition.partition_id == partition)
    return set(session.connection().scalars(_descendants(learned)))


def _descendants(versions: Rows) -> Rows:
    """Numbers of some versions and of all that descend from them."""
    found = versions.cte("found", recursive=True)
    found = found.union(select(Version.id).join(found, Version.parent_id == found.c.id))
    return select(Version.number).join(found, found.c.id == Version.id)


def _line(version: int) -> CTE:
    """A version and its ancestors."""
    line = select(Version.id, Version.parent_id).where(Version.id == version).cte("line", recursive=True)
    return line.union_all(select(Version.id, Version.parent_id).join(line, Version.id == line.c.parent_id))


def _learned_by_line(version: int) -> Rows:
    line = _line(version)
    return (
        select(VersionPartition.partition_id)
        .join(line, line.c.id == VersionPartition.version_id)
        .where(VersionPartition.role == "trained")
    )


def _champion_id(session: Session, model: int) -> int | None:
    return session.scalar(
        select(Promotion.version_id).where(Promotion.model_id == model).order_by(Promotion.sequence.desc()).limit(1)
    )


def _find_partition(session: Session, model: str, digest: str) -> AnyRow:
    statement = _columns().where(
        Partition.model_id == model_id(session, model), Partition.digest.startswith(digest.lower(), autoescape=True)
    )
    found = session.execute(statement.limit(2)).all() if digest else []
    if len(found) != 1:
        raise UnknownPartition(
            f"partition '{digest}' of model '{model}'",
            "several digests begin like that" if found else "no partition has that digest",
            f"give a digest that `evergreen partitions list {model}` shows",
        )
    return found[0]


def _select_partitions(model: int) -> Rows:
    ready = Partition.id.not_in(select(Revocation.partition_id))
    return _columns().where(Partition.model_id == model, ready).order_by(Partition.time_from, Partition.id)


def _columns() -> Rows:
    return select(Partition.id, Model.name.label("model"), *_fields()).join(Model, Model.id == Partition.model_id)


def _fields() -> list[Any]:
    names = [name for name in PartitionRecord.__dataclass_fields__ if name != "model"]
    return [getattr(Partition, name) for name in names]


def _records(session: Session, statement: Rows) -> tuple[PartitionRecord, ...]:
    return tuple(_record(row) for row in session.execute(statement))


def _record(row: AnyRow) -> PartitionRecord:
    _, *fields = row
    return PartitionRecord(*fields)
