"""What arrived, as the registry remembers it: partitions, landed files, refused rows.

Every function runs in the transaction of its caller; `ModelRegistry` gives each a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from clock import now
from db.arrival_records import (
    IngestRecord,
    LandedRecord,
    LedgerEntry,
    NewArrival,
    PartitionRecord,
    RefusalRecord,
    Superseded,
)
from db.arrival_tables import LandedFile, Partition, Recall, RefusedRows, Supersession
from db.lookups import model_id, partition_ids
from db.statements import Row, Statement, add_row, add_rows, portions, read, row_of, select_as
from db.tables import Model
from errors import ArrivalConflict, UnknownPartition

Older = aliased(Partition)
Newer = aliased(Partition)

# Every step that reads rows asks for it, and building it costs several times as much as running it.
SUPERSEDED = (
    select(Older.digest.label("partition"), Newer.digest.label("by"), Supersession.rows)
    .join(Older, Older.id == Supersession.partition_id)
    .join(Newer, Newer.id == Supersession.by_id)
    .where(Newer.model_id == bindparam("model"), Newer.id.not_in(select(Recall.partition_id)))
    .order_by(Newer.id)
)


def record_arrival(session: Session, arrival: NewArrival) -> tuple[PartitionRecord, ...]:
    """Record a landed file with its partitions, its refused rows and what it supersedes, all or nothing.

    Raises:
        ArrivalConflict: there are partitions after `arrival.seen`, or the file is recorded already.
        UnknownModel: the registry has no model of this name.
    """
    return record_arrivals(session, [arrival])


def record_arrivals(session: Session, arrivals: Sequence[NewArrival]) -> tuple[PartitionRecord, ...]:
    """Record landed files of one model, all or none; their partitions follow those that the first of them has seen.

    Raises:
        ArrivalConflict: there are partitions after those, or one of the files is recorded already.
        UnknownModel: the registry has no model of this name.
    """
    try:
        model, at = model_id(session, arrivals[0].model), now()
        partitions, refusals = list[Row](), list[Row]()
        for arrival in arrivals:
            row = row_of(LandedFile, arrival.file, model_id=model, run_id=arrival.run_id, at=at)
            of_file: Row = {"model_id": model, "landed_id": add_row(session, LandedFile, row)}
            partitions += (row_of(Partition, new, **of_file, arrived_at=at) for new in arrival.partitions)
            source = of_file | {"source_uri": arrival.file.uri, "at": at}
            refusals += (row_of(RefusedRows, refusal, **source) for refusal in arrival.refusals)
        for sequence, row in enumerate(partitions, arrivals[0].seen + 1):
            row["sequence"] = sequence
        add_rows(session, Partition, partitions)
        add_rows(session, RefusedRows, refusals)
        add_superseded(session, model, [one for arrival in arrivals for one in arrival.superseded])
        return tuple(PartitionRecord(**vars(new), arrived_at=at) for each in arrivals for new in each.partitions)
    except IntegrityError as error:
        if "check constraint" in str(error.orig).lower():
            raise  # counts that do not add up are a fault of ours, and nobody else's arrival
        raise ArrivalConflict(
            f"the rows of {arrivals[0].file.uri}",
            "somebody else took rows of this model in the meantime",
            "look for duplicates among the newest partitions and try again",
        ) from error


def add_superseded(session: Session, model: int, superseded: Sequence[Superseded]) -> None:
    """Record which partitions have newer rows in which."""
    ids = partition_ids(session, model, {digest for one in superseded for digest in (one.partition, one.by)})
    rows = ({"partition_id": ids[one.partition], "by_id": ids[one.by], "rows": one.rows} for one in superseded)
    add_rows(session, Supersession, rows)


def superseded(session: Session, model: str) -> tuple[Superseded, ...]:
    """Which partitions have newer rows in which, in the order in which these arrived; none in one that was recalled."""
    return read(session, SUPERSEDED, Superseded, {"model": model_id(session, model)})


def partitions(session: Session, model: str) -> tuple[PartitionRecord, ...]:
    """Every partition that may be learned from, oldest event time first."""
    return read(session, select_ready(model_id(session, model)), PartitionRecord)


def partition(session: Session, model: str, digest: str) -> PartitionRecord:
    """One partition, also one that was recalled.

    Raises:
        UnknownPartition: no partition's digest is, or begins with, the one given; or several do.
    """
    begins = Partition.digest.startswith(digest.lower(), autoescape=True)
    statement = select_partitions(model_id(session, model)).where(begins).limit(2)
    found = read(session, statement, PartitionRecord) if digest else ()
    if len(found) != 1:
        raise UnknownPartition(
            f"partition '{digest}' of model '{model}'",
            "several digests begin like that" if found else "no partition has that digest",
            f"give a digest that `evergreen partitions list {model}` shows",
        )
    return found[0]


def partition_at(session: Session, model: str, sequence: int) -> PartitionRecord:
    """The partition of a sequence number."""
    statement = select_partitions(model_id(session, model)).where(Partition.sequence == sequence)
    (found,) = read(session, statement, PartitionRecord)
    return found


def select_ready(model: int) -> Statement:
    """Those that were not recalled, oldest event time first."""
    ready = Partition.id.not_in(select(Recall.partition_id))
    return select_partitions(model).where(ready).order_by(Partition.time_from, Partition.id)


def select_partitions(model: int) -> Statement:
    """All of a model's partitions, with the columns of a PartitionRecord."""
    statement = select_as(PartitionRecord, Partition, model=Model.name)
    return statement.join(Model, Model.id == Partition.model_id).where(Partition.model_id == model)


def ledger(session: Session, model: str, after: int = 0) -> tuple[LedgerEntry, ...]:
    """Every partition past a sequence number, recalled ones too, in the order in which they were taken."""
    past = Partition.sequence > after
    found = select_as(LedgerEntry, Partition).where(Partition.model_id == model_id(session, model), past)
    return tuple(map(LedgerEntry._make, session.execute(found.order_by(Partition.sequence))))


def watermark(session: Session, model: str) -> datetime | None:
    """The newest event time of the rows that count; an older row is late."""
    newest = select(func.max(Partition.time_to)).outerjoin(Recall)
    mine = Partition.model_id == model_id(session, model)
    return session.scalar(newest.where(mine, Partition.kind == "rows", Recall.partition_id.is_(None)))


def recalled(session: Session, model: str) -> frozenset[int]:
    """Sequence numbers of the partitions that were recalled."""
    mine = (Partition.id == Recall.partition_id, Partition.model_id == model_id(session, model))
    found = select(select(Partition.sequence).where(*mine).scalar_subquery()).select_from(Recall)
    return frozenset(session.scalars(found)) - {None}  # a join would go through every partition, and recalls are few


def landed_files(session: Session, /, model: str, **same: Any) -> tuple[LandedRecord, ...]:
    """Every landed file that was read or refused, in that order; where values are given, those that have them."""
    found = select_as(LandedRecord, LandedFile).filter_by(model_id=model_id(session, model), **same)
    return read(session, found.order_by(LandedFile.id), LandedRecord)


def earlier_outcomes(session: Session, model: str, stamps: Sequence[str]) -> dict[str, LandedRecord]:
    """What the newest reading of each of these contents came to, by stamp."""
    found: dict[str, LandedRecord] = {}
    mine = select_as(LandedRecord, LandedFile).where(LandedFile.model_id == model_id(session, model))
    for some in portions(stamps):
        files = read(session, mine.where(LandedFile.stamp.in_(some)).order_by(LandedFile.id), LandedRecord)
        found |= {file.stamp: file for file in files}
    return found


def taken_contents(session: Session, model: str, rules: str, sizes: Sequence[int]) -> dict[str, tuple[str, int]]:
    """SHA-256, uri and rows of every file of one of these sizes that was taken under these rules."""
    taken = select(LandedFile.sha256, LandedFile.uri, LandedFile.rows).where(
        LandedFile.model_id == model_id(session, model),
        LandedFile.rules == rules,
        LandedFile.waiting == 0,
        LandedFile.conflicts == 0,
        LandedFile.reason.is_(None),
        LandedFile.sha256.is_not(None),
    )
    found: dict[str, tuple[str, int]] = {}
    for some in portions(sizes):
        files = session.execute(taken.where(LandedFile.bytes.in_(some)).order_by(LandedFile.id.desc()))
        found |= {sha256: (uri, rows) for sha256, uri, rows in files}
    return found


def newest_arrival(session: Session, model: str) -> datetime:
    """When rows were last taken; before the first ones, when the model became known."""
    mine = model_id(session, model)
    taken = session.scalar(select(func.max(LandedFile.at)).where(LandedFile.model_id == mine, LandedFile.taken > 0))
    return taken or session.scalars(select(Model.created_at).where(Model.id == mine)).one()


def last_ingest(session: Session, model: str) -> IngestRecord:
    """The newest ingest that brought any rows."""
    mine = LandedFile.model_id == model_id(session, model)
    newest = select(LandedFile.ingest).where(mine, LandedFile.rows > 0).order_by(LandedFile.id.desc()).limit(1)
    of_ingest = (mine, LandedFile.ingest == newest.scalar_subquery())
    counts = select(func.sum(LandedFile.rows), func.sum(LandedFile.refused)).where(*of_ingest)
    rows, refused = session.execute(counts).one()
    ready = select(func.count()).select_from(Partition).join(LandedFile).outerjoin(Recall)
    live = session.scalar(ready.where(*of_ingest, Recall.partition_id.is_(None)))
    return IngestRecord(int(rows or 0), int(refused or 0), live or 0)


def refusals(session: Session, /, model: str, **same: Any) -> tuple[RefusalRecord, ...]:
    """Every group of refused rows, in the order in which they were refused; as in `landed_files`, those that match."""
    found = select_as(RefusalRecord, RefusedRows).filter_by(model_id=model_id(session, model), **same)
    return read(session, found.order_by(RefusedRows.id), RefusalRecord)
