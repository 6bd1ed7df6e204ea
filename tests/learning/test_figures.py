"""Figures: each equals scikit-learn's, with weights, and of many slices at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from errors import InvalidSpec
from learning.figures import BINS
from learning.judged import Judged
from learning.metrics import Cost, Figure, Metric, figure, names
from learning.objectives import Binary, Multiclass, Objective, Regression

COST = ((0, 1), (7, 0))
Floats = np.ndarray[Any, Any]


def recall_at(budget: float, target: Floats, chance: Floats, weight: Floats) -> float:
    """Recall where alarms come to a budget, on the line between the thresholds of scikit-learn's ROC curve."""
    false, true, _ = sk.roc_curve(target, chance, sample_weight=weight, drop_intermediate=False)
    events = np.average(target, weights=weight)
    return float(np.interp(budget, true * events + false * (1 - events), true))


def recall_at_precision(least: float, target: Floats, chance: Floats, weight: Floats) -> float:
    """The largest recall on scikit-learn's precision-recall curve with such a precision."""
    precision, recall, _ = sk.precision_recall_curve(target, chance, sample_weight=weight)
    return float(recall[precision >= least - 1e-12].max())


def calibration(target: Floats, chance: Floats, weight: Floats) -> float:
    """The gap of each bin, the bins those that scikit-learn cuts at quantiles."""
    edges = np.percentile(chance, np.linspace(0, 1, BINS + 1) * 100)
    place = np.searchsorted(edges[1:-1], chance)
    gaps = np.bincount(place, weights=weight * (target - chance))
    return float(np.abs(gaps).sum() / weight.sum())


def cost(target: Floats, chance: Floats, weight: Floats) -> float:
    """The mean cost, over scikit-learn's confusion matrix of the cheapest decisions."""
    decided = chance * COST[1][0] > (1 - chance) * COST[0][1]
    confused = sk.confusion_matrix(target, decided, sample_weight=weight, labels=[0, 1])
    return float((confused * np.array(COST)).sum() / weight.sum())


def decided(metric: Callable[..., float], target: Floats, chance: Floats, weight: Floats) -> float:
    """A figure of decisions: the event above one half, or the likeliest class."""
    classes = chance > 0.5 if chance.ndim == 1 else chance.argmax(axis=1)
    return metric(target, classes, sample_weight=weight)


def direct(metric: Callable[..., float], target: Floats, prediction: Floats, weight: Floats) -> float:
    """A figure of predictions as they are."""
    return metric(target, prediction, sample_weight=weight)


BINARY: dict[Metric, Callable[..., float]] = {
    "log_loss": partial(direct, sk.log_loss),
    "brier": partial(direct, sk.brier_score_loss),
    "auc": partial(direct, sk.roc_auc_score),
    "pr_auc": partial(direct, sk.average_precision_score),
    "recall@0.01": partial(recall_at, 0.01),
    "recall@0.3": partial(recall_at, 0.3),
    "recall_at_precision@0.9": partial(recall_at_precision, 0.9),
    "recall_at_precision@0.4": partial(recall_at_precision, 0.4),
    "calibration_error": calibration,
    "accuracy": partial(decided, sk.accuracy_score),
    "macro_f1": partial(decided, partial(sk.f1_score, average="macro")),
    Cost(COST): cost,
}
NUMBERS: dict[Metric, Callable[..., float]] = {
    "squared_error": partial(direct, sk.mean_squared_error),
    "rmse": partial(direct, sk.root_mean_squared_error),
    "r2": partial(direct, sk.r2_score),
    "absolute_error": partial(direct, sk.mean_absolute_error),
    "pinball@0.9": partial(direct, partial(sk.mean_pinball_loss, alpha=0.9)),
}


def several(metric: Callable[..., float], target: Floats, chance: Floats, weight: Floats) -> float:
    """A figure of probabilities of several classes."""
    return metric(target, chance, sample_weight=weight, labels=np.arange(chance.shape[1]))


def top_calibration(target: Floats, chance: Floats, weight: Floats) -> float:
    """Of the class that is decided."""
    return calibration((chance.argmax(axis=1) == target).astype(float), chance.max(axis=1), weight)


CLASSES: dict[Metric, Callable[..., float]] = {
    "log_loss": partial(several, sk.log_loss),
    "brier": partial(several, sk.brier_score_loss),
    "accuracy": partial(decided, sk.accuracy_score),
    "macro_f1": partial(decided, partial(sk.f1_score, average="macro")),
    "calibration_error": top_calibration,
}
ROWS, SLICES = 3_001, 7


def random_rows(objective: Objective, *, ties: bool, seed: int = 0) -> tuple[Floats, Floats, Floats, Floats]:
    """Targets, predictions, weights and slices; with ties, as trees and rounded chances have them."""
    draw = np.random.default_rng(seed)
    weight, group = draw.gamma(1.0, 1.0, ROWS) + 1e-3, draw.integers(0, SLICES, ROWS)
    if isinstance(objective, Regression):
        target = draw.lognormal(3, 1, ROWS)
        return target, target * draw.uniform(0.5, 1.5, ROWS), weight, group
    if isinstance(objective, Multiclass):
        chance = draw.dirichlet([0.5, 1.0, 2.0], ROWS)
        return (chance.cumsum(axis=1) < draw.random((ROWS, 1))).sum(axis=1).astype(float), chance, weight, group
    chance = draw.beta(1, 5, ROWS)
    target = (draw.random(ROWS) < chance).astype(float)
    return target, np.round(chance, 2) * 0.98 + 0.01 if ties else chance, weight, group


CASES = [
    (objective, metric, reference)
    for objective, table in ((Binary(), BINARY), (Multiclass(3), CLASSES), (Regression(), NUMBERS))
    for metric, reference in table.items()
]


def named(value: object) -> str:
    """A case's name, the same in every process: a function's own holds its address."""
    return "by hand" if callable(value) else str(value)[:30]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("objective", "metric", "reference"), CASES, ids=named)
def test_a_figure_is_scikit_learns(
    objective: Objective, metric: Metric, reference: Callable[..., float], ties: bool
) -> None:
    """With weights and without, of all rows and of each slice, to 1e-9."""
    target, prediction, weight, group = random_rows(objective, ties=ties)
    found = figure(metric, objective)
    alike = np.ones(ROWS)
    assert found.value(target, prediction) == pytest.approx(reference(target, prediction, alike), rel=1e-9, abs=1e-9)
    weighed = found.value(target, prediction, weight)
    assert weighed == pytest.approx(reference(target, prediction, weight), rel=1e-9, abs=1e-9)
    slices = found.of(Judged(target, prediction, weight, group, SLICES))
    one_by_one = [
        reference(target[part], prediction[part], weight[part]) for part in (group == np.arange(SLICES)[:, None])
    ]
    assert slices == pytest.approx(np.array(one_by_one), rel=1e-9, abs=1e-9)
    if found.of_rows:
        rows = found.of_rows(Judged(target, prediction))
        assert np.average(rows, weights=weight) == pytest.approx(weighed, rel=1e-12)


def test_calibration_bins_are_scikit_learns() -> None:
    """Of equally many rows, where no weight moves them."""
    target, chance, _, _ = random_rows(Binary(), ties=False)
    came, said = calibration_curve(target, chance, n_bins=BINS, strategy="quantile")
    mine = figure("calibration_error", Binary()).value(target, chance)
    assert mine == pytest.approx(np.abs(came - said).mean(), rel=2e-2)  # bins of 300 rows and of 301


def test_every_listed_figure_is_compared() -> None:
    """None is added without a test."""
    for objective, table in ((Binary(), BINARY), (Multiclass(3), CLASSES), (Regression(), NUMBERS)):
        listed = {name.partition("@")[0] for name in names(objective)}
        assert {str(name).partition("@")[0] for name in table if isinstance(name, str)} == listed


def test_a_group_without_an_event_has_no_ranking_and_an_empty_one_nothing() -> None:
    """Not 0, which would be a figure."""
    rows = Judged(np.array([0.0, 0.0, 1.0]), np.array([0.2, 0.3, 0.4]), group=np.array([0, 0, 2]), groups=4)
    for name in ("auc", "pr_auc", "recall@0.5", "recall_at_precision@0.9"):
        assert np.isnan(figure(name, Binary()).of(rows)[[0, 1, 3]]).all()
    assert np.isnan(figure("accuracy", Binary()).of(rows)).tolist() == [False, True, False, True]


@pytest.mark.parametrize("metric", ["auroc", "recall", "recall@2", "recall@", "recall@0", "pr_auc@0.1", "rmse"])
def test_an_unknown_figure_is_refused_with_the_list(metric: str) -> None:
    """Also one of another objective, and a share that is none."""
    with pytest.raises(InvalidSpec, match=r"choose from accuracy, auc, brier, .*recall@0\.01"):
        figure(metric, Binary())


def test_a_cost_needs_a_row_for_each_class() -> None:
    """And classes at all."""
    for objective in (Multiclass(3), Regression()):
        with pytest.raises(InvalidSpec, match="write a row and a column for each class"):
            figure(Cost(COST), objective)
    with pytest.raises(InvalidSpec, match="no square"):
        Cost(((0, 1), (2,)))


def mine_score(target: Floats, prediction: Floats) -> float:
    """A user's figure."""
    return float((target * prediction).sum())


def test_a_function_of_ones_own_is_a_figure() -> None:
    """By its name more of it is better; what has no name is refused."""
    found: Figure = figure(mine_score, Binary())
    assert (found.name, found.higher, found.of_rows) == ("mine_score", True, None)
    assert found.value(np.array([1.0, 2.0]), np.array([[3.0], [4.0]])) == 11.0
    with pytest.raises(InvalidSpec, match="neither a name nor a function"):
        figure(lambda target, prediction: 0.0, Binary())  # noqa: ARG005 - what it takes does not matter
