"""What ages inside a base: words that its look-ups do not know, and numbers outside of what it was scaled to.

A base adapts to the rows that it is built from, and then never again; layers that are thawed do not change that, as a
vocabulary and a mean are no weights that learn. `FineTune(readapt=True)` lets them follow the rows: of the new base
and of the champion's head a challenger is fine-tuned, and the gate compares it as any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen_client.model_files import load_model
from learning.assembly import EVERY_LAYER
from learning.built import sample
from learning.files import ModelFiles, save_model
from learning.growing import grown
from learning.plans import FineTune, Stage

if TYPE_CHECKING:
    import keras

    from learning.data import Array, Columns, Selection
    from learning.spec import ModelSpec, Pretrain

SEEN = 3  # rows with a word, from which it is one
WARM_UP = "readapt"  # name of the stage


def readapt(spec: ModelSpec, champion: ModelFiles, rows: Sequence[Selection], work: Path) -> ModelFiles:
    """The champion with a base that is adapted to these rows; known words keep their place and their weights.

    Args:
        spec: the model.
        champion: where it starts.
        rows: new and replayed ones.
        work: folder for the files.

    Raises:
        CannotReadapt: it is not known how a layer would take more words.
    """
    base, head = load_model(champion.base), load_model(champion.head)
    scales, lookups = adaptive(base)
    columns = sample(spec, rows, spec.pretrain.sample_rows)
    taken = what_is_taken(base, [*scales, *lookups], columns)
    words = {layer.name: new_words(layer, taken[layer.name]) for layer in lookups}
    for layer in scales:
        rescale(layer, taken[layer.name])
    base, head = grown(base, head, {name: found for name, found in words.items() if found})
    paths = work / "readapted-base.keras", work / "readapted-head.keras"
    return ModelFiles(*paths, save_model(base, paths[0]), save_model(head, paths[1]))


def adaptive(base: keras.Model) -> tuple[list[keras.Layer], list[keras.Layer]]:
    """The layers of a base that adapt to rows: those that scale numbers, and those that look words up."""
    from keras import layers

    scales = [one for one in base.layers if isinstance(one, layers.Normalization) and one.weights]
    lookups = [one for one in base.layers if isinstance(one, layers.StringLookup | layers.IntegerLookup)]
    return scales, [one for one in lookups if not one.invert]


def what_is_taken(base: keras.Model, layers: Sequence[keras.Layer], columns: Columns) -> dict[str, Array]:
    """What some layers of a base are given of these rows."""
    import keras
    import tensorflow as tf

    if not layers:
        return {}
    inner = keras.Model({one.name: one for one in base.inputs}, {layer.name: layer.input for layer in layers})
    given = {tensor.name: tf.constant(columns[tensor.name]) for tensor in base.inputs}
    return {name: values.numpy() for name, values in inner(given, training=False).items()}


def new_words(layer: keras.Layer, values: Array) -> list[Any]:
    """The words in these values that a look-up does not know, the most frequent first."""
    counts = Counter(values.reshape(-1).tolist())
    known = {one.encode() if isinstance(one, str) else one for one in layer.get_vocabulary()}
    absent = {b"", layer.mask_token.encode() if isinstance(layer.mask_token, str) else layer.mask_token}
    found = [(-count, word) for word, count in counts.items() if count >= SEEN and word not in known | absent]
    return [word.decode() if isinstance(word, bytes) else word for _, word in sorted(found)]


def rescale(layer: keras.Layer, values: Array) -> None:
    """Set the mean and variance that a layer scales by to those of the values that are there."""
    kept = {axis % values.ndim for axis in layer.axis}
    over = tuple(axis for axis in range(values.ndim) if axis not in kept)
    there = np.isfinite(values)
    rows = np.maximum(there.sum(axis=over), 1)
    mean = np.where(there, values, 0).sum(axis=over, dtype="float64") / rows
    apart = np.where(there, values - np.expand_dims(mean, over), 0) ** 2
    variance = apart.sum(axis=over) / rows
    old = layer.get_weights()
    empty = there.sum(axis=over) == 0  # nothing is known of such a column
    layer.set_weights([np.where(empty, old[0], mean), np.where(empty, old[1], variance), *old[2:]])
    layer.finalize_state()


def warmed_up(plan: FineTune, pretrain: Pretrain) -> FineTune:
    """The plan with one more stage: what lies behind the adapted layers learns what they give now.

    A stage of the name "readapt" that the plan has itself is that stage.
    """
    if any(stage.name == WARM_UP for stage in plan.stages):
        return plan
    last = plan.stages[-1]
    stage = Stage(
        WARM_UP,
        thaw=(EVERY_LAYER,),
        learning_rate=pretrain.learning_rate,
        schedule=pretrain.schedule,
        epochs=pretrain.epochs,
        steps=pretrain.steps,
        more=pretrain.more,
        patience=pretrain.patience,
        batch_size=last.batch_size,
        optimizer=pretrain.optimizer,
        class_weight=pretrain.class_weight,
    )
    return replace(plan, stages=(*plan.stages, stage))
