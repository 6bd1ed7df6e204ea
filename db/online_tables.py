"""The tables of online learning: who learns a model's events, where each consumer is, and what versions lost there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Base, Bound, Count, Figure, Hash, Key, Measured, Words


class OnlineConsumer(Base):
    """The run that learns a model's events: one at a time, and only it may add checkpoints."""

    __tablename__ = "online_consumer"

    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))


class OnlineCheckpoint(Base):
    """Where a consumer is: its place in the source, and all that it has learned, counted and measured up to there.

    Rows are only added. Of old ones the file of the weights goes, and the figures stay: they are the track record.
    """

    __tablename__ = "online_checkpoint"
    __table_args__ = (UniqueConstraint("model_id", "consumer", "number"), Index(None, "uri"))

    id: Mapped[Key]
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    consumer: Mapped[Words]
    number: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    champion_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    events: Mapped[Count]
    position: Mapped[str]
    counts: Mapped[dict[str, Any]]
    state: Mapped[dict[str, Any]]
    rows: Mapped[Count]
    loss: Mapped[Measured]
    window_loss: Mapped[Measured]
    digest: Mapped[Hash]
    uri: Mapped[str | None]
    sha256: Mapped[Hash]
    bytes: Mapped[Count]
    at: Mapped[datetime]


class OnlineLoss(Base):
    """A version's mean loss on a time block of the events that came since the checkpoint before this one."""

    __tablename__ = "online_loss"

    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey(OnlineCheckpoint.id), primary_key=True)
    block: Mapped[datetime] = mapped_column(primary_key=True)
    rows: Mapped[Count]
    weight: Mapped[float] = mapped_column(Figure)
    loss: Mapped[float] = mapped_column(Figure)
    rare: Mapped[Count | None]
    expected: Mapped[float | None] = mapped_column(Bound)
