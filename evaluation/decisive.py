"""The comparison by the figure that a user names: on what is new it decides in place of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import EvaluationMetric
from evaluation.comparison import CANNOT_TELL, Compared, Losses
from evaluation.intervals import Interval, mean_interval
from evaluation.jackknife import jackknife
from evaluation.losses import predicted
from evaluation.paired import Paired

if TYPE_CHECKING:
    from learning.metrics import Figure
    from learning.objectives import Objective
    from learning.spec import Gate

Floats = NDArray[np.floating[Any]]


def decisive(paired: Paired, losses: Losses, objective: Objective, gate: Gate) -> Compared | None:
    """Champion and challenger by the gate's own figure, on the rows of some losses; None where the loss decides.

    A figure that is the mean of a value for each row is compared in pairs, as the loss is. Of another, the change is
    what the interval is of, and each cluster of rows is left out in turn (`jackknife.jackknife`). A row without a
    prediction counts as if the best constant had been predicted. Costs are of each version's alarms by its threshold.
    """
    figure = gate.decisive(objective)
    if figure is None:
        return None
    target, weight = paired.target[losses.rows], None if paired.weight is None else paired.weight[losses.rows]
    said = (
        filled(objective, target, said[losses.rows], weight)
        for said in (paired.earlier_prediction, paired.challenger_prediction)
    )
    before, after = paired.decided(gate.metric, *said)
    values = figure.value(target, before, weight), figure.value(target, after, weight)
    scale = abs(values[0]) if abs(values[0]) > 1e-12 else 1.0
    found = None
    if not losses.lacking(gate) and np.isfinite(values).all():
        found = interval(Pairs(target, before, after, weight, scale), losses, figure, gate)
        found = found.from_at_least(-1.0) if found and not figure.signed else found
    metric = EvaluationMetric(
        dataset=losses.dataset,
        slice="",
        metric=figure.name,
        rows=len(target),
        champion_value=values[0],
        challenger_value=values[1],
        delta=(values[1] - values[0]) / scale,
        ci_low=found.low if found else None,
        ci_high=found.high if found else None,
        verdict=word(found, figure, gate),
        blocks=found.clusters if found else None,
        effective_rows=found.effective_rows if found and figure.of_rows else None,  # a jackknife does not say
        against=losses.against,
    )
    return Compared(losses, metric, found, higher=figure.higher)


@dataclass(frozen=True)
class Pairs:
    """Targets, what both versions predict, weights, and what the change is relative to."""

    target: Floats
    before: Floats
    after: Floats
    weight: Floats | None
    scale: float


def interval(pairs: Pairs, losses: Losses, figure: Figure, gate: Gate) -> Interval | None:
    """The interval of the relative change; None of too few clusters."""
    clusters = tuple(losses.clusters.values())
    before, after = (figure.row_values(pairs.target, said) for said in (pairs.before, pairs.after))
    if before is not None and after is not None:
        return mean_interval((after - before) / pairs.scale, clusters, gate.confidence, pairs.weight)

    def change(kept: NDArray[np.bool_]) -> float:
        target, weight = pairs.target[kept], None if pairs.weight is None else pairs.weight[kept]
        values = (figure.value(target, said[kept], weight) for said in (pairs.after, pairs.before))
        return (next(values) - next(values)) / pairs.scale

    return jackknife(change, len(pairs.target), clusters, gate.confidence)


def filled(objective: Objective, target: Floats, prediction: Floats, weight: Floats | None = None) -> Floats:
    """The same predictions, and the best constant where there is none."""
    missing = ~predicted(prediction)
    if not missing.any():
        return prediction
    return np.where(missing[:, None], objective.constant(target, weight), prediction.reshape(len(target), -1))


def word(found: Interval | None, figure: Figure, gate: Gate) -> str:
    """What the interval comes to, in a word, whichever way is better."""
    if found is None:
        return CANNOT_TELL
    low, high = (-found.high, -found.low) if figure.higher else (found.low, found.high)
    return "better" if high < -gate.min_gain else "worse" if low > 0 else "same"
