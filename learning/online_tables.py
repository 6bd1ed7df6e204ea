"""A spec of rows for which nobody wrote a model's file: their columns, and a small head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from learning.objectives import Binary, Multiclass, Objective
from learning.regression import Regression
from learning.schema import Schema
from learning.source import Source
from learning.spec import ModelSpec

if TYPE_CHECKING:
    import keras

HIDDEN = 64


class Table:
    """Columns of any names as those of a schema, in which some letters are not allowed.

    Args:
        row: the first one says what is there: a text, or a truth, is a word of a category, and all else a number.
        objective: what is predicted.

    Example:
        >>> table = Table({"age": 31, "home/town": "Rome"}, Regression())
        >>> table.row({"age": 32, "home/town": "Oslo", "new": 1})
        {'c0': 32, 'c1': 'Oslo'}
    """

    def __init__(self, row: Mapping[Any, Any], objective: Objective) -> None:
        self.names = {name: f"c{place}" for place, name in enumerate(row)}
        words = [self.names[name] for name, value in row.items() if isinstance(value, str | bool)]
        numbers = [name for name in self.names.values() if name not in words]
        self.spec = spec_of(numbers, words, objective)

    def row(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        """A row with the schema's names; columns that the first one did not have are left out."""
        return {own: row[name] for name, own in self.names.items() if name in row}


def spec_of(numbers: Sequence[str], words: Sequence[str], objective: Objective) -> ModelSpec:
    """A spec of these columns, every one of which may be missing."""

    def no_base(_sample: Any) -> keras.Model:
        raise NotImplementedError  # a cold start has features of its own

    schema = Schema(
        time=None,
        key=("row",),
        target="target",
        numeric=tuple(numbers),
        categorical=tuple(words),
        nullable=(*numbers, *words),
    )
    return ModelSpec("online", schema, objective, Source(path="online"), no_base, lambda shape: head(shape, objective))


def head(features: tuple[int, ...], objective: Objective) -> keras.Model:
    """Two that answer: one with a hidden layer, and one without, which knows less and learns it from fewer rows."""
    from keras import Input, Model, layers

    outputs = objective.class_count if isinstance(objective, Multiclass) else 1
    ends: dict[type, str | None] = {Multiclass: "softmax", Binary: "sigmoid", Regression: None}
    asked = Input(features)
    hidden = layers.Dense(HIDDEN, activation="relu")(asked)
    end = ends[type(objective)]
    return Model(asked, [layers.Dense(outputs, activation=end)(one) for one in (hidden, asked)])
