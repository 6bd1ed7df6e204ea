"""Tables of what arrived: partitions, the rows refused, and the partitions taken back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Base, Count, Hash, Key


class Partition(Base):
    """Rows that arrived together, stored as one Parquet file that never changes."""

    __tablename__ = "partition"
    __table_args__ = (UniqueConstraint("model_id", "digest"),)

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    digest: Mapped[Hash]
    source_uri: Mapped[str]
    uri: Mapped[str]
    sha256: Mapped[Hash]
    bytes: Mapped[Count]
    rows: Mapped[Count]
    holdout_rows: Mapped[Count]
    labelled_rows: Mapped[Count]
    late: Mapped[bool]
    time_from: Mapped[datetime]
    time_to: Mapped[datetime]
    arrived_at: Mapped[datetime]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))


class Revocation(Base):
    """A partition that must not be learned from any more, and why."""

    __tablename__ = "revocation"

    partition_id: Mapped[int] = mapped_column(ForeignKey("partition.id"), primary_key=True)
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class RejectedRows(Base):
    """Rows of a landed file that were refused: how many, why, and where they are kept."""

    __tablename__ = "rejected_rows"

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    partition_id: Mapped[int | None] = mapped_column(ForeignKey("partition.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    source_uri: Mapped[str]
    rows: Mapped[Count]
    reason: Mapped[str]
    uri: Mapped[str | None]
    at: Mapped[datetime]
