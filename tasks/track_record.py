"""The live track record: what the champion of the day scored on each arrival, beside what else could have been done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.house import House, opened
from tasks.scoring import score_arrivals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.records import PartitionRecord

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


def track_record(house: House) -> tuple[ArrivalScore, ...]:
    """One line per arrival that was scored both by its champion and by version 1, oldest first."""
    registry, spec = house.registry, house.spec
    loss: dict[str, dict[int, float]] = {}
    for score in registry.scores(spec.name):
        if score.metric == spec.objective.loss_name:
            loss.setdefault(score.partition, {})[score.number] = score.value
    scored = [p for p in registry.partitions(spec.name) if FIRST in loss.get(p.digest, {})]
    if not scored:
        return ()
    usual = spec.objective.constant(targets(house, registry.trained_on(spec.name, FIRST)))
    record = []
    for partition in scored:
        target = targets(house, [partition])
        champion = max(loss[partition.digest])
        constant = spec.objective.row_loss(target, usual.reshape(1, -1).repeat(len(target), axis=0))
        live, alone = loss[partition.digest][champion], loss[partition.digest][FIRST]
        record.append(
            ArrivalScore(
                partition.digest,
                partition.time_from,
                len(target),
                champion,
                live,
                alone,
                float(constant.mean()),
            )
        )
    return tuple(record)


def targets(house: House, partitions: Sequence[PartitionRecord]) -> NDArray[np.floating]:
    """The known labels of some partitions, shape (rows,)."""
    import polars as pl

    column = pl.scan_parquet([file.path for file in house.rows(partitions)]).select(house.spec.schema.target)
    return column.drop_nulls().collect().to_series().to_numpy()


def score_first_version(model: str) -> None:
    """Score version 1 on what arrived since, for comparison; it takes part in no decision."""
    with opened(model) as house:
        learned = {partition.digest for partition in house.registry.trained_on(model, FIRST)}
        later = [p.digest for p in house.registry.partitions(model) if p.digest not in learned]
        score_arrivals(house, None, FIRST, later)
