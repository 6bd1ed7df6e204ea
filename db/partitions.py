"""Partitions, read back: those that count, and single ones by digest or by sequence."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.arrival_records import PartitionRecord
from db.lookups import model_id
from db.statements import Statement, read, select_as
from db.tables import Model, Partition, Recall
from errors import UnknownPartition


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
