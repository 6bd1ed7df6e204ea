"""Which version served which rows, and what it lost on them: the live losses by time block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from db.verdict_records import rare_of
from monitoring.chart import LiveLoss

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.records import PromotionRecord
    from db.registry import ModelRegistry
    from db.verdict_records import BlockLossRecord

FEW = 0.1  # of the rows that a block usually has: with fewer it is no observation like the others


class Service:
    """Which version served which rows: the one that was in production when they arrived.

    A label that came later, and a correction, is of a row that had arrived before: it says how the version fared that
    was in production then, and not how today's champion would have.

    Args:
        partitions: all of a model's.
        promotions: all of them, oldest first.
    """

    def __init__(self, partitions: Sequence[PartitionRecord], promotions: Sequence[PromotionRecord]) -> None:
        self._partitions = {partition.digest: partition for partition in partitions}
        self._arrived = sorted((p for p in partitions if p.kind == "rows"), key=lambda p: (p.time_from, p.arrived_at))
        self._times, self._numbers = [p.at for p in promotions], [p.number for p in promotions]

    def of(self, digest: str, block: datetime) -> int | None:
        """Number of the version that served a partition's rows of one block; None if none was in production yet.

        Of rows that had arrived before, it goes by the first arrival among whose times the block begins, or else by the
        first one after that.
        """
        partition = self._partitions.get(digest)
        if partition is None:
            return None
        if partition.kind == "rows":
            return self._champion(partition.arrived_at)
        later = [one for one in self._arrived if one.time_to >= block]
        around = [one for one in later if one.time_from <= block]
        first = min(around, key=lambda one: one.arrived_at) if around else next(iter(later), partition)
        return self._champion(first.arrived_at)

    def _champion(self, when: datetime) -> int | None:
        place = bisect_right(self._times, when)
        return self._numbers[place - 1] if place else None


def service(registry: ModelRegistry, model: str) -> Service:
    """Which version of a model served which rows."""
    return Service(registry.partitions(model), registry.promotions(model))


def comparable_losses(registry: ModelRegistry, model: str) -> list[BlockLossRecord]:
    """The losses by time block of the versions that predict the same as the champion, by the same loss.

    Squared errors beside Huber's would look as if the world had turned.
    """
    losses, champion = registry.block_losses(model), registry.find_champion(model)
    if champion is None:
        return list(losses)
    known = {(), unit := answered(champion.plan)}
    plans = registry.plans(model, frozenset(one.number for one in losses)) if unit else {}
    comparable = {number for number, plan in plans.items() if answered(plan) in known}
    return [one for one in losses if not unit or one.number in comparable]


def answered(plan: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a version predicts and by which loss, as its plan records it; () where it does not.

    Example:
        >>> answered({"made_for": {"schema": {"target": "price"}, "objective": {"loss": "huber", "delta": 2.0}}})
        ('price', None, 'huber', None, 2.0)
        >>> answered({"made_for": {"schema": {"target": "late", "other_targets": [["minutes", []]]}, "objective": {}}})
        ('late', None, None, None, None, 'minutes')
        >>> answered({})
        ()
    """
    if not (made_for := plan.get("made_for")):
        return ()
    schema, objective = made_for["schema"], made_for["objective"]
    loss = (objective.get(name) for name in ("kind", "loss", "quantile", "delta"))
    return schema["target"], *loss, *(target for target, _ in schema.get("other_targets", ()))


def live_losses(losses: Sequence[BlockLossRecord], served: Service) -> list[LiveLoss]:
    """The losses of those that served the rows, oldest block first, without blocks that have next to no rows.

    A block that came in several arrivals is one, and belongs to the first of them.
    """
    blocks: dict[datetime, list[BlockLossRecord]] = {}
    for one in losses:
        if not one.proving and served.of(one.partition, one.block) == one.number:
            blocks.setdefault(one.block, []).append(one)
    usual = median(sum(one.rows for one in parts) for parts in blocks.values()) if blocks else 0.0
    return [one for one in map(_whole, blocks.values()) if one.rows >= FEW * usual]


def _whole(parts: Sequence[BlockLossRecord]) -> LiveLoss:
    """One block of the rows that came in several arrivals."""
    rows = sum(one.rows for one in parts)
    loss = sum(one.rows * one.loss for one in parts) / rows
    return LiveLoss(parts[0].block, parts[0].partition, rows, loss, parts[0].number, rare_of(parts))
