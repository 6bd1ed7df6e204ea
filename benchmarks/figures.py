"""The figures of `Gate(metric=...)` beside a loop over slices that asks scikit-learn: `python -m benchmarks.figures`.

Both have the same rows, weights and slices; what differs is said in tests/learning/test_figures.py, to 1e-9. Seeds are
fixed, and processor time is counted, which a busy machine does not lengthen much. A minute on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from benchmarks.claims import Claims
from learning.judged import Judged
from learning.metrics import Cost, Metric, figure
from learning.objectives import Binary, Objective, Regression

Floats = NDArray[np.floating[Any]]
Asked = Callable[[Floats, Floats, Floats], object]
ROWS, SLICES = 100_000, 50
COST = Cost(((0.0, 1.0), (20.0, 0.0)))


def as_it_is(metric: Callable[..., object], target: Floats, prediction: Floats, weight: Floats) -> object:
    """A figure of predictions."""
    return metric(target, prediction, sample_weight=weight)


def decided(metric: Callable[..., object], target: Floats, chance: Floats, weight: Floats) -> object:
    """A figure of decisions."""
    return metric(target, chance > 0.5, sample_weight=weight)


def unweighted_curve(target: Floats, chance: Floats, weight: Floats) -> object:  # noqa: ARG001 - it takes none
    """Calibration; scikit-learn has no weights there."""
    return calibration_curve(target, chance, n_bins=10, strategy="quantile")


BINARY: dict[Metric, Asked] = {
    "log_loss": partial(as_it_is, sk.log_loss),
    "brier": partial(as_it_is, sk.brier_score_loss),
    "auc": partial(as_it_is, sk.roc_auc_score),
    "pr_auc": partial(as_it_is, sk.average_precision_score),
    "recall@0.01": partial(as_it_is, sk.roc_curve),
    "recall_at_precision@0.9": partial(as_it_is, sk.precision_recall_curve),
    "calibration_error": unweighted_curve,
    "accuracy": partial(decided, sk.accuracy_score),
    "macro_f1": partial(decided, partial(sk.f1_score, average="macro")),
    COST: partial(decided, sk.confusion_matrix),
}
NUMBERS: dict[Metric, Asked] = {
    "squared_error": partial(as_it_is, sk.mean_squared_error),
    "rmse": partial(as_it_is, sk.root_mean_squared_error),
    "r2": partial(as_it_is, sk.r2_score),
    "absolute_error": partial(as_it_is, sk.mean_absolute_error),
    "pinball@0.9": partial(as_it_is, partial(sk.mean_pinball_loss, alpha=0.9)),
}


def rows() -> tuple[Judged, Judged]:
    """Events of 5 % and amounts, each with predictions, weights and slices of very different sizes."""
    draw = np.random.default_rng(0)
    chance = draw.beta(1, 19, ROWS)
    amount = draw.lognormal(3, 1, ROWS)
    weight, group = draw.gamma(1.0, 1.0, ROWS) + 1e-3, (SLICES * draw.beta(1, 2, ROWS)).astype("int64")
    event = (draw.random(ROWS) < chance).astype(float)
    events = Judged(event, chance, weight, group, SLICES)
    return events, Judged(amount, amount * draw.uniform(0.5, 1.5, ROWS), weight, group, SLICES)


def ours(rows: Judged, table: dict[Metric, Asked], objective: Objective) -> float:
    """Seconds for every figure of every slice; the rows come anew, so that no ranking is known before."""
    rows = Judged(rows.target, rows.prediction, rows.weight, rows.group, rows.groups)
    begin = time.process_time()
    for metric in table:
        figure(metric, objective).of(rows)
    return time.process_time() - begin


def theirs(rows: Judged, table: dict[Metric, Asked]) -> float:
    """Seconds of a loop over slices and scikit-learn's functions; the slices are cut before."""
    assert rows.group is not None
    assert rows.weight is not None
    masks = [rows.group == place for place in range(rows.groups)]
    parts = [(rows.target[mask], rows.prediction[mask], rows.weight[mask]) for mask in masks if mask.any()]
    begin = time.process_time()
    for metric in table.values():
        for part in parts:
            metric(*part)
    return time.process_time() - begin


def main() -> int:
    """Print every claim; 1 if one does not hold."""
    print("claim | measured | goal | holds")
    claims = Claims()
    events, amounts = rows()
    both = (events, BINARY, Binary()), (amounts, NUMBERS, Regression())
    mine = min(sum(ours(*one) for one in both) for _ in range(5))
    loop = min(sum(theirs(*one[:2]) for one in both) for _ in range(2))
    named = f"{ROWS:,} rows × {SLICES} slices × {len(BINARY) + len(NUMBERS)} figures, weighted"
    claims.at_most(f"{named}: seconds", mine, 3, "s of one core")
    claims.at_least(f"{named}: a loop of scikit-learn takes", loop / mine, 20)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
