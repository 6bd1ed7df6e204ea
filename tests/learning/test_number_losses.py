"""Losses of numbers that do not blow up: what is trained is what versions are judged by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from errors import InvalidSpec
from learning.changes import changes, made_for
from learning.losses import Measure, distilled, mean_loss
from learning.objectives import Regression
from learning.spec import ModelSpec

KINDS = {
    "squared": Regression(),
    "absolute": Regression(loss="mean_absolute_error"),
    "huber": Regression(loss="huber", delta=1_500.0),
    "quantile": Regression(quantile=0.9),
}
EACH = pytest.mark.parametrize("objective", KINDS.values(), ids=KINDS)
TARGET = np.random.default_rng(0).standard_t(2, 200) * 1_000 + 50_000
SAID = np.random.default_rng(1).normal(50_000, 2_000, (200, 1))


@EACH
@pytest.mark.parametrize("unit", [1.0, 700.0])
def test_a_step_minimises_what_versions_are_judged_by(objective: Regression, unit: float) -> None:
    """In whatever unit errors are measured while it learns."""
    labels, said = (tf.constant(values.reshape(-1, 1), "float32") for values in (TARGET, SAID))
    trained = float(mean_loss(objective, Measure(unit))(labels, said)) * objective.of_unit(unit)
    assert trained == pytest.approx(objective.row_loss(TARGET, SAID).mean(), rel=1e-4)
    assert objective.metrics(TARGET, SAID)[objective.loss_name] == pytest.approx(trained, rel=1e-4)


@EACH
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.floats(-20, 20))
def test_no_other_constant_is_better(objective: Regression, target: list[int], off: float) -> None:
    """It is what any model must beat, and where a new head begins."""
    rows = np.array(target, "float64") * 200
    losses = [objective.row_loss(rows, np.full(len(rows), objective.constant(rows)[0] + by)).mean() for by in (0, off)]
    assert losses[0] <= losses[1] + 1e-6


def test_pinball_is_scikit_learns() -> None:
    """To nine digits."""
    assert KINDS["quantile"].row_loss(TARGET, SAID).mean() == pytest.approx(
        mean_pinball_loss(TARGET, SAID.ravel(), alpha=0.9), rel=1e-9
    )


def test_one_absurd_row_does_not_set_the_unit() -> None:
    """Squares go by the largest row; the others do not."""
    rows = np.append(np.random.default_rng(0).normal(0, 10, 999), 1e6)
    assert Regression().spread(rows) > 10_000
    assert KINDS["absolute"].spread(rows) < 2_000


def test_a_student_of_a_quantile_has_its_loss_too() -> None:
    """Distillation compares both by the same loss."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    rows = tf.constant([[1.0], [2.0]])
    assert float(distilled(KINDS["quantile"], model, 0.5)(model, rows, model(rows))) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": "mean_squared_logarithmic_error"},
        {"loss": "huber"},
        {"loss": "huber", "delta": 0.0},
        {"delta": 3.0},
        {"quantile": 1.0},
        {"quantile": 0.5, "loss": "mean_absolute_error"},
        {"loss": "pinball"},
    ],
)
def test_a_loss_that_lacks_something_is_refused(wrong: dict[str, Any]) -> None:
    """With what it takes."""
    with pytest.raises(InvalidSpec):
        Regression(**wrong)


def test_another_quantile_is_another_question(spec: ModelSpec) -> None:
    """A version for the mean is no champion over one for what nine of ten stay below; by another loss it may be."""
    mean, median, high = (
        replace(spec, objective=one) for one in (KINDS["squared"], KINDS["absolute"], KINDS["quantile"])
    )
    assert changes(made_for(mean), high).answers == ("the objective was Regression() and is Regression(quantile=0.9)",)
    assert not changes(made_for(mean), median).answers
