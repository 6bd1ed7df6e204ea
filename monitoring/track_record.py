"""The live track record: what the champion of the day scored on each arrival, beside what else could have been done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from monitoring.chart import LiveLoss
from monitoring.performance import broken_since
from monitoring.served import comparable_losses, live_losses, service

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.arrival_records import PartitionRecord
    from db.registry import ModelRegistry
    from learning.data import PartitionFile
    from learning.spec import ModelSpec

    Files = Callable[[Sequence[PartitionRecord]], Sequence[PartitionFile]]

FIRST = 1
CONSTANT = "constant_loss"  # the metric: what always predicting what was usual loses on the same rows


@dataclass(frozen=True)
class ArrivalScore:
    """Mean losses on one arrival, none of them of a model that had seen it."""

    digest: str
    time_from: datetime
    rows: int
    champion: int
    live: float
    """Loss of the version that was in production when the rows arrived."""
    left_alone: float
    """Loss of version 1, had nobody retrained it."""
    constant: float
    """Loss of always predicting what was usual in version 1's training rows."""

    @property
    def losses(self) -> tuple[float, float, float]:
        """The three side by side: live, left alone, constant."""
        return self.live, self.left_alone, self.constant


def mean_losses(record: Sequence[ArrivalScore]) -> tuple[float, ...]:
    """The three losses over all rows of the record."""
    rows = sum(line.rows for line in record)
    return tuple(sum(line.rows * line.losses[which] for line in record) / rows for which in range(3))


def worse_than_constant(registry: ModelRegistry, spec: ModelSpec, losses: Sequence[LiveLoss]) -> dict[str, float]:
    """The arrivals on which the version that served them was worse than always predicting what was usual, and its loss.

    Of scores that are of another loss than the spec's now, nothing is said.
    """
    served = {(one.arrival, one.version) for one in losses}
    figures: dict[tuple[str, int], dict[str, float]] = {}
    for score in registry.scores(spec.name):
        if (of := (score.partition, score.number)) in served:
            figures.setdefault(of, {})[score.metric] = score.value
    name = spec.objective.loss_name
    both = {of: found for of, found in figures.items() if {name, CONSTANT} <= found.keys()}
    return {of[0]: found[CONSTANT] for of, found in both.items() if not found[name] <= found[CONSTANT]}


def live_track(registry: ModelRegistry, spec: ModelSpec) -> tuple[list[LiveLoss], dict[str, float]]:
    """The live losses by time block, and the arrivals on which they were worse than a constant's."""
    losses = live_losses(comparable_losses(registry, spec.name), service(registry, spec.name))
    return losses, worse_than_constant(registry, spec, losses)


def world_turned(registry: ModelRegistry, spec: ModelSpec) -> datetime | None:
    """Since when the world is another, by the live losses on what arrived; None if it is as it was."""
    return broken_since(*live_track(registry, spec))


def track_record(spec: ModelSpec, registry: ModelRegistry, files: Files) -> tuple[ArrivalScore, ...]:
    """One line per arrival that was scored both by its champion and by version 1, oldest first.

    Args:
        spec: the model.
        registry: has the scores.
        files: gives the local files of partitions.
    """
    objective, loss = spec.objective, dict[str, dict[int, float]]()
    for score in registry.scores(spec.name):
        if score.metric == objective.loss_name:
            loss.setdefault(score.partition, {})[score.number] = score.value
    scored = [p for p in registry.partitions(spec.name) if FIRST in loss.get(p.digest, {})]
    if not scored:
        return ()

    def targets(partitions: Sequence[PartitionRecord]) -> NDArray[np.floating]:
        rows = pl.scan_parquet([file.path for file in files(partitions)]).filter(spec.schema.labelled())
        return rows.select(target=spec.schema.labels()).collect().to_series().to_numpy()

    usual = objective.constant(targets(registry.trained_on(spec.name, FIRST)))
    record = []
    for partition in scored:
        target = targets([partition])
        if not len(target):  # all of its rows were corrected since
            continue
        champion = max(loss[partition.digest])
        constant = objective.row_loss(target, usual.reshape(1, -1).repeat(len(target), axis=0))
        record.append(
            ArrivalScore(
                partition.digest,
                partition.time_from,
                len(target),
                champion,
                live=loss[partition.digest][champion],
                left_alone=loss[partition.digest][FIRST],
                constant=float(constant.mean()),
            )
        )
    return tuple(record)
