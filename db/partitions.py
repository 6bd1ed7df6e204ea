"""What arrived, as the registry remembers it: partitions, landed files, refused rows.

Every function takes an engine, and is one transaction.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.engine import read_scope, session_scope
from db.lookups import model_id, now
from db.partition_records import BatchRecord, LandedRecord, LedgerEntry, NewArrival, NewLanding, RejectionRecord
from db.partition_tables import LandedFile, Partition, RejectedRows, Revocation
from db.records import NewPartition, PartitionRecord
from errors import RegistryError

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
    names = [name.name for name in fields(LedgerEntry)][:-1]
    columns: list[Any] = [getattr(Partition, name) for name in names]
    with read_scope(engine) as session:
        found = session.execute(
            select(*columns, Revocation.partition_id.is_not(None))
            .outerjoin(Revocation, Revocation.partition_id == Partition.id)
            .where(Partition.model_id == model_id(session, model), Partition.sequence > after)
            .order_by(Partition.sequence)
        )
        return tuple(LedgerEntry(*list(row)) for row in found)


def revoked(engine: Engine, model: str) -> frozenset[int]:
    """Sequence numbers of the partitions that were taken back."""
    with read_scope(engine) as session:
        found = select(Partition.sequence).join(Revocation, Revocation.partition_id == Partition.id)
        return frozenset(session.scalars(found.where(Partition.model_id == model_id(session, model))))


def landed_files(engine: Engine, model: str) -> tuple[LandedRecord, ...]:
    """Every landed file that was looked at, in that order."""
    columns = [getattr(LandedFile, field.name) for field in fields(LandedRecord)]
    with read_scope(engine) as session:
        found = select(*columns).where(LandedFile.model_id == model_id(session, model)).order_by(LandedFile.id)
        return tuple(LandedRecord(*row) for row in session.execute(found))


def is_landed(engine: Engine, model: str, landing: NewLanding) -> bool:
    """Whether this very look at this very content is recorded."""
    names = ("uri", "stamp", "rules", "attempt")
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
