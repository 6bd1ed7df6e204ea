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

from errors import TrainingDiverged
from evergreen_client.batches import in_batches
from learning.calibration import PROPER, calibration
from learning.checkpoint import TrainingState, assign, load_checkpoint, save_checkpoint, values_of
from learning.examples import Examples
from learning.files import ModelFiles, Progress
from learning.keras_private import set_seed
from learning.schedules import constant
from learning.steps import Steps, rate_undone

if TYPE_CHECKING:
    import keras

    from evergreen_client.batches import Forward
    from learning.objectives import Objective
    from learning.plans import Pretrain, Stage

EXPLODED = 100.0
Predict = Callable[[Examples], NDArray[np.float32]]


@dataclass(frozen=True)
class Learner:
    """A model in training, and how it learns.

    Args:
        steps: the model, its plan, optimizer and graph; they may be those of an earlier training of this very model.
        variables: all that training may change: those that learn, statistics, random seeds.
        objective: measures validation rows.
        start: its validation loss as it is, where that was measured before.
        own: the loss of the steps is the user's own, of which nobody knows what is large.
        one: what a loss of 1 is in the objective's own unit, where steps take theirs in another.
        calibrated: an epoch is chosen by its predictions as they will be put right (learning/calibration.py).
        own_code: code that is not Keras' own takes part, which may draw from TensorFlow's generator.
    """

    steps: Steps
    variables: Sequence[Any]
    objective: Objective
    start: float | None = None
    own: bool = False
    one: float = 1.0
    calibrated: bool = False
    own_code: bool = True


@dataclass(frozen=True)
class TrainingContext:
    """Where a training runs, and from where.

    Args:
        work: folder of the checkpoints.
        logs: TensorBoard's folder, if wanted.
        progress: called after every epoch.
        callbacks: gives the user's own for a stage, beside TensorBoard's: one that waits for an epoch without a gain
            must not begin a stage with what it counted in the one before.
        seed: with the same rows and weights, the same seed gives the same result, bit for bit.
        start: a version whose base and head learn on together; None for new ones.
    """

    work: Path
    logs: Path | None = None
    progress: Progress | None = None
    callbacks: Callable[[], Sequence[keras.callbacks.Callback]] = list
    seed: int = 0
    start: ModelFiles | None = None


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
    set_seed(context.seed, tensorflow=learner.own_code)
    steps, model, plan = learner.steps, learner.steps.model, learner.steps.plan
    steps.restart()
    # Who goes on from a checkpoint must come to the very same bits. So all that one epoch hands on to the next is in
    # these variables (weights, their averages, slots of the optimizer, and the seeds that dropout draws from, which
    # Keras keeps in variables too) or in `state`; what an epoch draws beside them, it draws anew from its own number.
    variables = [*learner.variables, *steps.variables]
    checkpoint = context.work / f"{plan.name}.npz"
    steps.forward = steps.forward or in_batches(model)
    validate = partial(_validate, learner, validation, predictor(steps.forward))
    saved, epochs = load_checkpoint(checkpoint), plan.epochs if until is None else until
    if saved is None:
        start = learner.start
        if start is None:
            # As it is: where no epoch is better it is saved so, and nothing is put right.
            as_it_is = partial(_validate, replace(learner, calibrated=False), validation, predictor(steps.forward))
            start = as_it_is()["val_loss"] if until is None else np.inf
        start = start if np.isfinite(start) else np.inf  # to a start without a loss, every epoch that has one is better
        state = TrainingState(plan.name, epoch=0, start=start, best=start, stopped=epochs == 0)
        best = values_of(learner.variables)
    else:
        state, values, best = saved
        assign(variables, values)
    limits = _limits(learner, state.start, examples.target)
    steps.watch_rate()
    callbacks = _callback_list(learner, context)
    callbacks.on_train_begin()
    model.stop_training = False
    while not state.stopped:
        callbacks.on_epoch_begin(state.epoch)
        loss = learner.one * _run_epoch(steps, examples, (context.seed, state.epoch), callbacks)
        with steps.averaged():
            shown = {"loss": loss, **(validate() if until is None else {})}
            _assert_sane(shown, limits, learner, state.epoch + 1)  # before it is saved: nobody goes on from nonsense
            callbacks.on_epoch_end(state.epoch, shown)  # of which those of Keras know "loss" by this name
            metrics = {_called(learner) if name == "loss" else name: value for name, value in shown.items()}
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


def predictor(forward: Forward) -> Predict:
    """A function that gives predictions for examples in order, shape (rows, outputs), in a model's `forward` graph."""

    def predict(examples: Examples) -> NDArray[np.float32]:
        parts = [np.asarray(forward(inputs)) for inputs, _ in examples.blocks()]
        return np.concatenate(parts).reshape(examples.rows, -1)

    return predict


def _run_epoch(steps: Steps, examples: Examples, seeds: Sequence[int], callbacks: Any) -> float:
    """The examples, in an order that depends on the seed and the epoch alone, as often as the plan asks; mean loss."""
    import tensorflow as tf

    plan, (_, epoch), random = steps.plan, seeds, np.random.default_rng(seeds)
    passes = -(-plan.steps // -(-examples.rows // plan.batch_size))
    total, seen = 0.0, 0
    for number, (inputs, target) in enumerate(chain.from_iterable(examples.shuffled(random) for _ in range(passes))):
        starts = seen + np.arange(0, len(target), plan.batch_size)
        done = np.minimum(1.0, (epoch + starts / (passes * examples.rows)) / plan.epochs)
        rates = [plan.schedule(float(share), steps.learning_rate) for share in done]
        callbacks.on_train_batch_begin(number)
        loss = steps.run(inputs, target, tf.constant(rates, "float32"))
        callbacks.on_train_batch_end(number, {"loss": loss})
        total += loss * len(target)
        seen += len(target)
    return total / seen


def _called(learner: Learner) -> str:
    """The loss of the steps; one in another unit than what is validated has no place in one drawing with it."""
    objective = learner.objective
    moved = objective.class_count is not None and objective.loss not in PROPER
    return "training_loss" if learner.own or objective.log or moved else "loss"


def _validate(learner: Learner, validation: Examples, predict: Predict) -> dict[str, float]:
    """The objective's metrics on validation rows, as far as they exist; `val_loss` is the gate's mean loss."""
    prediction, objective = predict(validation), learner.objective
    if learner.calibrated:
        prediction = calibration(objective, validation.target, prediction, validation.weight).of(prediction)
    metrics = objective.metrics(validation.target, prediction)
    loss = metrics.pop(objective.loss_name)
    if validation.weight is not None:
        loss = float(np.average(objective.row_loss(validation.target, prediction), weights=validation.weight))
    return {"val_loss": loss} | {f"val_{name}": value for name, value in metrics.items() if np.isfinite(value)}


def _limits(learner: Learner, start: float, target: NDArray[np.float64]) -> dict[str, float]:
    """From where on a loss is absurdly large: that of the steps, which may be of logarithms, and that of validation."""
    objective, sane = learner.objective, start if np.isfinite(start) else 0.0
    steps = limit = EXPLODED * max(1.0, sane, constant_loss(objective, target))
    if objective.log:
        logs = np.log1p(target)
        # Of logarithms no loss was measured before; a head that begins at 0 is far off, and may learn all the same.
        nothing = float(np.mean(objective.row_loss(logs, 0 * logs)))
        steps = EXPLODED * max(1.0, constant_loss(objective, logs)) + nothing
    return {"loss": np.finfo("float64").max if learner.own else steps, "val_loss": limit}


def constant_loss(
    objective: Objective, target: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float:
    """The loss of the best prediction that looks at no input: what is large is measured by it."""
    constant = objective.constant(target, weight)
    losses = objective.row_loss(target, np.broadcast_to(constant, (len(target), len(constant))))
    return float(np.average(losses, weights=weight))


def _assert_sane(metrics: dict[str, float], limits: dict[str, float], learner: Learner, epoch: int) -> None:
    for name, value in metrics.items():
        if name in limits and not value <= limits[name]:
            raise TrainingDiverged(
                f"{name} {value:g} in epoch {epoch} of stage '{learner.steps.plan.name}'",
                f"it is not finite, or {EXPLODED:.0f} times more than before and than a constant prediction",
                f"lower the stage's learning rate (now {learner.steps.learning_rate:g})",
            )


def _callback_list(learner: Learner, context: TrainingContext) -> Any:
    import keras

    callbacks = list(context.callbacks())
    plan = learner.steps.plan
    refuse_rate_setters(callbacks, plan)
    if context.logs is not None:
        callbacks.append(keras.callbacks.TensorBoard(context.logs / plan.name, write_graph=False))
    return keras.callbacks.CallbackList(callbacks, model=learner.steps.model, epochs=plan.epochs, verbose=0)


def refuse_rate_setters(callbacks: Sequence[keras.callbacks.Callback], plan: Pretrain | Stage) -> None:
    """See that no callback is there to set a rate that the plan's schedule sets at every step.

    Raises:
        InvalidSpec: one of Keras' own is; one of the user's is found out when it does.
    """
    import keras

    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    for callback in callbacks:
        if isinstance(callback, setters) and plan.schedule is not constant:
            raise rate_undone(type(callback).__name__, plan)
