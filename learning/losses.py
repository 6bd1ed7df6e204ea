"""What a gradient step minimises: the objective's loss, and what keeps a head near what it knew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec
from evergreen_client.batches import rows_of
from evergreen_client.shown import gist

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from learning.objectives import Objective

    # The loss of a batch: of a model in training, its inputs, its labels of shape (rows, 1).
    Loss = Callable[[keras.Model, Any, tf.Tensor], tf.Tensor]

# Sparse targets are class numbers; a teacher's are probabilities of every class.
SOFT = {"sparse_categorical_crossentropy": "categorical_crossentropy"}


def mean_loss(objective: Objective) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The mean of the objective's Keras loss, of targets and predictions."""
    import keras

    loss = keras.losses.get(objective.loss)

    def of_predictions(target: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return keras.ops.mean(loss(target, single(prediction)))

    return of_predictions


def single(prediction: tf.Tensor) -> tf.Tensor:
    """Predictions in single precision: of a half, a logarithm may be infinite."""
    import keras

    return keras.ops.cast(prediction, "float32")


def plain(objective: Objective) -> Loss:
    """The mean of the objective's Keras loss over a batch."""
    loss = mean_loss(objective)

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        return loss(target, model(inputs, training=True))

    return of_batch


def own(function: Callable[[Any, Any, Any], Any]) -> Loss:
    """The mean of what a user's function makes of the rows of a batch; what is wrong with it is told in a sentence."""
    import keras

    name = f"loss={function.__qualname__}"

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        try:
            losses = keras.ops.convert_to_tensor(function(model, inputs, target))
        except Exception as error:
            raise InvalidSpec(
                name, f"it fails ({gist(error)})", "use keras.ops or TensorFlow in it: it becomes part of a graph"
            ) from error
        shape = losses.shape
        if shape.rank not in (None, 1) and tuple(shape[1:]) != (1,):
            raise InvalidSpec(
                name, f"it gives shape {tuple(shape)}", "give back a loss for each row, of shape (rows,) or (rows, 1)"
            )
        return keras.ops.mean(keras.ops.cast(losses, "float32"))

    return of_batch


def refuse_useless(function: Callable[[Any, Any, Any], Any], model: keras.Model, few: Any, target: Any) -> None:
    """See that a user's loss can be computed of some rows, in a graph as in training, and moves weights of the model.

    Raises:
        InvalidSpec: it cannot, or it does not.
    """
    import tensorflow as tf

    loss, weights = own(function), [weight.value for weight in model.trainable_variables]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def gradients() -> list[Any]:
        with tf.GradientTape() as tape:
            value = loss(model, few, target)
        return [one for one in tape.gradient(value, weights) if one is not None]

    if not gradients.get_concrete_function().outputs:
        raise InvalidSpec(
            f"loss={function.__qualname__}",
            "no weight of the model has a part in it, so that nothing would learn",
            "compute it from `model(inputs, training=True)`",
        )


def distilled(objective: Objective, teacher: keras.Model, share: float) -> Loss:
    """Part of the loss is against the teacher's predictions (learning without forgetting, Li and Hoiem 2016).

    Args:
        objective: gives the loss.
        teacher: the champion; takes the same inputs as the model that learns.
        share: weight of the teacher's part; the labels keep the rest.
    """
    import keras

    hard = mean_loss(objective)
    soft = keras.losses.get(SOFT.get(objective.loss, objective.loss))

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        prediction = model(inputs, training=True)
        lesson = keras.ops.stop_gradient(teacher(inputs, training=False))
        return (1 - share) * hard(target, prediction) + share * keras.ops.mean(soft(single(lesson), single(prediction)))

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

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        penalty = sum(
            keras.ops.cast(keras.ops.sum(importance * keras.ops.square(weight - anchor)), "float32")
            for weight, anchor, importance in zip(weights, anchors, fisher, strict=True)
        )
        return loss(model, inputs, target) + strength / 2 * penalty

    return of_batch


def fisher_information(model: keras.Model, objective: Objective, inputs: Any, target: tf.Tensor) -> list[Any]:
    """Mean squared gradient of each weight, row by row: the diagonal of the empirical Fisher matrix."""
    import tensorflow as tf

    loss, weights = mean_loss(objective), [weight.value for weight in model.trainable_variables]

    @tf.function  # type: ignore[untyped-decorator]
    def mean_square() -> list[tf.Tensor]:
        totals = [tf.zeros_like(weight) for weight in weights]
        rows = len(target)
        for row in tf.range(rows):
            one = rows_of(inputs, row, 1)
            with tf.GradientTape() as tape:
                value = loss(target[row : row + 1], model(one, training=False))
            steps = tape.gradient(value, weights)
            totals = [total + tf.square(step) / rows for total, step in zip(totals, steps, strict=True)]
        return totals

    return list(mean_square())
