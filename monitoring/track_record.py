"""The live track record: what the champion of the day scored on each arrival, beside what else could have been done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from monitoring.chart import ArrivalLoss, broken_since

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.arrival_records import PartitionRecord
    from db.registry import ModelRegistry
    from db.verdict_records import ScoreRecord
    from learning.data import PartitionFile
    from learning.spec import ModelSpec

    Files = Callable[[Sequence[PartitionRecord]], Sequence[PartitionFile]]

FIRST = 1


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


def world_turned(registry: ModelRegistry, spec: ModelSpec) -> datetime | None:
    """Since when the world is another, by the live losses on what arrived; None if it is as it was."""
    live: dict[str, ScoreRecord] = {}
    for score in registry.scores(spec.name):  # of the versions that scored an arrival, the newest was in production
        if score.metric == spec.objective.loss_name:
            live[score.partition] = score
    return broken_since([ArrivalLoss(score.time_from, score.value) for score in live.values()])


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
        rows = pl.scan_parquet([file.path for file in files(partitions)])
        return rows.select(spec.schema.target).drop_nulls().collect().to_series().to_numpy()

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
