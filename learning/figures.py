"""Figures of a version: the values of each row, or one number for each group of rows; all of them weigh rows.

Each equals scikit-learn's, whose import alone costs a retrain two seconds, and takes many slices at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from learning.judged import Floats, Judged, share

BINS = 10  # of a calibration error


def log_loss(rows: Judged) -> Floats:
    """Negative log likelihood, in nats; chances are kept off 0 and 1 as the objectives do."""
    if rows.prediction.ndim > 1 and rows.prediction.shape[1] > 1:
        chance = rows.chances[np.arange(len(rows.target)), rows.target.astype("intp")].astype("float64")
        return np.asarray(-np.log(np.clip(chance, 1e-7, 1.0)))
    chance = np.clip(rows.flat, 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(rows.positive, chance, 1 - chance)))


def brier(rows: Judged) -> Floats:
    """Squared distance of the probabilities from what came (Brier 1950); of two classes, of the event alone."""
    if rows.prediction.ndim > 1 and rows.prediction.shape[1] > 1:
        came = rows.target[:, None] == np.arange(rows.chances.shape[1])
        return np.asarray(((rows.chances - came) ** 2).sum(axis=1, dtype="float64"))
    return np.asarray((rows.flat - rows.positive) ** 2)


def accurate(rows: Judged) -> Floats:
    """1 of a row that is decided right."""
    return rows.right.astype("float64")


def squared_error(rows: Judged) -> Floats:
    """Squared error, in the target's unit squared."""
    return np.asarray((rows.flat - rows.target) ** 2)


def absolute_error(rows: Judged) -> Floats:
    """Absolute error, in the target's unit."""
    return np.asarray(np.abs(rows.flat - rows.target))


def pinball(rows: Judged, quantile: float) -> Floats:
    """The loss that a quantile of the target makes smallest (Koenker and Bassett 1978)."""
    short = rows.target - rows.flat
    return np.asarray(np.maximum(quantile * short, (quantile - 1) * short))


def auc(rows: Judged) -> Floats:
    """The chance that an event ranks above another row, ties counting half (Mann and Whitney 1947)."""
    ranked = rows.ranked
    seen, hits = ranked.seen, ranked.hits
    above = ranked.add((seen.step - hits.step) * (hits.here + hits.before) / 2)
    return share(above, hits.total * (seen.total - hits.total))


def pr_auc(rows: Judged) -> Floats:
    """Average precision: precision at each step down the ranking, by the recall which that step adds."""
    ranked = rows.ranked
    precision = np.nan_to_num(share(ranked.hits.here, ranked.seen.here))
    return share(ranked.add(ranked.hits.step * precision), ranked.hits.total)


def recall_at(rows: Judged, budget: float) -> Floats:
    """The share of the events among the rows that rank highest, up to a share of all rows.

    Of rows with one score at the edge, as large a part counts as the budget leaves.
    """
    ranked = rows.ranked
    seen, hits = ranked.seen, ranked.hits
    most = (budget * seen.total)[ranked.at]
    part = np.clip(np.nan_to_num(share(most - seen.before, seen.step)), 0, 1)
    return share(ranked.add(hits.step * part), hits.total)


def recall_at_precision(rows: Judged, precision: float) -> Floats:
    """The largest share of the events that alarms can find of which at least so many are right; 0 if none can."""
    ranked = rows.ranked
    good = ranked.hits.here >= precision * ranked.seen.here * (1 - 1e-12)
    best = np.zeros(ranked.groups)
    np.maximum.at(best, ranked.at[good], ranked.hits.here[good])
    return share(best, ranked.hits.total)


def calibration_error(rows: Judged) -> Floats:
    """How far predicted chances are from the shares that came, over bins of equally many rows, weighted by the bins.

    That is the expected calibration error (Naeini, Cooper and Hauskrecht 2015) with bins of equal mass, which Nixon et
    al., "Measuring calibration in deep learning" (2019), recommend; of several classes, of the one that is decided (Guo
    et al. 2017). Rows of one chance stay in one bin; bins are those of scikit-learn's `calibration_curve` by quantiles.
    """
    if rows.prediction.ndim > 1 and rows.prediction.shape[1] > 1:
        rows = rows.where(rows.right, rows.prediction.max(axis=1))
    ranked = rows.ranked
    sizes = np.bincount(ranked.group, minlength=ranked.groups)
    below = np.cumsum(sizes)[ranked.at] - 1 - ranked.ends  # rows of the group with a lower score
    bins = np.where(below > 0, (below * BINS - 1) // np.maximum(sizes[ranked.at] - 1, 1), 0)
    gaps = np.add.reduceat(ranked.hit - ranked.weight * ranked.score, np.append(0, ranked.ends[:-1] + 1))
    place = ranked.at * BINS + np.minimum(bins, BINS - 1)
    by_bin = np.bincount(place, weights=gaps, minlength=ranked.groups * BINS)
    return share(np.abs(by_bin).reshape(-1, BINS).sum(axis=1), ranked.seen.total)


def macro_f1(rows: Judged) -> Floats:
    """F1 of each class, averaged over the classes that are there or decided, rare ones counting as much."""
    classes = int(max(rows.chances.shape[1], rows.target.max(initial=0) + 1))
    true = rows.target.astype("intp")

    def counted(names: Any, weight: Any) -> Floats:
        place = names if rows.group is None else rows.group * classes + names
        if rows.weight is not None:
            weight = rows.weight if weight is None else weight * rows.weight
        counts = np.bincount(place, weights=weight, minlength=rows.groups * classes)
        return counts.astype("float64").reshape(-1, classes)

    sides = counted(true, None) + counted(rows.decided, None)
    f1 = share(2 * counted(true, rows.right), sides)
    return share(np.nansum(f1, axis=1), (sides > 0).sum(axis=1).astype("float64"))


def rmse(rows: Judged) -> Floats:
    """The root of the mean squared error, in the target's unit."""
    return np.sqrt(rows.mean(squared_error(rows)))


def r2(rows: Judged) -> Floats:
    """The share of the target's variance that is explained; below 0 it is worse than a constant."""
    mean = rows.mean(rows.target)
    away = rows.target - (mean[0] if rows.group is None else mean[rows.group])
    return 1 - share(rows.sum(squared_error(rows)), rows.sum(away**2))
