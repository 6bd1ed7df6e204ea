"""What arrived, as the registry remembers it: partitions, landed files, refused rows.

Every function runs in the transaction of its caller; `ModelRegistry` gives each a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.arrival_records import (
    EarlierOutcome,
    IngestRecord,
    LandedRecord,
    LedgerEntry,
    NewArrival,
    NewLandedFile,
    RefusalRecord,
)
from db.arrival_tables import LandedFile, Partition, RejectedRows, Revocation
from db.lookups import model_id, now
from db.records import NewPartition, PartitionRecord
from errors import ArrivalConflict

MANY = 10_000  # values in one statement


def record_arrival(session: Session, arrival: NewArrival) -> tuple[PartitionRecord, ...]:
    """Record a landed file with its partitions and refused rows, all or nothing.

    Raises:
        ArrivalConflict: there are partitions after `arrival.seen`, or the file is recorded already: look again.
        UnknownModel: the registry has no model of this name.
    """
    try:
        model = model_id(session, arrival.model)
        at = now()
        landed = session.scalar(
            insert(LandedFile)
            .values(**asdict(arrival.file), model_id=model, run_id=arrival.run_id, at=at)
            .returning(LandedFile.id)
        )
        rows = [
            _values(new, model) | {"sequence": arrival.seen + place, "landed_id": landed, "arrived_at": at}
            for place, new in enumerate(arrival.partitions, 1)
        ]
        if rows:
            session.execute(insert(Partition), rows)
        if arrival.refusals:
            source = {"model_id": model, "landed_id": landed, "source_uri": arrival.file.uri, "at": at}
            session.execute(insert(RejectedRows), [asdict(r) | source for r in arrival.refusals])
        added = select(Partition).where(Partition.landed_id == landed).order_by(Partition.sequence)
        return tuple(partition_record(row, arrival.model) for row in session.scalars(added))
    except IntegrityError as error:
        if "check constraint" in str(error.orig).lower():
            raise  # counts that do not add up are a fault of ours, and nobody else's arrival
        raise ArrivalConflict(
            f"the rows of {arrival.file.uri}",
            "somebody else took rows of this model in the meantime",
            "look for duplicates among the newest partitions and try again",
        ) from error


def ledger(session: Session, model: str, after: int = 0) -> tuple[LedgerEntry, ...]:
    """Every partition past a sequence number, recalled ones too, in the order in which they were taken."""
    found = select(Partition.digest, Partition.time_from, Partition.time_to).order_by(Partition.sequence)
    mine = Partition.model_id == model_id(session, model)
    return tuple(map(LedgerEntry._make, session.execute(found.where(mine, Partition.sequence > after))))


def partition_at(session: Session, model: str, sequence: int) -> PartitionRecord:
    """The partition of a sequence number."""
    mine = Partition.model_id == model_id(session, model)
    row = session.scalars(select(Partition).where(mine, Partition.sequence == sequence)).one()
    return partition_record(row, model)


def watermark(session: Session, model: str) -> datetime | None:
    """The newest event time of the rows that count; an older row is late."""
    newest = select(func.max(Partition.time_to)).outerjoin(Revocation)
    mine = Partition.model_id == model_id(session, model)
    return session.scalar(newest.where(mine, Partition.kind == "rows", Revocation.partition_id.is_(None)))


def recalled(session: Session, model: str) -> frozenset[int]:
    """Sequence numbers of the partitions that were recalled."""
    found = select(Partition.sequence).join(Revocation, Revocation.partition_id == Partition.id)
    return frozenset(session.scalars(found.where(Partition.model_id == model_id(session, model))))


def landed_files(session: Session, model: str) -> tuple[LandedRecord, ...]:
    """Every landed file that was read or refused, in that order."""
    columns: list[Any] = [getattr(LandedFile, field.name) for field in fields(LandedRecord)]
    found = select(*columns).where(LandedFile.model_id == model_id(session, model)).order_by(LandedFile.id)
    return tuple(LandedRecord(*list(row)) for row in session.execute(found))


def earlier_outcomes(session: Session, model: str, stamps: Sequence[str]) -> dict[str, EarlierOutcome]:
    """What the newest reading of each of these contents came to, by stamp."""
    found: dict[str, EarlierOutcome] = {}
    columns = (LandedFile.stamp, LandedFile.rules, LandedFile.attempt, LandedFile.waiting, LandedFile.reason)
    mine = LandedFile.model_id == model_id(session, model)
    for start in range(0, len(stamps), MANY):
        some = LandedFile.stamp.in_(stamps[start : start + MANY])
        rows = session.execute(select(*columns).where(mine, some).order_by(LandedFile.id))
        found |= {stamp: EarlierOutcome(*outcome) for stamp, *outcome in rows}
    return found


def find_twin(session: Session, model: str, sha256: str, rules: str) -> tuple[str, int] | None:
    """The uri and the rows of a file of the very same bytes that was taken, by the same rules."""
    mine = LandedFile.model_id == model_id(session, model)
    taken = (LandedFile.rules == rules, LandedFile.reason.is_(None), LandedFile.waiting == 0)
    same = select(LandedFile.uri, LandedFile.rows).where(mine, LandedFile.sha256 == sha256, *taken)
    row = session.execute(same.order_by(LandedFile.id).limit(1)).first()
    return (row.uri, row.rows) if row else None


def cursors(session: Session, model: str, uri: str) -> tuple[tuple[str, str], ...]:
    """The stamp and the last cursor value of every stretch of a query that was taken, in that order."""
    mine = LandedFile.model_id == model_id(session, model)
    found = select(LandedFile.stamp, LandedFile.cursor).where(mine, LandedFile.uri == uri)
    rows = session.execute(found.where(LandedFile.cursor.is_not(None)).order_by(LandedFile.id))
    return tuple((stamp, cursor) for stamp, cursor in rows if cursor)


def is_landed(session: Session, model: str, file: NewLandedFile) -> bool:
    """Whether this very reading of this very content is recorded."""
    names = ("stamp", "rules", "attempt")
    same = (getattr(LandedFile, name) == getattr(file, name) for name in names)
    found = select(LandedFile.id).where(LandedFile.model_id == model_id(session, model), *same)
    return session.scalar(found) is not None


def last_ingest(session: Session, model: str) -> IngestRecord:
    """The newest ingest that brought any rows."""
    mine = LandedFile.model_id == model_id(session, model)
    newest = select(LandedFile.batch).where(mine, LandedFile.rows > 0).order_by(LandedFile.id.desc()).limit(1)
    batch = session.scalar(newest)
    files = select(func.sum(LandedFile.rows), func.sum(LandedFile.rejected)).where(mine, LandedFile.batch == batch)
    rows, rejected = session.execute(files).one()
    live = (
        select(func.count())
        .select_from(Partition)
        .join(LandedFile)
        .outerjoin(Revocation)
        .where(mine, LandedFile.batch == batch, Revocation.partition_id.is_(None))
    )
    return IngestRecord(int(rows or 0), int(rejected or 0), session.scalar(live) or 0)


def refusals(session: Session, model: str) -> tuple[RefusalRecord, ...]:
    """Every group of refused rows, in the order in which they were refused."""
    columns = [getattr(RejectedRows, field.name) for field in fields(RefusalRecord)]
    found = select(*columns).where(RejectedRows.model_id == model_id(session, model)).order_by(RejectedRows.id)
    return tuple(RefusalRecord(*row) for row in session.execute(found))


def partition_record(row: Partition, model: str) -> PartitionRecord:
    """A partition's row as a record."""
    names = [field.name for field in fields(PartitionRecord) if field.name != "model"]
    return PartitionRecord(model=model, **{name: getattr(row, name) for name in names})


def _values(new: NewPartition, model: int) -> dict[str, Any]:
    values = asdict(new)
    del values["model"]
    return values | {"model_id": model}
