"""The loss of each row, also of a row for which a version has no prediction: NaN, or infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from learning.objectives import Objective

Floats = NDArray[np.floating[Any]]
Marks = NDArray[np.bool_]

NO_PREDICTION = "no_prediction"  # the metric: for how many rows


def predicted(prediction: Floats) -> Marks:
    """Which rows have a prediction, shape (rows,): all of its outputs are finite."""
    return np.asarray(np.isfinite(prediction.reshape(len(prediction), -1)).all(axis=1))


def paired_losses(objective: Objective, target: Floats, champion: Floats, challenger: Floats) -> tuple[Floats, Floats]:
    """Both versions' losses, row by row, all finite.

    A row without a prediction is lost, and no more than that: its loss is that of the best constant or the other
    version's, whichever is larger, plus the constant's mean loss. So whoever has no prediction is worse there than
    the other one and than knowing nothing. The largest loss of all rows in its place would be so large in a
    regression with heavy tails that one NaN drowned what the other thousands of rows say: no interval could exclude
    0 any more, and no challenger replace a champion with a single NaN.
    """
    before, missing_before, constant = _losses(objective, target, champion)
    after, missing_after, _ = _losses(objective, target, challenger)
    penalty = float(constant.mean()) or 1.0
    return (
        np.where(missing_before, np.maximum(constant, after) + penalty, before),
        np.where(missing_after, np.maximum(constant, before) + penalty, after),
    )


def row_losses(objective: Objective, target: Floats, prediction: Floats) -> Floats:
    """One version's losses, row by row, shape (rows,), all finite; a row without a prediction is worse than a guess."""
    losses, missing, constant = _losses(objective, target, prediction)
    return np.where(missing, constant + (float(constant.mean()) or 1.0), losses) if missing.any() else losses


def figures(objective: Objective, target: Floats, prediction: Floats, weight: Floats | None = None) -> dict[str, float]:
    """The objective's metrics: of rows without a prediction the loss alone, and how many there are, if any."""
    there = predicted(prediction)
    if there.all():
        return objective.metrics(target, prediction, *(() if weight is None else (weight,)))
    loss = float(np.average(row_losses(objective, target, prediction), weights=weight))
    others = {}
    if there.any():
        others = objective.metrics(target[there], prediction[there], *(() if weight is None else (weight[there],)))
    return others | {objective.loss_name: loss, NO_PREDICTION: float((~there).sum())}


def _losses(objective: Objective, target: Floats, prediction: Floats) -> tuple[Floats, Marks, Floats]:
    """Row losses, with those of a constant where there is no prediction; which rows those are; all of the constant."""
    missing, constant = ~predicted(prediction), objective.constant(target)
    filled = prediction
    if missing.any():
        filled = np.where(missing[:, None], constant, prediction.reshape(len(target), -1))
    of_constant = objective.row_loss(target, np.broadcast_to(constant, (len(target), len(constant))))
    return objective.row_loss(target, filled), missing, of_constant
