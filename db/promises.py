"""The book of promises: losses by time block, and what the gate announced of each promotion beside what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.arrival_tables import Partition, Recall
from db.columns import Bound, Utc
from db.lookups import model_id, partition_ids, version_id
from db.statements import add_if_new, read, row_of, select_as
from db.tables import BlockLoss, Version
from db.verdict_records import BlockLoss as NewLoss
from db.verdict_records import BlockLossRecord, PromiseRecord

# The view says what came, so that SQL and Python cannot differ.
PROMISES = text(
    "SELECT sequence, version AS number, predecessor, since AS at, until, announced, low, high, rows, blocks, came "
    "FROM promise WHERE model = :model ORDER BY sequence"
).columns(at=Utc, until=Utc, announced=Bound, low=Bound, high=Bound, came=Bound)


def record_block_losses(session: Session, model: str, number: int, new: Sequence[NewLoss], *, proving: bool) -> None:
    """Record a version's mean losses on time blocks that it has not learned from; the first one of each stands.

    Args:
        session: the transaction.
        model: name of the model.
        number: the version.
        new: its losses.
        proving: whether it is a challenger, and these are its trial.

    Raises:
        UnknownVersion: the model has no version of this number.
        UnknownPartition: the model has no partition of one of the digests.
    """
    if not new:
        return
    of_version = {"version_id": version_id(session, model, number), "proving": proving}
    ids = partition_ids(session, model_id(session, model), {loss.partition for loss in new})
    add_if_new(
        session, BlockLoss, [row_of(BlockLoss, loss, partition_id=ids[loss.partition], **of_version) for loss in new]
    )


def block_losses(session: Session, model: str, numbers: Sequence[int] | None = None) -> tuple[BlockLossRecord, ...]:
    """The losses of a model's versions, or of some, by time block, oldest first; none on a recalled partition."""
    statement = (
        select_as(BlockLossRecord, BlockLoss, partition=Partition.digest, number=Version.number)
        .join(Version, Version.id == BlockLoss.version_id)
        .join(Partition, Partition.id == BlockLoss.partition_id)
        .where(Version.model_id == model_id(session, model), Partition.id.not_in(select(Recall.partition_id)))
        .order_by(BlockLoss.block, Partition.sequence, Version.number)
    )
    if numbers is not None:
        statement = statement.where(Version.number.in_(numbers))
    return read(session, statement, BlockLossRecord)


def promises(session: Session, model: str) -> tuple[PromiseRecord, ...]:
    """What the gate announced of each promotion and what came, oldest first; raises UnknownModel."""
    model_id(session, model)
    found = read(session, PROMISES, PromiseRecord, {"model": model})
    return tuple(one if math.isfinite(one.came or 0.0) else replace(one, came=None) for one in found)
