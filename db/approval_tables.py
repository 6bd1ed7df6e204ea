"""Tables of what people decide, and of who was told: approvals that were asked for, their answers, and deliveries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.columns import Base, Hash, Key, Words


class Approval(Base):
    """A version that the gate let pass waits for a person; `seen` is the promotion that it was judged after."""

    __tablename__ = "approval"

    id: Mapped[Key]
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"), index=True)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), unique=True)
    seen: Mapped[int]
    until: Mapped[datetime | None]
    at: Mapped[datetime]


class ApprovalAnswer(Base):
    """A person's answer. The constraint lets one through: whichever comes first."""

    __tablename__ = "approval_answer"

    id: Mapped[Key]
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), unique=True)
    approved: Mapped[bool]
    actor: Mapped[Words]
    reason: Mapped[Words]
    at: Mapped[datetime]


class Delivery(Base):
    """A promotion that a receiver was told of, and said so; the receiver is known by a digest of its address."""

    __tablename__ = "delivery"
    __table_args__ = (UniqueConstraint("promotion_id", "receiver"),)

    id: Mapped[Key]
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotion.id"))
    receiver: Mapped[Hash]
    at: Mapped[datetime]
