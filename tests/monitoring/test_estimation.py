"""Without labels: what the champion's own probabilities let expect, and who cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from learning.objectives import Binary, Multiclass, Objective, Regression
from monitoring.estimation import Estimation, Estimator, Known

Floats = NDArray[np.floating[Any]]
DRAW = np.random.default_rng(7)


def chances(rows: int, shift: float = 0.0, days: int = 20) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Logits of rows that are harder the nearer they lie to 0, labels drawn from them, and days."""
    logit = DRAW.normal(2.5 - shift, 1.0, rows) * DRAW.choice([-1, 1], rows)
    target = (DRAW.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    return logit, target, np.arange(rows) * days // rows


def said(logit: Floats, sharper: float = 1.0) -> Floats:
    """What a version says that is too sure, or not sure enough, of itself."""
    return 1 / (1 + np.exp(-sharper * logit)).reshape(-1, 1)


def loss(objective: Objective, target: Floats, prediction: Floats) -> float:
    """What came."""
    return float(objective.row_loss(target, prediction).mean())


@pytest.mark.parametrize("sharper", [1.0, 2.0, 0.5])
def test_harder_rows_are_seen_without_a_label(sharper: float) -> None:
    """Covariate shift: the estimate is far nearer than the holdout's loss, also of a version that is too sure."""
    logit, target, block = chances(4_000)
    estimator = Estimator(Binary(), Known(target, said(logit, sharper), block), 0.9)
    new, came, days = chances(4_000, shift=1.5, days=7)
    found = {one.metric: one for one in estimator.estimate(said(new, sharper), days).figures}
    truth, assumed = loss(Binary(), came, said(new, sharper)), loss(Binary(), target, said(logit, sharper))
    assert abs(found["log_loss"].value - truth) < 0.2 * abs(assumed - truth)
    right = float(np.mean((said(new).ravel() > 0.5) == came))
    assert found["accuracy"].value == pytest.approx(right, abs=0.03)


def test_the_interval_holds_what_comes() -> None:
    """In about nine of ten weeks; a week's days vary as days of the holdout do."""
    held = 0
    for _ in range(8):
        logit, target, block = chances(1_000)
        target = np.where(DRAW.random(20)[block] < 0.1, 1 - target, target)  # days of their own
        estimator = Estimator(Binary(), Known(target, said(logit), block), 0.9)
        new, came, days = chances(1_000, days=7)
        came = np.where(DRAW.random(7)[days] < 0.1, 1 - came, came)
        one = estimator.estimate(said(new), days).figures[0]
        assert one.low is not None
        assert one.high is not None
        held += one.low <= loss(Binary(), came, said(new)) <= one.high
    assert held >= 6


def test_another_meaning_of_the_same_rows_is_not_seen() -> None:
    """Concept drift: all labels inverted, and the estimate stays as good as ever. The docs say so."""
    logit, target, block = chances(2_000)
    estimator = Estimator(Binary(), Known(target, said(logit), block), 0.9)
    new, came, days = chances(2_000)
    figure = estimator.estimate(said(new), days).figures[0]
    assert figure.high is not None
    assert loss(Binary(), 1 - came, said(new)) > figure.high


def test_of_three_classes_each_is_calibrated() -> None:
    """Loss and accuracy of rows that are harder than the known ones."""

    def rows(count: int, scale: float) -> tuple[Floats, Floats]:
        logits = DRAW.normal(0, scale, (count, 3))
        chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        sure = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
        return sure, (DRAW.random((count, 1)) > chance.cumsum(axis=1)).sum(axis=1).astype(float)

    objective = Multiclass(3)
    prediction, target = rows(4_000, 2.0)
    estimator = Estimator(objective, Known(target, prediction, np.arange(4_000) // 200), 0.9)
    assert estimator.method != "as they are"
    new, came = rows(4_000, 1.0)
    figures = estimator.estimate(new, np.arange(4_000) // 600).figures
    measured = objective.metrics(came, new)
    assert [one.metric for one in figures] == ["log_loss", "accuracy"]
    for one in figures:
        assert one.value == pytest.approx(measured[one.metric], abs=0.05)


def unable(objective: Objective, target: Floats, prediction: Floats, new: Floats | None = None) -> Estimation:
    """What is said of known rows that are not enough."""
    known = Known(target, prediction, np.arange(len(target)) // 50)
    new = prediction if new is None else new
    return Estimator(objective, known, 0.9).estimate(new, np.zeros(len(new)))


@pytest.mark.parametrize(
    ("objective", "target", "prediction", "why"),
    [
        (Regression(), np.arange(500.0), np.arange(500.0).reshape(-1, 1), "a regression has no estimate"),
        (Binary(), np.zeros(0), np.zeros((0, 1)), "0 held-out rows"),
        (Binary(), np.array([0.0, 1.0] * 2 + [1.0]), np.full((5, 1), 0.5), "5 held-out rows"),
        (Binary(), np.zeros(500), np.full((500, 1), 0.1), "one class"),
        (Binary(), np.array([0.0, 1.0] * 250), np.full((500, 1), np.nan), "0 held-out rows"),
        (Multiclass(3), np.zeros(500), np.full((500, 3), 1 / 3), "one class"),
    ],
)
def test_who_cannot_tell_says_why(objective: Objective, target: Floats, prediction: Floats, why: str) -> None:
    """No figure, and a sentence."""
    found = unable(objective, target, prediction)
    assert found.figures == ()
    assert found.reason.startswith("cannot tell")
    assert why in found.reason


def test_odd_rows_are_answered() -> None:
    """A constant prediction, one known block, rows without a prediction, none at all."""
    target = np.array([0.0, 0.0, 0.0, 1.0] * 100)
    known = Known(target, np.full((400, 1), 0.9), np.zeros(400))
    estimator = Estimator(Binary(), known, 0.9)
    figure = estimator.estimate(np.array([[0.9], [np.nan], [np.inf]]), np.zeros(3)).figures[0]
    assert figure.value == pytest.approx(loss(Binary(), target, np.full((400, 1), 0.9)), rel=0.05)
    assert (figure.low, figure.high) == (None, None)
    assert estimator.estimate(np.full((3, 1), np.nan), np.zeros(3)).reason == "no row has a prediction"
    assert estimator.estimate(np.zeros((0, 1)), np.zeros(0)).figures == ()


def test_a_class_that_was_not_known_is_possible() -> None:
    """Of five classes two are known: no chance is below 0, and all of them together are 1."""
    target = np.array([0.0, 3.0] * 200)
    prediction = np.tile([0.3, 0.1, 0.1, 0.3, 0.2], (400, 1)) + DRAW.uniform(0, 0.05, (400, 5))
    estimator = Estimator(Multiclass(5), Known(target, prediction, np.arange(400) // 40), 0.9)
    figures = estimator.estimate(prediction, np.arange(400) // 100).figures
    assert all(np.isfinite(one.value) for one in figures)
    assert 0 <= figures[1].value <= 1
