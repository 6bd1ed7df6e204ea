"""What is no number goes no further: no such weight into a version, no such feature into a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from errors import EvergreenError, InvalidSpec, TrainingDiverged, UnusableFeatures
from learning.absurd import find_absurd
from learning.data import Columns, Indices, PartitionFile, Selection, read_inputs
from learning.losses import mean_loss

if TYPE_CHECKING:
    import keras

    from learning.examples import Read
    from learning.objectives import Objective
    from learning.schema import Schema
    from learning.spec import ModelSpec

ROWS_AT_ONCE = 2**16
TRAINED = (
    "impute null numbers in build_base, as one that reaches a weight makes it NaN; if there are none, lower the "
    "learning rate"
)
BUILT = "let preprocessing layers adapt to values that are there (x[x == x]), and look at the initializers"
INHERITED = (
    "roll back to a version without: `evergreen registry rollback {}`; or train anew, with finetune=FromScratch()"
)


def refuse_weights(
    model: keras.Model, name: str, fix: str = TRAINED, error: type[EvergreenError] = TrainingDiverged
) -> None:
    """See that all weights of a model are finite. From its answers a relu may hide that they are not.

    Args:
        model: the model; statistics of preprocessing layers are weights too.
        name: what it is, in words.
        fix: what to do about it.
        error: what to raise.
    """
    for weight in model.weights:
        values = np.asarray(weight.numpy())
        lost = values.size - int(np.isfinite(values).sum())
        if lost:
            why = f"{lost:,} of its {values.size:,} values are not finite"
            raise error(f"{name}, weight {weight.path}", why, fix)


def refuse_features(spec: ModelSpec, selections: Sequence[Selection], read: Read) -> None:
    """See that the base makes finite features of all rows that will be trained on.

    Args:
        spec: the model.
        selections: the rows.
        read: gives their features.

    Raises:
        UnusableFeatures: it does not; the sentence names the partition, the column, and the way out.
    """
    for selection in selections:
        for start in range(0, len(selection.rows), ROWS_AT_ONCE):
            rows = selection.rows[start : start + ROWS_AT_ONCE]
            lost = rows[~finite_rows(read(selection.partition, rows))]
            if len(lost):
                raise _unusable(spec, selection.partition, lost)


def finite_rows(values: np.ndarray) -> np.ndarray:
    """Which rows hold finite numbers only, shape (rows,)."""
    return np.asarray(np.isfinite(values.reshape(len(values), -1)).all(axis=1))


def _unusable(spec: ModelSpec, partition: PartitionFile, rows: Indices) -> UnusableFeatures:
    """What is wrong with rows whose features are not finite: a null, if they have one, or else an absurd number."""
    digest = partition.digest[:12]
    received, why = f"{len(rows):,} rows of partition {digest}", "the base makes features of them that are not finite"
    recall = f'`evergreen partitions recall {spec.name} {digest} --reason "..."` leaves the partition out'
    inputs = read_inputs(spec.schema, partition, rows)
    numbers = (*spec.schema.numeric, *spec.schema.tensors)
    nulls = {name: int((~finite_rows(inputs[name])).sum()) for name in numbers}
    column = max(nulls, key=lambda name: nulls[name], default="")
    if column and nulls[column]:
        why += f": column '{column}' is null in {nulls[column]:,} of them, and the base does not impute it"
        fix = f"impute '{column}' in build_base and train anew, with finetune=FromScratch(); or {recall}"
        return UnusableFeatures(received, why, fix)
    absurd = find_absurd(spec.schema, [partition])
    why += f": {absurd.rows:,} have absurd values in column '{absurd.column}'" if absurd else ""
    return UnusableFeatures(received, why, f"{recall}; give the column a range in the schema")


def refuse_hidden_nulls(spec: ModelSpec, model: keras.Model, few: Columns) -> None:
    """See that the base imputes each nullable number, before a training begins.

    Args:
        spec: the model.
        model: base and head, just built.
        few: some rows.

    Raises:
        InvalidSpec: the base leaves a column as it is.
    """
    if lost := not_imputed(spec.schema, spec.objective, model, few):
        raise InvalidSpec(
            f"nullable columns {lost}",
            "the base does not impute them: a row without a value makes features or weights that are not finite",
            "impute them in build_base, as `keras.ops.nan_to_num(x)` behind a Normalization does; or take them out of "
            "Schema.nullable, so that such rows are refused when they arrive",
        )


def not_imputed(schema: Schema, objective: Objective, model: keras.Model, few: Columns) -> list[str]:
    """The nullable numbers of which a null makes predictions, or gradients, that are not finite.

    A null is NaN. Where a relu follows, it may be hidden from every prediction; but not from the gradients, and the
    first step that meets one makes the weights NaN.
    """
    nullable = [name for name in schema.nullable if name not in schema.strings]
    if not nullable:
        return []
    whole = {name: _without_nulls(values) if name in nullable else values for name, values in few.items()}
    if _passes(model, whole, nullable, objective):
        return []
    if not _passes(model, whole, [], objective):  # it fails for another reason, which the training will find
        return []
    return [name for name in nullable if not _passes(model, whole, [name], objective)] or nullable


def _passes(model: keras.Model, few: Columns, nulls: Sequence[str], objective: Objective) -> bool:
    """Whether predictions and gradients are finite, of rows in which these columns are null every second time."""
    import tensorflow as tf

    rows = {name: tf.constant(_every_second_null(few[name]) if name in nulls else few[name]) for name in few}
    target, loss = tf.zeros((len(next(iter(few.values()))), objective.label_count)), mean_loss(objective)
    weights = [weight.value for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        answers = model(rows, training=False)
        value = loss(target, answers)
    gradients = [tf.convert_to_tensor(one) for one in tape.gradient(value, weights) if one is not None]
    return all(bool(tf.reduce_all(tf.math.is_finite(one))) for one in (answers, *gradients))


def _without_nulls(values: np.ndarray) -> np.ndarray:
    """The same rows, with a value that others have in place of each null."""
    there = values[~np.isnan(values)]
    return np.where(np.isnan(values), there[0] if len(there) else values.dtype.type(0), values)


def _every_second_null(values: np.ndarray) -> np.ndarray:
    nulls = values.copy()
    nulls[::2] = np.nan
    return nulls
