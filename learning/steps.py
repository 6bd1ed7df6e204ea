"""The gradient steps of a training: one optimizer, and one graph that takes whole blocks of rows through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import InvalidSpec, TrainingError
from evergreen_client.batches import rows_of
from learning.checkpoint import assign, values_of
from learning.keras_private import forget_reductions
from learning.precision import Learned, regularisation, scaled
from learning.schedules import constant

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from evergreen_client.batches import Forward
    from learning.losses import Loss
    from learning.plans import Pretrain, Stage


class Steps:
    """A model's optimizer, and its gradient steps as one graph.

    To trace the graph takes longer than many a small head takes to learn. So it is traced once, for blocks of any
    length, and after `restart` another training of the same model comes to the very bits that it would come to with
    an optimizer and a graph of its own.

    Args:
        model: its trainable variables learn.
        loss: what a step minimises.
        plan: optimizer, batch size, schedule, and whether weights are averaged.
        learning_rate: the highest rate.
    """

    def __init__(self, model: keras.Model, loss: Loss, plan: Pretrain | Stage, learning_rate: float) -> None:
        import keras

        self.model, self.plan, self.learning_rate = model, plan, learning_rate
        self._weights = Learned(model.trainable_variables)
        self.optimizer = _fresh_optimizer(model, self._weights, plan.optimizer, learning_rate)
        self.momentum: float = getattr(plan, "ema", None) or 0.0
        # Keras' own `use_ema` pairs averages with the variables that have a gradient, and errs where one has none.
        self.averages = (
            [keras.Variable(one.numpy(), trainable=False) for one in self._weights.moved] if self.momentum else []
        )
        self._beginning = values_of(self.variables)
        self._loss, self._rate = loss, learning_rate
        self._run: Callable[..., Any] | None = None
        self.forward: Forward | None = None  # the model's predictions while it learns, once they were asked for
        self._labels = 1  # columns: a target, and beside it a weight where rows have one

    @property
    def variables(self) -> list[Any]:
        """All that one step hands on to the next, beside the model's own: slots, rate, averages, and finer copies."""
        return [*self.optimizer.variables, *self.averages, *self._weights.copies.values()]

    @property
    def scheduled(self) -> bool:
        """Whether the plan sets the rate at every step; one that stays is left to callbacks."""
        return self.plan.schedule is not constant

    def restart(self) -> None:
        """Put the optimizer back to its beginning; averages begin as the model's weights are now."""
        assign(self.variables, self._beginning)
        self._weights.copy()
        assign(self.averages, values_of(self._weights.moved) if self.averages else ())
        self.model.compile(optimizer=self.optimizer, loss=None)

    def watch_rate(self) -> None:
        """From now on, nobody but the schedule may set the rate, where there is one."""
        self._rate = float(self.optimizer.learning_rate)

    def run(self, inputs: Any, target: tf.Tensor, rates: tf.Tensor) -> float:
        """Take a block through all its steps; the mean loss.

        Raises:
            InvalidSpec: somebody set the rate since the last step, which the schedule would undo in silence.
        """
        if self.scheduled and float(self.optimizer.learning_rate) != self._rate:
            raise rate_undone("a callback", self.plan)
        if self._run is None or self._labels != int(target.shape[1]):
            self._labels = int(target.shape[1])
            self._run = self._traced(inputs)
        loss = float(self._run(inputs, target, rates))
        self.watch_rate()
        return loss

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the model have its averaged weights for a while, where the plan wants them; then it has its own again."""
        weights = self._weights.weights if self.averages else []
        own = values_of(weights)
        assign(weights, values_of(self.averages))
        try:
            yield
        finally:
            assign(weights, own)

    def _traced(self, inputs: Any) -> Callable[..., Any]:
        """A graph that takes a block through all its gradient steps and gives the mean loss.

        The loop over steps is TensorFlow's own, as its body is traced once, however many steps a block has. Blocks
        differ in length (the last one, the next training's), so the number of steps is that of the `rates`, known only
        when it runs.
        """
        import tensorflow as tf

        model, size, optimizer, weights = self.model, self.plan.batch_size, self.optimizer, self._weights

        def one_step(batch: Any, labels: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
            if self.scheduled:
                optimizer.learning_rate.assign(rate)
            with tf.GradientTape() as tape:
                loss = self._loss(model, batch, labels) + regularisation(model)
                minimised = optimizer.scale_loss(loss)
            weights.step(optimizer, tape.gradient(minimised, weights.tensors))
            for average, variable in zip(self.averages, weights.moved, strict=bool(self.averages)):
                average.assign(self.momentum * average + (1 - self.momentum) * variable)
            # The loss is a mean over the batch, and a last short batch counts by its rows.
            return loss * tf.cast(tf.shape(labels)[0], "float32")

        def run(inputs: Any, target: tf.Tensor, rates: tf.Tensor) -> tf.Tensor:
            def next_step(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                batch, labels = (rows_of(of, step * size, size) for of in (inputs, target))
                return step + 1, total + one_step(batch, labels, rates[step])

            count = tf.shape(rates)[0]
            # One after the other: a step begins with the weights that the one before it left.
            _, total = tf.while_loop(lambda step, _: step < count, next_step, (0, 0.0), parallel_iterations=1)
            return total / tf.cast(tf.shape(target)[0], "float32")

        blocks = tf.nest.map_structure(lambda rows: tf.TensorSpec([None, *rows.shape[1:]], rows.dtype), inputs)
        signature = [blocks, tf.TensorSpec([None, self._labels], "float32"), tf.TensorSpec([None], "float32")]
        runner: Callable[..., Any] = tf.function(run, input_signature=signature, autograph=False)
        return runner


def rate_undone(callback: str, plan: Pretrain | Stage) -> InvalidSpec:
    """What to say of a callback that sets the rate under a schedule."""
    return InvalidSpec(
        f"{callback} in stage '{plan.name}'",
        f"it sets the learning rate, which the schedule '{plan.schedule.__qualname__}' sets anew at every step",
        "let the stage have schedule=constant (learning/schedules.py), or leave the callback out",
    )


def _fresh_optimizer(model: keras.Model, weights: Learned, name: str, wanted: float) -> keras.Optimizer:
    """A new optimizer: a kept one would carry its old rate, and slots for variables that no longer learn."""
    import keras

    optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": wanted}})
    forget_reductions(optimizer)
    optimizer = scaled(optimizer, model)
    optimizer.build(weights.moved)
    rate = float(optimizer.learning_rate)
    if not np.isclose(rate, wanted):
        raise TrainingError(f"learning rate {rate}", f"the plan says {wanted}", "use another optimizer")
    return optimizer
