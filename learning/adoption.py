"""A model that was trained elsewhere becomes version 1: the very weights, as a base and a head that take columns."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import CannotAdopt, InvalidSpec
from evergreen_client.model_files import load_model
from learning.assembly import assemble
from learning.built import build
from learning.data import Columns, PartitionFile, read_inputs
from learning.existing import ModelInput, inputs_of
from learning.files import ModelFiles, Trained
from learning.finite import not_imputed
from learning.graph import graph_of, has_graph, output_names
from learning.schema import Schema
from learning.split import INPUTS, cut_of, head_behind

if TYPE_CHECKING:
    from datetime import datetime

    import keras

    from learning.objectives import Objective
    from learning.spec import ModelSpec

COMPARED_ROWS = 256
KIND = "Adopted"  # of a version's plan


@dataclass(frozen=True)
class Adopted:
    """A saved model, cut in two, and the columns that fill its inputs.

    Args:
        file: the `.keras` file, kept beside the model's own file.
        schema: the columns.
        at: name of the base's last layer; "inputs": the base passes rows through, the head is the whole model.
        inputs: name of an input to the columns that fill it, one after the other; one that is not named here is
            filled by the column of its own name.
        output: name of the output that is kept fresh, where the model has several; or the names of those that are, in
            the order of the objective's.
    """

    file: Path
    schema: Schema
    at: str = INPUTS
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output: str | tuple[str, ...] = ""

    def base(self) -> keras.Model:
        """From a dict of columns to features.

        Raises:
            CannotAdopt: text would have to pass through the base as it is.
        """
        import keras

        model, columns = self._load(), self._columns()
        filled = [self._filled(one, columns) for one in inputs_of(model)]
        if self.at != INPUTS:
            graph = graph_of(model, self.output)
            features = graph.run(graph.inputs, [cast(x, one) for x, one in filled], cut_of(graph, self.at))
        elif any(one.dtype == "string" for _, one in filled):
            why = "the whole model would have to learn, and features are numbers"
            raise CannotAdopt("an input of text", why, "cut behind the layers that look words up: --at LAYER")
        elif len(filled) == 1:
            features = filled[0][0]
        else:
            features = keras.layers.Concatenate()([keras.layers.Reshape((-1,))(x) for x, _ in filled])
        if any(features is x for x in columns.values()):
            features = keras.layers.Identity()(features)
        return keras.Model(columns, features, name="base")

    def head(self) -> keras.Model:
        """From features to predictions."""
        import keras

        model = self._load()
        if self.at != INPUTS:
            graph = graph_of(model, self.output)
            return head_behind(graph, cut_of(graph, self.at))
        columns = self._columns()
        filled = [self._filled(one, columns) for one in inputs_of(model)]
        shapes = [tuple(x.shape[1:]) for x, _ in filled]
        if len(filled) == 1:
            features = keras.Input(shapes[0], name="features")
            parts = [features]
        else:
            sizes = [prod(shape) for shape in shapes]
            features = keras.Input((sum(sizes),), name="features")
            pieces = keras.ops.split(features, np.cumsum(sizes)[:-1].tolist(), axis=1)
            parts = [keras.layers.Reshape(shape)(piece) for piece, shape in zip(pieces, shapes, strict=True)]
        values = [cast(x, one) for x, (_, one) in zip(parts, filled, strict=True)]
        return keras.Model(features, called(model, values, self.output), name="head")

    def answers(self, rows: Columns) -> np.ndarray:
        """What the saved model itself says of some rows: no part of it was cut, and no layer of ours is before it."""
        import keras

        model = self._load()
        values = []
        for one in inputs_of(model):
            names = self.inputs.get(one.name, (one.name,))
            shape = self._shape(one, names)
            parts = [rows[name].reshape(len(rows[name]), -1) for name in names]
            values.append(np.concatenate(parts, axis=1).reshape(-1, *shape))
        given = [fed(value, one) for value, one in zip(values, inputs_of(model), strict=True)]
        if not has_graph(model):
            return np.asarray(called(model, given))
        alone = isinstance(model, keras.Sequential)
        said = keras.tree.flatten(model(given[0] if alone else keras.tree.pack_sequence_as(model.input, given)))
        if isinstance(self.output, str):
            return np.asarray(said[output_names(model).index(self.output) if self.output else 0])
        parts = [np.asarray(said[output_names(model).index(name)]) for name in self.output]
        return np.concatenate([part.astype("float32") for part in parts], axis=-1)

    def not_imputed(self, objective: Objective, rows: Columns) -> list[str]:
        """The nullable numbers that the model cannot do without; a null would make its weights NaN."""
        if not set(self.schema.nullable) & set(self.schema.numeric):
            return []
        return not_imputed(self.schema, objective, assemble(self.base(), self.head(), frozen=False), rows)

    def _load(self) -> keras.Model:
        return load_model(self.file)

    def _columns(self) -> dict[str, Any]:
        """The base's inputs: one for each column."""
        import keras

        schema = self.schema
        columns = {name: keras.Input((1,), name=name) for name in schema.numeric}
        columns |= {name: keras.Input((1,), name=name, dtype="string") for name in schema.strings}
        shapes = {**schema.tensors, **{name: media.shape for name, media in schema.files.items()}}
        return columns | {name: keras.Input(shape, name=name) for name, shape in shapes.items()}

    def _filled(self, one: ModelInput, columns: Mapping[str, Any]) -> tuple[Any, ModelInput]:
        """An input, of the shape that the model takes, made of its columns; numbers are float32 still."""
        import keras

        names = self.inputs.get(one.name, (one.name,))
        if unknown := [name for name in names if name not in columns]:
            raise InvalidSpec(f"input {one}", f"it wants the columns {unknown}", f"choose from {sorted(columns)}")
        parts = [columns[name] for name in names]
        whole = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
        shape = self._shape(one, names)
        return (whole if tuple(whole.shape[1:]) == shape else keras.layers.Reshape(shape)(whole)), one

    def _shape(self, one: ModelInput, names: Sequence[str]) -> tuple[int, ...]:
        """The shape of an input; where the model takes any length, the columns say which it is."""
        if None not in one.shape:
            return tuple(int(size or 0) for size in one.shape)
        if len(names) == 1 and names[0] in self.schema.tensors:
            return tuple(self.schema.tensors[names[0]])
        fixed = prod(size for size in one.shape if size)
        return tuple(len(names) // fixed if size is None else size for size in one.shape)


def cast(value: Any, one: ModelInput) -> Any:
    """A Keras tensor as the type that an input takes."""
    import keras

    return value if value.dtype == one.dtype else keras.ops.cast(value, one.dtype)


def fed(value: np.ndarray, one: ModelInput) -> Any:
    """An array as a user of the model would give it."""
    import tensorflow as tf

    return tf.constant(value) if one.dtype == "string" else tf.cast(tf.constant(value), one.dtype)


def called(model: keras.Model, values: Sequence[Any], output: str | tuple[str, ...] = "") -> Any:
    """A model's one output, of values for its inputs in order."""
    if has_graph(model):
        graph = graph_of(model, output)
        return graph.run(graph.inputs, values, graph.output)
    names = [one.name for one in inputs_of(model)]
    shape = (model.get_build_config() or {}).get("input_shape")
    return model(dict(zip(names, values, strict=True)) if isinstance(shape, dict) else values[0])


def adopted_in(spec: ModelSpec) -> Adopted:
    """The saved model that a model's file names as `adopted`.

    Raises:
        InvalidSpec: it names none.
    """
    found = getattr(inspect.getmodule(spec.build_base), "adopted", None)
    if not isinstance(found, Adopted):
        raise InvalidSpec(
            f"model '{spec.name}'", "its file defines no `adopted`", "`evergreen adopt` writes such a file"
        )
    wanted, given = getattr(spec.objective, "output_names", None), found.output
    if wanted and given != wanted:
        raise InvalidSpec(
            f"Adopted(output={given!r})", f"the objective is of {wanted!r}", "name the same, in one order"
        )
    return found


def adopt(spec: ModelSpec, known: Sequence[PartitionFile], *, work: Path, trained_before: datetime) -> Trained:
    """A saved model as base and head, in files; nothing is trained.

    Args:
        spec: the model; its builders give the parts of the saved one.
        known: partitions whose rows it is taken to have learned from.
        work: folder for the two files.
        trained_before: rows before this time count as learned, held out or not: none of them may judge a version.

    Raises:
        InvalidSpec: base and head do not fit the schema, the objective, or each other.
        CannotAdopt: there are no rows to compare answers on, or head(base(row)) is not the saved model's answer.
    """
    adopted, rows = adopted_in(spec), first_rows(spec.schema, known)
    work.mkdir(parents=True, exist_ok=True)
    files = build(spec, rows, work)
    refuse_other_answers(adopted, files, rows)
    base, head = load_model(files.base), load_model(files.head)
    plan = {
        "kind": KIND,
        "file": adopted.file.name,
        "at": adopted.at,
        "output": adopted.output if isinstance(adopted.output, str) else list(adopted.output),
        "trained_before": trained_before.isoformat(),
    }
    parts = f"{base.count_params():,} weights in the base and {head.count_params():,} in the head"
    reason = (
        f"adopted from {adopted.file.name}, trained elsewhere: cut at '{adopted.at}', {parts}; taken to have learned "
        f"all rows before {trained_before:%Y-%m-%d %H:%M:%S} UTC"
    )
    return Trained(files, (), (), plan, reason, {})


def first_rows(schema: Schema, known: Sequence[PartitionFile]) -> Columns:
    """Some rows to compare answers on."""
    for partition in known:
        columns = read_inputs(schema, partition)
        if len(next(iter(columns.values()))):
            return {name: values[:COMPARED_ROWS] for name, values in columns.items()}
    raise CannotAdopt(
        "no row that the model has learned",
        "drift checks, replay and the comparison of answers need some",
        "give a file with rows that it was trained on, or a later --trained-until; a file with rows from both sides of "
        "that date is divided when it lands, so let it lie outside of the landing folder",
    )


def refuse_other_answers(adopted: Adopted, files: ModelFiles, rows: Columns) -> None:
    """See that head(base(row)), loaded from the files, is the saved model to the last bit."""
    import tensorflow as tf

    base, head = load_model(files.base), load_model(files.head)
    columns = {name: tf.constant(values) for name, values in rows.items()}
    said, wanted = np.asarray(head(base(columns))), adopted.answers(rows)
    if said.shape == wanted.shape and said.tobytes() == wanted.tobytes():
        return
    off = np.abs(said.astype("float64") - wanted.astype("float64")).max() if said.shape == wanted.shape else np.nan
    raise CannotAdopt(
        f"{adopted.file.name}, cut at '{adopted.at}'",
        f"base and head answer otherwise than the saved model (by up to {off:.3g})",
        f"cut at another layer; where a mask passes the cut, before the layer that makes it, or at '{INPUTS}'",
    )
