"""Tables of what arrived: landed files, the partitions made of them, and what was refused, recalled or superseded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Base, Count, Hash, Key, Origin, Words


class LandedFile(Base):
    """A landed file (or a stretch of a query) that was read: how many rows it had, and what became of them.

    `stamp` is a digest that tells one uri, and one content of it, from the next; `rules` is the schema it was judged
    by. `waiting` labels had no row yet, so the file is read again, as the next `attempt`. `reason` says why it was
    refused as a whole.
    """

    __tablename__ = "landed_file"
    __table_args__ = (
        UniqueConstraint("model_id", "stamp", "rules", "attempt"),
        Index(None, "model_id", "sha256"),
        CheckConstraint("rows = taken + duplicates + conflicts + refused + waiting", name="adds_up"),
    )

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    ingest: Mapped[Hash]
    uri: Mapped[Origin]
    stamp: Mapped[Hash]
    rules: Mapped[Hash]
    attempt: Mapped[int]
    sha256: Mapped[Hash | None]
    cursor: Mapped[str | None]
    bytes: Mapped[Count]
    rows: Mapped[Count]
    taken: Mapped[Count]
    duplicates: Mapped[Count]
    conflicts: Mapped[Count]
    refused: Mapped[Count]
    waiting: Mapped[Count]
    late: Mapped[Count]
    reason: Mapped[Words | None]
    at: Mapped[datetime]


class Partition(Base):
    """Rows that arrived together, stored as one Parquet file that never changes.

    `sequence` makes taking rows a compare-and-swap: whoever looked for duplicates among the first n partitions
    may only add the one numbered n + 1. `kind` is "labels" where the rows were taken before, without their label,
    and "corrections" where they were taken before with other values.
    """

    __tablename__ = "partition"
    __table_args__ = (
        UniqueConstraint("model_id", "digest"),
        UniqueConstraint("model_id", "sequence"),
        CheckConstraint("kind IN ('rows', 'labels', 'corrections')", name="kind"),
        Index(None, "model_id", "time_from"),
    )

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    sequence: Mapped[int]
    digest: Mapped[Hash]
    kind: Mapped[str] = mapped_column(default="rows")
    landed_id: Mapped[int | None] = mapped_column(ForeignKey("landed_file.id"), index=True)
    source_uri: Mapped[Origin]
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


class Recall(Base):
    """A partition that must not be learned from any more, and why."""

    __tablename__ = "recall"

    partition_id: Mapped[int] = mapped_column(ForeignKey("partition.id"), primary_key=True)
    reason: Mapped[Words]
    actor: Mapped[Words]
    at: Mapped[datetime]


class Supersession(Base):
    """A partition of which a later one of corrections has newer rows, and how many: those count no more.

    It is recorded with the corrections. Once these are recalled, it says nothing, and the older rows count again.
    """

    __tablename__ = "supersession"

    partition_id: Mapped[int] = mapped_column(ForeignKey("partition.id"), primary_key=True)
    by_id: Mapped[int] = mapped_column(ForeignKey("partition.id"), primary_key=True)
    rows: Mapped[Count]


class RefusedRows(Base):
    """Rows of a landed file that were refused for one reason: how many, and where they are kept.

    Of a `kind` "conflict" are rows whose key was taken with other values; both rows of each are kept.
    """

    __tablename__ = "refused_rows"
    __table_args__ = (CheckConstraint("kind IN ('refused', 'conflict')", name="kind"),)

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    landed_id: Mapped[int] = mapped_column(ForeignKey("landed_file.id"), index=True)
    source_uri: Mapped[Origin]
    kind: Mapped[str]
    rows: Mapped[Count]
    reason: Mapped[Words]
    uri: Mapped[str | None]
    at: Mapped[datetime]
