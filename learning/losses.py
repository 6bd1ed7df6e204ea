"""What a gradient step minimises: the objective's loss, and what keeps a head near what it knew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from evergreen_client.batches import rows_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from learning.objectives import Objective

    Loss = Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor]

# Sparse targets are class numbers; a teacher's are probabilities of every class.
SOFT = {"sparse_categorical_crossentropy": "categorical_crossentropy"}


def plain(objective: Objective) -> Loss:
    """The mean of the objective's Keras loss over a batch."""
    import keras

    loss = keras.losses.get(objective.loss)

    def of_batch(_inputs: Any, target: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return keras.ops.mean(loss(target, prediction))

    return of_batch


def distilled(objective: Objective, teacher: keras.Model, share: float) -> Loss:
    """Part of the loss is against the teacher's predictions (learning without forgetting, Li and Hoiem 2016).

    Args:
        objective: gives the loss.
        teacher: the champion; takes the same inputs as the model that learns.
        share: weight of the teacher's part; the labels keep the rest.
    """
    import keras

    hard = plain(objective)
    soft = keras.losses.get(SOFT.get(objective.loss, objective.loss))

    def of_batch(inputs: Any, target: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        lesson = keras.ops.stop_gradient(teacher(inputs, training=False))
        return (1 - share) * hard(inputs, target, prediction) + share * keras.ops.mean(soft(lesson, prediction))

    return of_batch


def anchored(loss: Loss, weights: Sequence[Any], fisher: Sequence[Any], strength: float) -> Loss:
    """Elastic weight consolidation: moving a weight costs by how much old rows depend on it (Kirkpatrick 2017).

    Args:
        loss: what the labels ask for.
        weights: the trainable variables; their present values are the anchor.
        fisher: importance of each, from `fisher_information`.
        strength: weight of the penalty.
    """
    import keras

    anchors = [keras.ops.convert_to_tensor(weight.numpy()) for weight in weights]

    def of_batch(inputs: Any, target: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        penalty = sum(
            keras.ops.cast(keras.ops.sum(importance * keras.ops.square(weight - anchor)), "float32")
            for weight, anchor, importance in zip(weights, anchors, fisher, strict=True)
        )
        return loss(inputs, target, prediction) + strength / 2 * penalty

    return of_batch


def fisher_information(model: keras.Model, loss: Loss, inputs: Any, target: tf.Tensor) -> list[Any]:
    """Mean squared gradient of each weight, row by row: the diagonal of the empirical Fisher matrix."""
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_variables]

    @tf.function  # type: ignore[untyped-decorator]
    def mean_square() -> list[tf.Tensor]:
        totals = [tf.zeros_like(weight) for weight in weights]
        rows = len(target)
        for row in tf.range(rows):
            one = rows_of(inputs, row, 1)
            with tf.GradientTape() as tape:
                value = loss(one, target[row : row + 1], tf.cast(model(one, training=False), "float32"))
            steps = tape.gradient(value, weights)
            totals = [total + tf.square(step) / rows for total, step in zip(totals, steps, strict=True)]
        return totals

    return list(mean_square())
