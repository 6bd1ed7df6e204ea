"""Base and head as a spec builds them: checked before they are trained for hours, or meet a schedule in weeks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errors import InvalidSpec, TrainingError
from evergreen_client.model_files import load_model
from evergreen_client.shown import gist
from learning.assembly import assemble, named_layers
from learning.data import Columns, Selection, concatenate, read_inputs, row_count
from learning.files import ModelFiles, save_model
from learning.finite import BUILT, INHERITED, refuse_hidden_nulls, refuse_weights
from learning.graph import joined
from learning.loop import refuse_rate_setters
from learning.lora import refuse_unadaptable
from learning.losses import refuse_useless
from learning.multi_output import MultiOutput
from learning.regression import Regression
from learning.split import as_graph

if TYPE_CHECKING:
    import keras

    from learning.spec import ModelSpec

TRIED_ROWS = 64

Parts = tuple["keras.Model", "keras.Model", "keras.Model"]  # base, head, and both as one with what augments


def build(spec: ModelSpec, rows: Columns, work: Path) -> ModelFiles:
    """Base and head as the spec builds them, from some rows: checked, in files, and not trained.

    Raises:
        InvalidSpec: they do not fit the schema, the objective, each other, or Keras cannot load them again.
    """
    base, head, _ = checked_parts(spec, rows, work)
    paths = work / "base.keras", work / "head.keras"
    return ModelFiles(*paths, save_model(base, paths[0]), save_model(head, paths[1]))


def continued_parts(spec: ModelSpec, start: ModelFiles, rows: Columns) -> Parts:
    """Base and head of a version, to learn on together; what is frozen in its base stays so."""
    base, head = load_model(start.base), load_model(start.head)
    for name, part in {"base": base, "head": head}.items():
        refuse_weights(part, f"the champion's {name}", INHERITED.format(spec.name), TrainingError)
    head.trainable = True
    augment = spec.augment(rows) if spec.augment else None
    return base, head, assemble(base, head, frozen=False, augment=augment)


def checked_parts(spec: ModelSpec, rows: Columns, work: Path) -> Parts:
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
