"""Version 1, or a challenger from scratch: base and head learn together from raw rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import InvalidSpec
from evergreen_client.batches import in_batches
from evergreen_client.model_files import load_model
from evergreen_client.shown import gist
from learning.absurd import absurd_rows_named
from learning.assembly import assemble, named_layers
from learning.calibration import calibrates, fold, moves_chances
from learning.data import (
    Columns,
    PartitionFile,
    Selection,
    concatenate,
    read_inputs,
    row_count,
    select,
)
from learning.environment import function_record
from learning.examples import Examples
from learning.files import ModelFiles, Progress, Trained, save_model
from learning.finite import BUILT, refuse_hidden_nulls, refuse_weights
from learning.first_answers import first_answers, loss_of_one, unit_of
from learning.fitted import Fitted, fit_held_back
from learning.graph import joined
from learning.held_back import Divided, all_of, held_apart, hold_back, refuse_negative
from learning.keras_private import set_seed
from learning.loop import Learner, TrainingContext, predictor, refuse_rate_setters, train
from learning.lora import refuse_unadaptable
from learning.losses import Measure, own, plain, refuse_useless
from learning.multi_output import MultiOutput
from learning.regression import Regression
from learning.split import as_graph
from learning.steps import Steps
from learning.weights import counted
from learning.work_folder import record_of, task_digest, train_once

if TYPE_CHECKING:
    import keras

    from learning.checkpoint import TrainingState
    from learning.spec import ModelSpec, Pretrain

TRIED_ROWS = 64

Parts = tuple["keras.Model", "keras.Model", "keras.Model"]  # base, head, and both as one with what augments


def pretrain(  # noqa: PLR0913 - what differs from run to run, all but the first two by name
    spec: ModelSpec,
    history: Sequence[PartitionFile],
    *,
    work: Path,
    logs: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    plan: Pretrain | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    after: datetime | None = None,
    refit: Mapping[str, int] | None = None,
    fitted: Fitted | None = None,
) -> Trained:
    """Train base and head on the training rows of all partitions.

    Args:
        spec: the model.
        history: the partitions to learn from.
        work: folder for checkpoints and the two files; run again with the same one, it goes on where it stopped.
        logs: TensorBoard's folder, if wanted.
        seed: the same seed, rows and plan give the same weights on the same machine.
        progress: called after every epoch.
        plan: by default `spec.pretrain`.
        since: learn only from rows from this time on.
        before: learn only from rows before this time,
        after: or from this one on.
        refit: `Trained.kept` of an earlier training, its proof: learn for as many epochs, by the same schedule, with
            no row held back.
        fitted: `Trained.fitted` of the same one.

    Raises:
        NotEnoughData: there is no labelled row to train on.
        TrainingDiverged: the loss became NaN, infinite or absurdly large.
    """
    plan = plan or spec.pretrain
    taken = (fitted.recorded or None) if fitted else None
    asked: dict[str, Any] = {"since": since, "before": before, "after": after, "refit": refit, "fitted": taken}
    record = record_of(plan, seed, loss=function_record(spec.loss), **asked)
    context = TrainingContext(work, logs, progress, spec.callbacks or list, seed)

    def train_anew() -> Trained:
        rows = select(spec.schema, history, "train", since=since, before=before, after=after)
        refuse_negative(spec.objective, rows)
        known = None if refit is None else (refit[plan.name], fitted or Fitted())
        ready = _divided(spec, plan, all_of(rows), context, held=refit is None)
        files, state, found = _pretrain(spec, plan, ready, context, known)
        best = f"the best was epoch {state.best_epoch}, validation loss {state.best:.4f}{state.remark}"
        reason = (
            f"learned from {row_count(ready[0][0]):,} rows of {len(history)} partitions in {state.epoch} epochs; "
            f"{f'{best}{found.remark}' if refit is None else 'as many as its proof kept'}"
        )
        made = record | found.recorded
        return Trained(files, state.curve, (), made, reason, {plan.name: state.best_epoch}, row_count(rows), found)

    with absurd_rows_named(spec, history):
        return train_once(work, task_digest(spec, record, (), [history]), train_anew)


def _divided(
    spec: ModelSpec, plan: Pretrain, rows: list[Selection], context: TrainingContext, *, held: bool
) -> tuple[Divided, Parts]:
    """Rows to learn from and rows held back, if they are; and the parts as built from the former.

    More rows are held back where they can put the head's chances right, which only the head that was built says.
    """
    classes = spec.objective.class_count
    for calibrated in (classes or 0, 0) if held and moves_chances(spec) else (0,):
        divided: Divided = rows, []
        if held:
            divided = hold_back(
                spec.schema, rows, plan, context.seed, classes=classes is not None, calibrated=calibrated
            )
        set_seed(context.seed)
        parts = _checked_parts(spec, sample(spec, divided[0], plan.sample_rows), context.work)
        if not calibrated or calibrates(spec, parts[1]):
            break
    return divided, parts


def _pretrain(
    spec: ModelSpec,
    plan: Pretrain,
    ready: tuple[Divided, Parts],
    context: TrainingContext,
    known: tuple[int, Fitted] | None,
) -> tuple[ModelFiles, TrainingState, Fitted]:
    """Train base and head, as they were built: their files, where training ended, and what was fitted then.

    Of a refit it is `known` how many epochs it learns, and what was fitted.
    """
    (learning, validating), (base, head, model) = ready
    apart = held_apart(learning, validating)
    target = np.concatenate([selection.target for selection in learning])
    if spec.loss is None:  # which sees errors in the target's own unit: a head in another would learn by longer steps
        head = first_answers(spec.objective, head, target, balanced=plan.class_weight is not None)
    model = assemble(base, head, frozen=False, augment=model.augment)
    paths = context.work / "base.keras", context.work / "head.keras"
    learning, shift = counted(spec.objective, plan, learning)
    measure = Measure(unit_of(spec.objective, head), shift)
    loss = own(spec.loss) if spec.loss else plain(spec.objective, measure)
    learner = Learner(
        Steps(model, loss, plan, plan.learning_rate),
        model.variables,
        spec.objective,
        own=spec.loss is not None,
        one=1.0 if spec.loss else loss_of_one(spec.objective, measure.unit),
        calibrated=apart and calibrates(spec, head),
    )
    learned, validated = (Examples(part, partial(read_inputs, spec.schema)) for part in (learning, validating))
    state = train(learner, learned, validated, context, known[0] if known else None)
    if known:
        found = known[1]
        fold(found.calibration, head)
    else:
        predict = predictor(in_batches(model))
        found = fit_held_back(spec, head, validated if apart else None, predict, learned=state.best_epoch > 0)
    return ModelFiles(*paths, save_model(base, paths[0]), save_model(head, paths[1])), state, found


def build(spec: ModelSpec, rows: Columns, work: Path) -> ModelFiles:
    """Base and head as the spec builds them, from some rows: checked, in files, and not trained.

    Raises:
        InvalidSpec: they do not fit the schema, the objective, each other, or Keras cannot load them again.
    """
    base, head, _ = _checked_parts(spec, rows, work)
    paths = work / "base.keras", work / "head.keras"
    return ModelFiles(*paths, save_model(base, paths[0]), save_model(head, paths[1]))


def _checked_parts(spec: ModelSpec, rows: Columns, work: Path) -> Parts:
    """Build base and head, and refuse what would fail later, in training or in service."""
    base, head, augment = _build(spec, rows)
    refuse_weights(base, "the base as it was built", BUILT, InvalidSpec)
    refuse_weights(head, "the head as it was built", BUILT, InvalidSpec)
    model = _assembled(spec, base, head, augment, rows)
    few = {name: values[:TRIED_ROWS] for name, values in rows.items()}
    refuse_hidden_nulls(spec, model, few)
    _refuse_what_stages_cannot_do(spec, base, head, few)
    _refuse_unloadable(base, work / "base.keras")
    _refuse_unloadable(head, work / "head.keras")
    return base, head, model


def _refuse_what_stages_cannot_do(spec: ModelSpec, base: keras.Model, head: keras.Model, few: Columns) -> None:
    """See that all stages of a retrain will find their layers and can use a loss of the user's own, weeks from now."""
    import tensorflow as tf

    for stage in getattr(spec.finetune, "stages", ()):
        thawed = named_layers(base, stage.thaw)
        refuse_unadaptable(stage, thawed or head.layers)
        refuse_rate_setters(spec.callbacks() if spec.callbacks else (), stage)
    if spec.loss:
        inputs = tf.nest.map_structure(tf.constant, few)
        target = tf.zeros((len(next(iter(few.values()))), 1))
        model = assemble(base, head, frozen=False)
        for part, rows in ((model, inputs), (head, base(inputs, training=False))):
            refuse_useless(spec.loss, part, rows, target)


def sample(spec: ModelSpec, learning: Sequence[Selection], most: int) -> Columns:
    """At most so many rows, spread evenly over the history; preprocessing layers adapt to them."""
    step = max(1, -(-row_count(learning) // most))
    thinned = [selection.every(step) for selection in learning if len(selection.rows)]
    columns: Columns = concatenate([read_inputs(spec.schema, part.partition, part.rows) for part in thinned])
    return columns


def _build(spec: ModelSpec, rows: Columns) -> tuple[keras.Model, keras.Model, keras.Model | None]:
    """Ask the spec for its parts, and check that they fit the schema and each other."""
    base = spec.build_base(rows)
    if base is None:
        raise InvalidSpec("build_base", "it gives back nothing", "let it return a keras.Model")
    base = as_graph(base)
    named = {tensor.name for tensor in base.inputs}
    if named != set(spec.schema.taken):
        raise InvalidSpec(
            f"a base with the inputs {sorted(named)}",
            f"the schema's are {sorted(spec.schema.taken)}",
            "give every keras.Input the name of its column",
        )
    if not isinstance(base.output_shape, tuple):
        raise InvalidSpec(
            f"a base with {len(base.outputs)} outputs", "a head takes one", "concatenate them in the base"
        )
    head = spec.build_head(tuple(base.output_shape[1:]))
    if head is None:
        raise InvalidSpec("build_head", "it gives back nothing", "let it return a keras.Model")
    if isinstance(spec.objective, MultiOutput):
        head = joined(head, spec.objective)
    return base, head, spec.augment(rows) if spec.augment else None


def _assembled(
    spec: ModelSpec, base: keras.Model, head: keras.Model, augment: keras.Model | None, rows: Columns
) -> keras.Model:
    """Base and head as one model, tried out on a few rows before they are trained for hours."""
    import tensorflow as tf

    few = {name: tf.constant(rows[name][:TRIED_ROWS]) for name in spec.schema.taken}
    try:
        model = assemble(base, head, frozen=False, augment=augment)
        answers = np.asarray(model(few, training=False))
    except Exception as error:
        # Keras speaks of shapes and layers; what TensorFlow's own kernels quote may be a row's value.
        words = str(error).strip().partition("\n")[0] or "no reason given"
        why = gist(error) if isinstance(error, tf.errors.OpError) else f"{type(error).__name__}: {words}"
        fix = "look at the inputs' shapes and dtypes, and at what the head takes"
        raise InvalidSpec("base and head as they were built", f"rows do not pass through them ({why})", fix) from error
    count, width = len(next(iter(few.values()))), spec.objective.width
    if answers.shape != (count, width):
        raise InvalidSpec(
            f"a head that gives shape {answers.shape[1:]} for a row",
            f"{spec.objective} takes ({width},)",
            f"end the head with Dense({width})",
        )
    if not np.isfinite(answers).all():
        raise InvalidSpec(
            "a model whose first predictions are not finite",
            "it cannot learn",
            "look for weights and inputs that are NaN",
        )
    for name, objective, said in spec.objective.outputs_of(answers):
        if not isinstance(objective, Regression) and (said.min() < 0 or said.max() > 1):
            of = f" of output '{name}'" if name else ""
            raise InvalidSpec(
                f"predictions{of} from {said.min():.2g} to {said.max():.2g}",
                f"{objective} takes chances between 0 and 1",
                "end the head with a sigmoid or softmax activation",
            )
    return model


def _refuse_unloadable(part: keras.Model, path: Path) -> None:
    """Save and load a part before it is trained, as every retrain and service will have to."""
    try:
        save_model(part, path)
        load_model(path)
    except Exception as error:
        raise InvalidSpec(
            f"the {path.stem} as it was built",
            f"Keras cannot load it again: {str(getattr(error, 'why', error)).strip().splitlines()[0]}",
            "in place of Lambda and the like, define layers of your own at the top of the model's file, with "
            "@keras.saving.register_keras_serializable(), and give them get_config()",
        ) from error
