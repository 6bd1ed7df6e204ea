"""What a version learned from, what it has not learned yet, and what happens when data is recalled."""

from __future__ import annotations

from sqlalchemy import CTE, select
from sqlalchemy.orm import Session

from clock import now
from db.arrival_records import PartitionRecord, RecallRecord
from db.arrival_tables import Partition, Recall
from db.arrivals import partition, select_ready
from db.lookups import CHAMPION_ID, OF_MODEL, made_online, model_id, partition_ids, version_id
from db.records import Role, VersionRecord
from db.statements import Statement, add_if_new, read
from db.tables import Model, Version, VersionPartition
from db.versions import VERSIONS, version_records


def _descendants(versions: Statement) -> Statement:
    """Numbers of some versions and of all that descend from them."""
    found = versions.cte("found", recursive=True)
    found = found.union(select(Version.id).join(found, Version.parent_id == found.c.id))
    return select(Version.number).join(found, found.c.id == Version.id)


TAINTED = _descendants(
    select(VersionPartition.version_id.label("id"))
    .join(Recall, Recall.partition_id == VersionPartition.partition_id)
    .join(Partition, Partition.id == Recall.partition_id)
    .join(Model, Model.id == Partition.model_id)
    .where(OF_MODEL)
)


def pending(session: Session, model: str, number: int | None = None) -> tuple[PartitionRecord, ...]:
    """The partitions that a version (by default the champion) and its ancestors have not learned, or only partly."""
    statement = select_ready(model_id(session, model))
    if number is None:
        version = session.connection().scalar(CHAMPION_ID, {"model": model})
    else:
        version = version_id(session, model, number)
    if version is not None:
        statement = statement.where(Partition.id.not_in(_learned_by_line(version)))
    return read(session, statement, PartitionRecord)


def trained_on(session: Session, model: str, number: int) -> tuple[PartitionRecord, ...]:
    """The partitions that a version and its ancestors learned from, recalled ones left out."""
    return _ready_among(session, model, _learned_by_line(version_id(session, model, number)))


def learners(session: Session, model: str, number: int) -> dict[str, int]:
    """Which version of a line, a version and its ancestors, learned each partition: its digest to that number."""
    line = _line(version_id(session, model, number))
    found = (
        select(Partition.digest, Version.number)
        .join(VersionPartition, VersionPartition.partition_id == Partition.id)
        .join(line, line.c.id == VersionPartition.version_id)
        .join(Version, Version.id == line.c.id)
        .where(VersionPartition.role == "trained")
    )
    return dict(session.execute(found).tuples().all())


def learned_by(session: Session, model: str, number: int, role: Role = "trained") -> tuple[PartitionRecord, ...]:
    """The partitions that one version learned from, or replayed, or learned partly; recalled ones left out."""
    own = select(VersionPartition.partition_id).where(
        VersionPartition.version_id == version_id(session, model, number), VersionPartition.role == role
    )
    return _ready_among(session, model, own)


def partly_learned(session: Session, model: str, number: int) -> tuple[PartitionRecord, ...]:
    """The partitions of whose rows a version's line learned some event by event, but not all; recalled ones left out.

    They are pending still. Of a retrain's proof, which learned some of them partly too, nothing descends.
    """
    line = _line(version_id(session, model, number))
    some = (
        select(VersionPartition.partition_id)
        .join(line, line.c.id == VersionPartition.version_id)
        .join(Version, Version.id == line.c.id)
        .where(VersionPartition.role == "partly", made_online(Version.plan))
    )
    return _ready_among(session, model, some)


def _ready_among(session: Session, model: str, ids: Statement) -> tuple[PartitionRecord, ...]:
    return read(session, select_ready(model_id(session, model)).where(Partition.id.in_(ids)), PartitionRecord)


def ancestors(session: Session, model: str, number: int) -> tuple[VersionRecord, ...]:
    """A version and all that it descends from, newest first."""
    line = _line(version_id(session, model, number))
    statement = VERSIONS.where(Version.id.in_(select(line.c.id))).order_by(Version.number.desc())
    return version_records(session, statement)


def recall(session: Session, model: str, digest: str, *, reason: str, actor: str) -> RecallRecord:
    """Recall a partition: it is never learned from again, and versions that did are tainted.

    Recalling it twice changes nothing; the first reason stays.

    Raises:
        UnknownPartition: no partition's digest is, or begins with, the one given; or several do.
    """
    found = partition(session, model, digest)
    row = partition_ids(session, model_id(session, model), {found.digest})[found.digest]
    add_if_new(session, Recall, [{"partition_id": row, "reason": reason, "actor": actor, "at": now()}])
    learned = select(VersionPartition.version_id.label("id")).where(VersionPartition.partition_id == row)
    return RecallRecord(found, tuple(sorted(set(session.scalars(_descendants(learned))))))


def tainted_versions(session: Session, model: str) -> tuple[int, ...]:
    """Numbers of the versions that learned from a recalled partition, or descend from one that did."""
    return tuple(sorted(set(session.connection().scalars(TAINTED, {"model": model}))))


def _line(version: int) -> CTE:
    """A version and its ancestors."""
    line = select(Version.id, Version.parent_id).where(Version.id == version).cte("line", recursive=True)
    return line.union_all(select(Version.id, Version.parent_id).join(line, Version.id == line.c.parent_id))


def _learned_by_line(version: int) -> Statement:
    line = _line(version)
    return (
        select(VersionPartition.partition_id)
        .join(line, line.c.id == VersionPartition.version_id)
        .where(VersionPartition.role == "trained")
    )
