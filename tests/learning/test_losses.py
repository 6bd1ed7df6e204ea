"""What keeps a head near what it knew."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from learning.losses import anchored, distilled, fisher_information, plain
from learning.objectives import Binary, Multiclass, Objective, Regression


def linear(outputs: int = 1, activation: str | None = "sigmoid") -> keras.Model:
    """One dense layer."""
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(outputs, activation=activation)])


ROWS = tf.constant([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
TARGET = tf.constant([[1.0], [1.0], [0.0]])


@pytest.mark.parametrize(
    ("objective", "outputs", "activation"),
    [(Binary(), 1, "sigmoid"), (Multiclass(3), 3, "softmax"), (Regression(), 1, None)],
)
def test_a_training_loss_is_the_mean_row_loss_of_the_gate(objective: Objective, outputs: int, activation: str) -> None:
    """What is minimised and what versions are judged by are the same number."""
    model = linear(outputs, activation)
    expected = objective.row_loss(TARGET.numpy().ravel(), model(ROWS).numpy()).mean()
    assert float(plain(objective)(model, ROWS, TARGET)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("objective", "outputs", "activation"), [(Binary(), 1, "sigmoid"), (Multiclass(3), 3, "softmax")]
)
def test_a_student_that_agrees_with_its_teacher_has_the_least_soft_loss(
    objective: Objective, outputs: int, activation: str
) -> None:
    """Distillation pulls towards the champion's predictions."""
    teacher, other = linear(outputs, activation), linear(outputs, activation)
    loss = distilled(objective, teacher, share=0.999)
    assert float(loss(teacher, ROWS, TARGET)) < float(loss(other, ROWS, TARGET))


def test_an_anchor_costs_nothing_at_the_anchor_and_only_what_matters_elsewhere() -> None:
    """Weights that old rows do not depend on move freely; here that is the second input, always 0."""
    model = linear()
    loss = plain(Binary())
    fisher = fisher_information(model, Binary(), ROWS, TARGET)
    assert fisher[0][0, 0] > 0
    assert fisher[0][1, 0] == 0
    tied = anchored(loss, model.trainable_variables, fisher, strength=100.0)
    at_anchor = float(tied(model, ROWS, TARGET))
    assert at_anchor == float(loss(model, ROWS, TARGET))
    kernel = model.trainable_variables[0]
    kernel.assign_add([[0.0], [5.0]])
    assert float(tied(model, ROWS, TARGET)) == at_anchor
    kernel.assign_add([[5.0], [0.0]])
    free = float(loss(model, ROWS, TARGET))
    assert float(tied(model, ROWS, TARGET)) > free + 1


def test_fisher_information_is_the_mean_square_of_row_gradients() -> None:
    """Row by row: gradients of single rows must not cancel before they are squared."""
    model = linear()
    loss = plain(Binary())
    squares = []
    for row in range(3):
        with tf.GradientTape() as tape:
            value = loss(model, ROWS[row : row + 1], TARGET[row : row + 1])
        squares.append(np.square(tape.gradient(value, model.trainable_variables[0].value)))
    fisher = fisher_information(model, Binary(), ROWS, TARGET)
    np.testing.assert_allclose(fisher[0], np.mean(squares, axis=0), rtol=1e-5)
