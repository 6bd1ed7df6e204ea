"""Which promotions a receiver was told of: a delivery is a fact, and what has none is still to be delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from clock import now
from db.approval_tables import Delivery
from db.records import PromotionKind
from db.statements import add_if_new, read, select_as
from db.tables import Model, Promotion, Version


@dataclass(frozen=True)
class Undelivered:
    """A promotion that a receiver has not confirmed; its `id` is the same each time it is sent."""

    id: int
    model: str
    sequence: int
    number: int
    kind: PromotionKind
    actor: str
    reason: str
    at: datetime


def undelivered(session: Session, receiver: str) -> tuple[Undelivered, ...]:
    """Promotions of all models since the newest that a receiver confirmed, oldest first; to a new one, the champions.

    Args:
        session: the transaction.
        receiver: digest of its address.
    """
    told, other = aliased(Promotion), aliased(Promotion)
    known = (
        select(func.max(told.sequence))
        .join(Delivery, Delivery.promotion_id == told.id)
        .where(Delivery.receiver == receiver, told.model_id == Promotion.model_id)
    )
    newest = select(func.max(other.sequence) - 1).where(other.model_id == Promotion.model_id)
    since = func.coalesce(known.correlate(Promotion).scalar_subquery(), newest.correlate(Promotion).scalar_subquery())
    mine = (
        select_as(Undelivered, Promotion, model=Model.name, number=Version.number)
        .join(Version, Version.id == Promotion.version_id)
        .join(Model, Model.id == Promotion.model_id)
        .where(Promotion.sequence > since)
    )
    return read(session, mine.order_by(Promotion.id), Undelivered)


def record_delivery(session: Session, promotion_id: int, receiver: str) -> None:
    """Note that a receiver confirmed a promotion; once or often, it is the same."""
    add_if_new(session, Delivery, [{"promotion_id": promotion_id, "receiver": receiver, "at": now()}])
