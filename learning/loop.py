"""The one training loop: a whole block of rows per dispatch, Keras callbacks around it, a checkpoint an epoch.

`Model.fit` leaves the graph after every batch (or every `steps_per_execution`); on the small heads that a
retrain trains, that costs more than the arithmetic. Here the steps of an epoch run inside one graph, and the
callbacks see the block as one batch: whatever acts on epochs works as in `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from errors import TrainingDiverged, TrainingError
from evergreen_client.batches import in_batches, rows_of
from learning.checkpoint import TrainingState, assign, load_checkpoint, save_checkpoint, values_of
from learning.examples import Examples
from learning.files import Progress
from learning.keras_private import forget_reductions, set_seed
from learning.schedules import constant

if TYPE_CHECKING:
    import keras

    from learning.losses import Loss
    from learning.objectives import Objective
    from learning.plans import Pretrain, Stage

EXPLODED = 100.0
Predict = Callable[[Examples], NDArray[np.float32]]


@dataclass(frozen=True)
class Learner:
    """A model in training, and how it learns.

    Args:
        model: takes what the examples hold; its trainable variables learn.
        variables: all that training may change: those, statistics, random seeds.
        objective: measures validation rows.
        loss: what a gradient step minimises.
        plan: epochs, patience, schedule, batch size and optimizer: those of pretraining, or of a stage.
        learning_rate: the highest rate; a stage's may follow from that of pretraining.
        start: its validation loss as it is, where that was measured before.
    """

    model: keras.Model
    variables: Sequence[Any]
    objective: Objective
    loss: Loss
    plan: Pretrain | Stage
    learning_rate: float
    start: float | None = None


@dataclass(frozen=True)
class TrainingContext:
    """Where a training runs.

    Args:
        work: folder of the checkpoints.
        logs: TensorBoard's folder, if wanted.
        progress: called after every epoch.
        callbacks: the user's own, beside TensorBoard's.
        seed: with the same rows and weights, the same seed gives the same result, bit for bit.
    """

    work: Path
    logs: Path | None = None
    progress: Progress | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    seed: int = 0


def train(
    learner: Learner, examples: Examples, validation: Examples, context: TrainingContext, until: int | None = None
) -> TrainingState:
    """Train through a stage, or on from its last whole epoch; leaves the best weights in the model.

    The best are the weights with the lowest validation loss, and those the stage began with are a candidate:
    a stage that only makes things worse changes nothing.

    Args:
        learner: the model, and how it learns.
        examples: rows to learn from.
        validation: rows to choose the best epoch by.
        context: where it runs.
        until: the epoch to stop after and to keep, where that was chosen before: the steps go by the plan's schedule
            as before, and nothing is validated.

    Raises:
        TrainingDiverged: a loss became NaN, infinite or absurdly large.
    """
    set_seed(context.seed)
    model, plan = learner.model, learner.plan
    optimizer = _fresh_optimizer(learner)
    # Who goes on from a checkpoint must come to the very same bits. So all that one epoch hands on to the next is in
    # these variables (weights, slots of the optimizer, and the seeds that dropout draws from, which Keras keeps in
    # variables too) or in `state`; what an epoch draws beside them, it draws anew from its own number.
    variables = [*learner.variables, *optimizer.variables]
    checkpoint = context.work / f"{plan.name}.npz"
    validate = partial(_validate, learner.objective, validation, predictor(model))
    saved, epochs = load_checkpoint(checkpoint), plan.epochs if until is None else until
    if saved is None:
        start = learner.start
        if start is None:
            start = validate()["val_loss"] if until is None else np.inf
        start = start if np.isfinite(start) else np.inf  # to a start without a loss, every epoch that has one is better
        state = TrainingState(plan.name, epoch=0, start=start, best=start, stopped=epochs == 0)
        best = values_of(learner.variables)
    else:
        state, values, best = saved
        assign(variables, values)
    sane = state.start if np.isfinite(state.start) else 0.0
    limit = EXPLODED * max(1.0, sane, _constant_loss(learner.objective, examples.target))
    run_block = _block_runner(learner, optimizer)
    callbacks = _callback_list(learner, context)
    callbacks.on_train_begin()
    model.stop_training = False
    while not state.stopped:
        callbacks.on_epoch_begin(state.epoch)
        loss = _run_epoch(run_block, learner, examples, (context.seed, state.epoch), callbacks)
        metrics = {"loss": loss, **(validate() if until is None else {})}
        _assert_sane(metrics, limit, learner, state.epoch + 1)  # before it is saved: nobody goes on from nonsense
        callbacks.on_epoch_end(state.epoch, metrics)
        state = state.after(metrics, patience=plan.patience, epochs=epochs, more=plan.more if until is None else 0)
        if state.best_epoch == state.epoch:
            best = values_of(learner.variables)
        if model.stop_training and until is None:
            state = replace(state, stopped=True)
        save_checkpoint(checkpoint, state, values_of(variables), best)
        if context.progress is not None:
            context.progress(plan.name, state.epoch, epochs, metrics)
    callbacks.on_train_end()
    assign(learner.variables, best)
    return state


def predictor(model: keras.Model) -> Predict:
    """A function that gives a model's predictions for examples in order, shape (rows, outputs)."""
    forward = in_batches(model)

    def predict(examples: Examples) -> NDArray[np.float32]:
        parts = [np.asarray(forward(inputs)) for inputs, _ in examples.blocks()]
        return np.concatenate(parts).reshape(examples.rows, -1)

    return predict


def _fresh_optimizer(learner: Learner) -> keras.Optimizer:
    """A new optimizer: a kept one would carry its old rate, and slots for variables that no longer learn."""
    import keras

    wanted, model = learner.learning_rate, learner.model
    optimizer = keras.optimizers.get({"class_name": learner.plan.optimizer, "config": {"learning_rate": wanted}})
    optimizer.build(model.trainable_variables)
    forget_reductions(optimizer)
    model.compile(optimizer=optimizer, loss=None)
    rate = float(optimizer.learning_rate)
    if not np.isclose(rate, wanted):
        raise TrainingError(f"learning rate {rate}", f"the plan says {wanted}", "use another optimizer")
    return optimizer


def _block_runner(learner: Learner, optimizer: keras.Optimizer) -> Callable[..., Any]:
    """A graph that takes a block through all its gradient steps and gives the mean loss.

    The loop over steps is TensorFlow's own, as its body is traced once, however many steps a block has. Blocks differ
    in length (the last one, the next run's), so the number of steps is that of the `rates`, known only when it runs.
    """
    import tensorflow as tf

    model, variables, size = learner.model, learner.model.trainable_variables, learner.plan.batch_size
    scheduled = (
        learner.plan.schedule is not constant
    )  # a rate that stays is left to callbacks, which may have changed it

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def run(inputs: Any, target: tf.Tensor, rates: tf.Tensor) -> tf.Tensor:
        def one_step(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch, labels = rows_of(inputs, step * size, size), rows_of(target, step * size, size)
            if scheduled:
                optimizer.learning_rate.assign(rates[step])
            with tf.GradientTape() as tape:
                loss = learner.loss(batch, labels, model(batch, training=True)) + sum(model.losses)
            # A tape knows TensorFlow's variables, which are inside those of Keras.
            optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
            # The loss is a mean over the batch, and a last short batch counts by its rows.
            return step + 1, total + loss * tf.cast(tf.shape(labels)[0], "float32")

        count = tf.shape(rates)[0]
        # One after the other: a step begins with the weights that the one before it left.
        _, total = tf.while_loop(lambda step, _: step < count, one_step, (0, 0.0), parallel_iterations=1)
        return total / tf.cast(tf.shape(target)[0], "float32")

    runner: Callable[..., Any] = run
    return runner


def _run_epoch(
    run_block: Callable[..., Any], learner: Learner, examples: Examples, seeds: Sequence[int], callbacks: Any
) -> float:
    """The examples, in an order that depends on the seed and the epoch alone, as often as the plan asks; mean loss."""
    import tensorflow as tf

    plan, (_, epoch), random = learner.plan, seeds, np.random.default_rng(seeds)
    passes = -(-plan.steps // -(-examples.rows // plan.batch_size))
    total, seen = 0.0, 0
    for number, (inputs, target) in enumerate(chain.from_iterable(examples.shuffled(random) for _ in range(passes))):
        starts = seen + np.arange(0, len(target), plan.batch_size)
        done = np.minimum(1.0, (epoch + starts / (passes * examples.rows)) / plan.epochs)
        rates = [plan.schedule(float(share), learner.learning_rate) for share in done]
        callbacks.on_train_batch_begin(number)
        loss = float(run_block(inputs, target, tf.constant(rates, "float32")))
        callbacks.on_train_batch_end(number, {"loss": loss})
        total += loss * len(target)
        seen += len(target)
    return total / seen


def _validate(objective: Objective, validation: Examples, predict: Predict) -> dict[str, float]:
    """The objective's metrics on validation rows, as far as they exist; `val_loss` is the gate's mean loss."""
    metrics = objective.metrics(validation.target, predict(validation))
    loss = metrics.pop(objective.loss_name)
    return {"val_loss": loss} | {f"val_{name}": value for name, value in metrics.items() if np.isfinite(value)}


def _constant_loss(objective: Objective, target: NDArray[np.float64]) -> float:
    """The loss of the best prediction that looks at no input: what is large is measured by it."""
    constant = objective.constant(target)
    return float(np.mean(objective.row_loss(target, np.broadcast_to(constant, (len(target), len(constant))))))


def _assert_sane(metrics: dict[str, float], limit: float, learner: Learner, epoch: int) -> None:
    for name, value in metrics.items():
        if name in {"loss", "val_loss"} and not value <= limit:
            raise TrainingDiverged(
                f"{name} {value:g} in epoch {epoch} of stage '{learner.plan.name}'",
                f"it is not finite, or {EXPLODED:.0f} times more than before and than a constant prediction",
                f"lower the stage's learning rate (now {learner.learning_rate:g})",
            )


def _callback_list(learner: Learner, context: TrainingContext) -> Any:
    import keras

    callbacks = list(context.callbacks)
    if context.logs is not None:
        callbacks.append(keras.callbacks.TensorBoard(context.logs / learner.plan.name, write_graph=False))
    return keras.callbacks.CallbackList(callbacks, model=learner.model, epochs=learner.plan.epochs, verbose=0)
