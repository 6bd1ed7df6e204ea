"""All that is known of how a model fares, gathered from the registry's facts for people to see."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.arrival_records import LandedRecord, PartitionRecord
    from db.records import PromotionRecord, RunRecord
    from db.registry import ModelRegistry
    from db.verdict_records import (
        BlockLossRecord,
        DriftCheckRecord,
        EstimateRecord,
        PerformanceCheckRecord,
        PromiseRecord,
    )

BLOCKS, CHECKS, FILES, RUNS = 1000, 60, 366, 100  # the newest ones that are shown


@dataclass(frozen=True)
class LiveBlock:
    """The loss on the rows of one time block, of the version that was in production when they arrived.

    Args:
        time: start of the block.
        rows: labelled rows.
        loss: their mean; may be NaN.
        version: whose.
        limit: the loss above which the check of that time calls a block a break; None where it could not tell.
    """

    time: datetime
    rows: int
    loss: float
    version: int
    limit: float | None = None

    @property
    def above(self) -> bool:
        """Whether the loss lies above the limit, or is no number."""
        return not math.isfinite(self.loss) or (self.limit is not None and self.loss > self.limit)


@dataclass(frozen=True)
class Overview:
    """What there is to see of one model; lists are oldest first.

    Args:
        model: its name.
        at: when this was gathered.
        promotions: every promotion and rollback.
        places: for each of them, start of the first time block that arrived later; None where none did.
        performance: how its champions fared.
        blocks: the newest live losses.
        checks: the newest drift checks.
        files: the newest landed files.
        estimates: the newest of what was estimated without labels, beside what came.
        promises: what the gate announced, beside what came.
        runs: the newest runs.
    """

    model: str
    at: datetime
    promotions: tuple[PromotionRecord, ...]
    places: tuple[datetime | None, ...]
    performance: tuple[PerformanceCheckRecord, ...]
    blocks: tuple[LiveBlock, ...]
    checks: tuple[DriftCheckRecord, ...]
    files: tuple[LandedRecord, ...]
    estimates: tuple[EstimateRecord, ...]
    promises: tuple[PromiseRecord, ...]
    runs: tuple[RunRecord, ...]

    @property
    def champion(self) -> PromotionRecord | None:
        """The promotion of the version in production."""
        return self.promotions[-1] if self.promotions else None

    @property
    def marks(self) -> list[tuple[PromotionRecord, datetime | None]]:
        """The promotions that stand among the blocks that are shown, and where."""
        first = self.blocks[0].time if self.blocks else None
        both = zip(self.promotions, self.places, strict=True)
        return [(promotion, place) for promotion, place in both if place is None or (first and place >= first)]


def overview(registry: ModelRegistry, model: str) -> Overview:
    """Gather what there is to see of a model.

    Raises:
        UnknownModel: the registry has no model of this name.
    """
    promotions, partitions = registry.promotions(model), registry.partitions(model)
    performance = registry.performance_checks(model)[::-1]
    by_run = {check.run_id: check.limit for check in performance if check.run_id is not None}
    limits = {score.partition: by_run[score.run_id] for score in registry.scores(model) if score.run_id in by_run}
    losses = live_losses(registry.block_losses(model), partitions, promotions)
    return Overview(
        model=model,
        at=datetime.now(UTC),
        promotions=promotions,
        places=tuple(place(promotion.at, losses, partitions) for promotion in promotions),
        performance=performance,
        blocks=whole_blocks(losses, limits)[-BLOCKS:],
        checks=registry.drift_checks(model, CHECKS)[::-1],
        files=registry.landed_files(model)[-FILES:],
        estimates=registry.estimates(model)[-BLOCKS:],
        promises=registry.promises(model),
        runs=registry.runs(model, RUNS)[::-1],
    )


def live_losses(
    losses: Iterable[BlockLossRecord], partitions: Sequence[PartitionRecord], promotions: Sequence[PromotionRecord]
) -> list[BlockLossRecord]:
    """Of each block of a partition, the loss of the version that was in production when it arrived.

    Where that one was not scored, as on labels that came late, it is the newest that was: challengers on trial apart,
    only versions that serve, or served last, are scored on what arrives.
    """
    times = [promotion.at for promotion in promotions]
    serving: dict[str, int | None] = {}
    for partition in partitions:
        since = bisect_right(times, partition.arrived_at)
        serving[partition.digest] = promotions[since - 1].number if since else None
    found: dict[tuple[str, datetime], BlockLossRecord] = {}
    for loss in losses:
        key = loss.partition, loss.block
        if loss.proving:
            continue
        before = found.get(key)
        wanted = serving.get(loss.partition)
        if before is None or (before.number != wanted and (loss.number == wanted or loss.number > before.number)):
            found[key] = loss
    return sorted(found.values(), key=lambda loss: loss.block)


def whole_blocks(losses: Iterable[BlockLossRecord], limits: dict[str, float | None]) -> tuple[LiveBlock, ...]:
    """The losses by time block, whatever partitions its rows came in: each counts by its rows."""
    together: dict[datetime, list[BlockLossRecord]] = {}
    for loss in losses:
        together.setdefault(loss.block, []).append(loss)
    blocks = []
    for time, parts in together.items():
        rows = sum(part.rows for part in parts)
        newest = max(parts, key=lambda part: part.number)
        mean = sum(part.rows * part.loss for part in parts) / rows if rows else math.nan
        known = [limit for part in parts if (limit := limits.get(part.partition)) is not None]
        blocks.append(LiveBlock(time, rows, mean, newest.number, known[-1] if known else None))
    return tuple(blocks)


def place(at: datetime, losses: Sequence[BlockLossRecord], partitions: Sequence[PartitionRecord]) -> datetime | None:
    """Where something that happened `at` an instant stands among time blocks: before those whose rows arrived later.

    The clock of the rows may be another one than ours: last year's rows may arrive today.
    """
    later = {partition.digest for partition in partitions if partition.arrived_at > at}
    return next((loss.block for loss in losses if loss.partition in later), None)
