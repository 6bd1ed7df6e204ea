"""Both versions' curves on the rows that decide, small enough to be recorded: what a page about a verdict draws.

Of classes: how often what is predicted comes (calibration), and how pure the alarms are (precision at each recall). Of
numbers: how far off predictions are, and whether they spread as the targets do. No row is in them: each point stands
for at least `FEWEST` rows, or is a share of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import CALIBRATION, PRECISION, QUANTILES, RESIDUALS, EvaluationCurve
from evaluation.comparison import NEWEST, PROVING
from evaluation.losses import predicted

if TYPE_CHECKING:
    from evaluation.paired import Paired
    from learning.objectives import Objective

Floats = NDArray[np.floating[Any]]
Marks = NDArray[np.bool_]

FEWEST = 20  # rows of a point
BINS = 12  # of predictions, about as many rows in each
POINTS = 200  # of a curve
MOST = 2_000_000  # predictions that are looked at: of more, every second row, or third, and so on
SHARES = np.linspace(0.01, 0.99, 99)


def curves(paired: Paired, objective: Objective) -> tuple[EvaluationCurve, ...]:
    """The curves of champion and challenger on the rows that both predict; none of too few rows.

    Args:
        paired: the rows; those that decide are drawn: the proving window, else what is newest, else all.
        objective: says what predictions are.
    """
    rows = _deciding(paired) & predicted(paired.champion_prediction) & predicted(paired.challenger_prediction)
    chosen = np.flatnonzero(rows)
    wide = paired.challenger_prediction.reshape(len(rows), -1).shape[1]
    chosen = chosen[:: 1 + len(chosen) * wide // MOST]
    if len(chosen) < FEWEST:
        return ()
    target = paired.target[chosen].astype("float64")
    sides = {"champion": paired.champion_prediction, "challenger": paired.challenger_prediction}
    return tuple(
        EvaluationCurve(name, side, len(chosen), points)
        for side, said in sides.items()
        for name, points in _of_outputs(target, said.reshape(len(rows), -1)[chosen].astype("float64"), objective)
    )


def _deciding(paired: Paired) -> Marks:
    for name in (PROVING, NEWEST):
        rows: Marks = paired.dataset == name
        if rows.any():
            return rows
    return np.ones(len(paired.target), bool)


def _of_outputs(target: Floats, said: Floats, objective: Objective) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """One version's curves of each output; those of several bear its name."""
    labels = target.reshape(len(target), -1).T
    for label, (output, one, mine) in zip(labels, objective.outputs_of(said), strict=True):
        for name, points in _of_one(label, mine, one):
            yield f"{output}/{name}" if output else name, points


def _of_one(target: Floats, said: Floats, objective: Objective) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """One version's curves."""
    if objective.class_count is None:
        yield RESIDUALS, residuals(target, said[:, 0])
        yield QUANTILES, {"target": _short(_quantiles(target)), "prediction": _short(_quantiles(said[:, 0]))}
    elif said.shape[1] == 1:
        yield CALIBRATION, calibration(target > 0.5, said[:, 0])
        yield PRECISION, precision(target > 0.5, said[:, 0])
    else:
        likeliest = said.argmax(axis=1)
        yield CALIBRATION, calibration(likeliest == target, said.max(axis=1))
        each = target[:, None] == np.arange(said.shape[1])
        yield PRECISION, precision(each.ravel(), said.ravel())


def calibration(came: Marks, chance: Floats) -> dict[str, list[float]]:
    """What was predicted, and what came of it, in bins of about as many rows.

    Args:
        came: whether the event did, shape (rows,); of several classes, whether the likeliest one was right.
        chance: what was predicted of it.

    Example:
        >>> chance = np.repeat([0.1, 0.8], 50)
        >>> calibration(np.arange(100) % 5 > 0, chance)
        {'predicted': [0.1, 0.8], 'came': [0.8, 0.8], 'rows': [50.0, 50.0]}
    """
    place = _bins(chance)
    counts = np.bincount(place)
    means = [np.bincount(place, weights=values) / counts for values in (chance, came.astype(float))]
    return {"predicted": _short(means[0]), "came": _short(means[1]), "rows": counts.astype(float).tolist()}


def precision(event: Marks, score: Floats) -> dict[str, list[float]]:
    """Which share of alarms is right, at each share of events that are found, from the surest alarm on.

    Of several classes each row is a question of each class (the micro average). Rows of one score are one alarm.

    Args:
        event: shape (questions,).
        score: higher is surer.

    Example:
        >>> precision(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]))
        {'recall': [0.5, 0.5, 1.0, 1.0], 'precision': [1.0, 0.5, 0.6667, 0.5]}
    """
    events = int(event.sum())
    if not events:
        return {"recall": [], "precision": []}
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of each score
    found = np.cumsum(event[order])[last]
    recall, right = found / events, found / (last + 1)
    kept = _spread(recall)
    return {"recall": _short(recall[kept]), "precision": _short(right[kept])}


def residuals(target: Floats, said: Floats) -> dict[str, list[float]]:
    """By how much targets lie above predictions: the median and the middle 80 %, in bins of the predictions."""
    place, off = _bins(said), target - said
    parts = [off[place == one] for one in range(int(place.max()) + 1)]
    low, middle, high = np.array([np.quantile(part, (0.1, 0.5, 0.9)) for part in parts]).T
    means = np.bincount(place, weights=said) / np.bincount(place)
    named = {"predicted": means, "low": low, "median": middle, "high": high}
    return {name: _short(values) for name, values in named.items()}


def _bins(values: Floats) -> NDArray[np.int64]:
    """A bin for each row, of about as many rows and at least `FEWEST`; equal values share one."""
    count = max(min(BINS, len(values) // FEWEST), 1)
    edges = np.unique(np.quantile(values, np.arange(1, count) / count))
    place = np.searchsorted(edges, values, side="left")
    while (few := np.flatnonzero(np.bincount(place) < FEWEST)).size and place.max() > 0:
        one = int(few[0])
        place = np.where(place > max(one - 1, 0), place - 1, place)  # joined with the bin below, the lowest with above
    return np.unique(place, return_inverse=True)[1]


def _quantiles(values: Floats) -> Floats:
    return np.asarray(np.quantile(values, SHARES))


def _spread(recall: Floats) -> NDArray[np.int64]:
    """Which points of a curve to keep: evenly spread along it, the first and the last among them."""
    if len(recall) <= POINTS:
        return np.arange(len(recall))
    wanted = np.linspace(recall[0], recall[-1], POINTS - 1)
    return np.unique([0, *np.searchsorted(recall, wanted).tolist(), len(recall) - 1])[:POINTS]


def _short(values: Floats) -> list[float]:
    """Four digits are all that a drawing shows."""
    return [float(f"{value:.4g}") for value in values]
