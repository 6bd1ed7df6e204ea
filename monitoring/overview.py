"""All that is known of how a model fares, gathered from the registry's facts for people to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clock import now
from monitoring.served import Service, comparable_losses, live_losses

if TYPE_CHECKING:
    from db.arrival_records import LandedRecord, PartitionRecord
    from db.records import PromotionRecord, RunRecord
    from db.registry import ModelRegistry
    from db.verdict_records import DriftCheckRecord, EstimateRecord, PerformanceCheckRecord, PromiseRecord
    from monitoring.chart import LiveLoss

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
    losses = live_losses(comparable_losses(registry, model), Service(partitions, promotions))
    shown = losses[-BLOCKS:]
    return Overview(
        model=model,
        at=now(),
        promotions=promotions,
        places=tuple(place(promotion.at, losses, partitions) for promotion in promotions),
        performance=performance,
        blocks=tuple(LiveBlock(one.block, one.rows, one.loss, one.version, limits.get(one.arrival)) for one in shown),
        checks=registry.drift_checks(model, CHECKS)[::-1],
        files=registry.landed_files(model)[-FILES:],
        estimates=registry.estimates(model)[-BLOCKS:],
        promises=registry.promises(model),
        runs=registry.runs(model, RUNS)[::-1],
    )


def place(at: datetime, losses: Sequence[LiveLoss], partitions: Sequence[PartitionRecord]) -> datetime | None:
    """Where something that happened `at` an instant stands among time blocks: before those whose rows arrived later.

    The clock of the rows may be another one than ours: last year's rows may arrive today.
    """
    later = {partition.digest for partition in partitions if partition.arrived_at > at}
    return next((loss.block for loss in losses if loss.arrival in later), None)
