"""What a gradient step minimises: the objective's loss, and what keeps a head near what it knew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec
from evergreen_client.batches import rows_of
from evergreen_client.shown import gist
from learning.multi_output import MultiOutput
from learning.objectives import Objective
from learning.regression import Regression

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    # The loss of a batch: of a model in training, its inputs, and its labels: targets, and beside them weights, if any.
    Loss = Callable[[keras.Model, Any, tf.Tensor], tf.Tensor]

# Sparse targets are class numbers; a teacher's are probabilities of every class.
SOFT = {"sparse_categorical_crossentropy": "categorical_crossentropy"}

LOWEST = -1 + 1e-6  # the least of which 1 + it has a logarithm in single precision


@dataclass(frozen=True)
class Measure:
    """How a prediction is compared with a label.

    Args:
        unit: what a regression's errors are measured in (learning/first_answers.py); 1 is the target's own.
        shift: what is added to the logarithm of each class's chance (learning/weights.py); () adds nothing.
    """

    unit: float = 1.0
    shift: tuple[float, ...] = ()

    def compared(self, target: tf.Tensor, prediction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Both, as a Keras loss takes them; the very same tensors where nothing is to be changed."""
        if self.shift:
            prediction = shifted(prediction, self.shift)
        return (target, prediction) if self.unit == 1 else (target / self.unit, prediction / self.unit)


def shifted(chances: tf.Tensor, shift: Sequence[float]) -> tf.Tensor:
    """Chances of a world in which the odds of classes are others, by so much of their logarithm."""
    import keras

    if chances.shape[-1] == 1:
        odds = math.exp(shift[1] - shift[0])
        return odds * chances / (1 + (odds - 1) * chances)
    tilted = chances * keras.ops.convert_to_tensor([math.exp(one) for one in shift], "float32")
    return tilted / keras.ops.sum(tilted, axis=-1, keepdims=True)


def mean_loss(objective: Objective, measure: Measure | None = None) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The mean of the objective's Keras loss, of labels and predictions, each row as often as it counts."""
    measure = measure or Measure()
    loss, count = keras_loss(objective, measure.unit), objective.label_count

    def of_predictions(labels: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        target, weight = parted(labels, count)
        return weighted_mean(loss(*measure.compared(*learned(objective, target, single(prediction)))), weight)

    return of_predictions


def learned(objective: Objective, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Targets and predictions as a head learns them: themselves, or the logarithms of 1 + each."""
    import keras

    if not objective.log:
        return values
    return tuple(keras.ops.log1p(keras.ops.maximum(one, LOWEST)) for one in values)


def keras_loss(
    objective: Objective, unit: float = 1.0, *, soft: bool = False
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The loss of each row, of targets and predictions that are so many units.

    Args:
        objective: names it.
        unit: of a regression's errors.
        soft: targets are a teacher's predictions.
    """
    import keras

    if isinstance(objective, MultiOutput):
        return partial(weighted_sum, objective, soft=soft)
    if isinstance(objective, Regression) and objective.delta is not None:
        return partial(keras.losses.huber, delta=objective.delta / unit)
    if isinstance(objective, Regression) and objective.quantile is not None:
        return partial(pinball, quantile=objective.quantile)
    name = SOFT.get(objective.loss, objective.loss) if soft else objective.loss
    found: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = keras.losses.get(name)
    return found


def weighted_sum(objective: MultiOutput, target: tf.Tensor, prediction: tf.Tensor, *, soft: bool) -> tf.Tensor:
    """The losses of all outputs of each row, each times its weight; a teacher's outputs are as wide as predictions."""
    total, start = 0.0, 0
    for place, one in enumerate(objective.outputs):
        mine = slice(start, start + one.objective.width)
        label = target[:, mine] if soft else target[:, place : place + 1]
        total += one.weight * keras_loss(one.objective, soft=soft)(label, prediction[:, mine])
        start = mine.stop
    return total


def pinball(target: tf.Tensor, prediction: tf.Tensor, quantile: float) -> tf.Tensor:
    """What is too low costs by the quantile, what is too high by the rest (Koenker and Bassett 1978)."""
    import keras

    low = target - prediction
    return keras.ops.mean(keras.ops.maximum(quantile * low, (quantile - 1) * low), axis=-1)


def parted(labels: tf.Tensor, count: int = 1) -> tuple[tf.Tensor, tf.Tensor | None]:
    """A batch's targets, shape (rows, count), and how much each row counts, shape (rows,); None where all are alike."""
    return (labels, None) if labels.shape[-1] == count else (labels[:, :count], labels[:, count])


def weighted_mean(losses: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """The mean loss of rows. Weights have the mean 1 over all rows, not in each batch: so no step is biased."""
    import keras

    return keras.ops.mean(losses if weight is None else losses * weight)


def single(prediction: tf.Tensor) -> tf.Tensor:
    """Predictions in single precision: of a half, a logarithm may be infinite."""
    import keras

    return keras.ops.cast(prediction, "float32")


def plain(objective: Objective, measure: Measure | None = None) -> Loss:
    """The mean of the objective's Keras loss over a batch."""
    loss = mean_loss(objective, measure)

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        return loss(target, model(inputs, training=True))

    return of_batch


def own(function: Callable[[Any, Any, Any], Any]) -> Loss:
    """The mean of what a user's function makes of the rows of a batch; what is wrong with it is told in a sentence."""
    import keras

    name = f"loss={function.__qualname__}"

    def of_batch(model: keras.Model, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        target, weight = parted(labels)
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
        losses = keras.ops.cast(losses, "float32")
        return weighted_mean(losses if weight is None else keras.ops.reshape(losses, (-1,)), weight)

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


def distilled(objective: Objective, teacher: keras.Model, share: float, measure: Measure | None = None) -> Loss:
    """Part of the loss is against the teacher's predictions (learning without forgetting, Li and Hoiem 2016).

    Args:
        objective: gives the loss.
        teacher: the champion; takes the same inputs as the model that learns.
        share: weight of the teacher's part; the labels keep the rest.
        measure: how predictions are compared with labels; a teacher's are of the world as it is, like the student's.
    """
    import keras

    hard, alone = mean_loss(objective, measure), Measure(unit=measure.unit if measure else 1.0)
    soft = keras_loss(objective, alone.unit, soft=True)

    def of_batch(model: keras.Model, inputs: Any, target: tf.Tensor) -> tf.Tensor:
        prediction = model(inputs, training=True)
        lesson = keras.ops.stop_gradient(teacher(inputs, training=False))
        alike = soft(*alone.compared(*learned(objective, single(lesson), single(prediction))))
        return (1 - share) * hard(target, prediction) + share * keras.ops.mean(alike)

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


def fisher_information(
    model: keras.Model, objective: Objective, inputs: Any, target: tf.Tensor, measure: Measure | None = None
) -> list[Any]:
    """Mean squared gradient of each weight, row by row: the diagonal of the empirical Fisher matrix."""
    import tensorflow as tf

    loss, weights = mean_loss(objective, measure), [weight.value for weight in model.trainable_variables]

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
