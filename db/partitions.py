"""What arrived, as the registry remembers it: partitions, landed files, refused rows.

Every function takes an engine, and is one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.engine import read_scope, session_scope
from db.lookups import model_id, now
from db.partition_records import BatchRecord, LandedRecord, LedgerEntry, Look, NewArrival, NewLanding, RejectionRecord
from db.partition_tables import LandedFile, Partition, RejectedRows, Revocation
from db.records import NewPartition, PartitionRecord
from errors import RegistryError

MANY = 10_000  # values in one statement
TRIES = 100  # of a single partition without duplicates to look for; each lost try is somebody else's success


class ArrivalConflict(RegistryError):
    """Somebody else took rows, or this very file, in the meantime."""


def record_arrival(engine: Engine, arrival: NewArrival) -> tuple[PartitionRecord, ...]:
    """Record a landed file with its partitions and refused rows, all or nothing.

    Raises:
        ArrivalConflict: there are partitions after `arrival.seen`, or the file is recorded already: look again.
        UnknownModel: the registry has no model of this name.
    """
    try:
        with session_scope(engine) as session:
            model = model_id(session, arrival.model)
            at = now()
            landed = session.scalar(
                insert(LandedFile)
                .values(**asdict(arrival.landing), model_id=model, run_id=arrival.run_id, at=at)
                .returning(LandedFile.id)
            )
            rows = [
                _values(new, model) | {"sequence": arrival.seen + place, "landed_id": landed, "arrived_at": at}
                for place, new in enumerate(arrival.partitions, 1)
            ]
            if rows:
                session.execute(insert(Partition), rows)
            if arrival.rejections:
                source = {"model_id": model, "landed_id": landed, "source_uri": arrival.landing.uri, "at": at}
                session.execute(insert(RejectedRows), [asdict(r) | source for r in arrival.rejections])
            added = select(Partition).where(Partition.landed_id == landed).order_by(Partition.sequence)
            return tuple(partition_record(row, arrival.model) for row in session.scalars(added))
    except IntegrityError as error:
        if "check constraint" in str(error.orig).lower():
            raise  # counts that do not add up are a fault of ours, and nobody else's arrival
        raise ArrivalConflict(
            f"the rows of {arrival.landing.uri}",
            "somebody else took rows of this model in the meantime",
            "look for duplicates among the newest partitions and try again",
        ) from error


def add_partition(engine: Engine, new: NewPartition) -> PartitionRecord:
    """Add one stored partition as the newest one; nobody looked for its rows among the others.

    Raises:
        ArrivalConflict: the model has a partition of this digest.
        UnknownModel: the registry has no model of this name.
    """
    for _ in range(TRIES):
        try:
            with session_scope(engine) as session:
                model = model_id(session, new.model)
                taken = select(Partition.id).where(Partition.model_id == model, Partition.digest == new.digest)
                if session.scalar(taken):
                    break
                values = _values(new, model) | {"sequence": _newest(session, model) + 1, "arrived_at": now()}
                row = session.scalars(insert(Partition).values(**values).returning(Partition)).one()
                return partition_record(row, new.model)
        except IntegrityError:
            continue
    why = "the model has a partition of this digest, or others add theirs without pause"
    raise ArrivalConflict(f"partition {new.digest}", why, "see `evergreen partitions list`")


def ledger(engine: Engine, model: str, after: int = 0) -> tuple[LedgerEntry, ...]:
    """Every partition past a sequence number, revoked ones too, in the order in which they were taken."""
    with read_scope(engine) as session:
        found = select(Partition.digest, Partition.time_from, Partition.time_to).order_by(Partition.sequence)
        mine = Partition.model_id == model_id(session, model)
        return tuple(map(LedgerEntry._make, session.execute(found.where(mine, Partition.sequence > after))))


def partition_at(engine: Engine, model: str, sequence: int) -> PartitionRecord:
    """The partition of a sequence number."""
    with read_scope(engine) as session:
        mine = Partition.model_id == model_id(session, model)
        row = session.scalars(select(Partition).where(mine, Partition.sequence == sequence)).one()
        return partition_record(row, model)


def watermark(engine: Engine, model: str) -> datetime | None:
    """The newest event time of the rows that count; an older row is late."""
    with read_scope(engine) as session:
        newest = select(func.max(Partition.time_to)).outerjoin(Revocation)
        mine = Partition.model_id == model_id(session, model)
        return session.scalar(newest.where(mine, Partition.kind == "rows", Revocation.partition_id.is_(None)))


def revoked(engine: Engine, model: str) -> frozenset[int]:
    """Sequence numbers of the partitions that were taken back."""
    with read_scope(engine) as session:
        found = select(Partition.sequence).join(Revocation, Revocation.partition_id == Partition.id)
        return frozenset(session.scalars(found.where(Partition.model_id == model_id(session, model))))


def landed_files(engine: Engine, model: str) -> tuple[LandedRecord, ...]:
    """Every landed file that was looked at, in that order."""
    columns: list[Any] = [getattr(LandedFile, field.name) for field in fields(LandedRecord)]
    with read_scope(engine) as session:
        found = select(*columns).where(LandedFile.model_id == model_id(session, model)).order_by(LandedFile.id)
        return tuple(LandedRecord(*list(row)) for row in session.execute(found))


def looks(engine: Engine, model: str, stamps: Sequence[str]) -> dict[str, Look]:
    """The newest look at each of these contents, by stamp."""
    found: dict[str, Look] = {}
    columns = (LandedFile.stamp, LandedFile.rules, LandedFile.attempt, LandedFile.waiting, LandedFile.reason)
    with read_scope(engine) as session:
        mine = LandedFile.model_id == model_id(session, model)
        for start in range(0, len(stamps), MANY):
            some = LandedFile.stamp.in_(stamps[start : start + MANY])
            rows = session.execute(select(*columns).where(mine, some).order_by(LandedFile.id))
            found |= {stamp: Look(*look) for stamp, *look in rows}
    return found


def find_twin(engine: Engine, model: str, sha256: str, rules: str) -> tuple[str, int] | None:
    """The uri and the rows of a file of the very same bytes that was taken, by the same rules."""
    with read_scope(engine) as session:
        mine = LandedFile.model_id == model_id(session, model)
        taken = (LandedFile.rules == rules, LandedFile.reason.is_(None), LandedFile.waiting == 0)
        same = select(LandedFile.uri, LandedFile.rows).where(mine, LandedFile.sha256 == sha256, *taken)
        row = session.execute(same.order_by(LandedFile.id).limit(1)).first()
        return (row.uri, row.rows) if row else None


def cursors(engine: Engine, model: str, uri: str) -> tuple[tuple[str, str], ...]:
    """The stamp and the last cursor value of every stretch of a query that was taken, in that order."""
    with read_scope(engine) as session:
        mine = LandedFile.model_id == model_id(session, model)
        found = select(LandedFile.stamp, LandedFile.cursor).where(mine, LandedFile.uri == uri)
        rows = session.execute(found.where(LandedFile.cursor.is_not(None)).order_by(LandedFile.id))
        return tuple((stamp, cursor) for stamp, cursor in rows if cursor)


def is_landed(engine: Engine, model: str, landing: NewLanding) -> bool:
    """Whether this very look at this very content is recorded."""
    names = ("stamp", "rules", "attempt")
    with read_scope(engine) as session:
        same = (getattr(LandedFile, name) == getattr(landing, name) for name in names)
        found = select(LandedFile.id).where(LandedFile.model_id == model_id(session, model), *same)
        return session.scalar(found) is not None


def last_batch(engine: Engine, model: str) -> BatchRecord:
    """The newest intake that brought any rows."""
    with read_scope(engine) as session:
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
        return BatchRecord(int(rows or 0), int(rejected or 0), session.scalar(live) or 0)


def rejections(engine: Engine, model: str) -> tuple[RejectionRecord, ...]:
    """Every group of refused rows, in the order in which they were refused."""
    columns = [getattr(RejectedRows, field.name) for field in fields(RejectionRecord)]
    with read_scope(engine) as session:
        found = select(*columns).where(RejectedRows.model_id == model_id(session, model)).order_by(RejectedRows.id)
        return tuple(RejectionRecord(*row) for row in session.execute(found))


def partition_record(row: Partition, model: str) -> PartitionRecord:
    """A partition's row as a record."""
    names = [field.name for field in fields(PartitionRecord) if field.name != "model"]
    return PartitionRecord(model=model, **{name: getattr(row, name) for name in names})


def _values(new: NewPartition, model: int) -> dict[str, Any]:
    values = asdict(new)
    del values["model"]
    return values | {"model_id": model}


def _newest(session: Session, model: int) -> int:
    return session.scalar(select(func.max(Partition.sequence)).where(Partition.model_id == model)) or 0
