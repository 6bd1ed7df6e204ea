"""A loaded version, ready to answer: raw columns in, predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from errors import SchemaMismatch
from learning.assembly import assemble
from learning.inference import in_batches

if TYPE_CHECKING:
    import keras


class Predictor:
    """A base and a head as one traced function; what their layers make needs no more memory for more rows.

    Args:
        base: raw columns in, features out.
        head: features in, predictions out.
    """

    def __init__(self, base: keras.Model, head: keras.Model) -> None:
        self.base, self.head = base, head
        self._answer = in_batches(assemble(base, head, frozen=True))

    def __call__(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Predictions for some rows, shape (rows, outputs).

        Args:
            columns: name to one value per row, as a list or an array; further columns are left alone.

        Raises:
            SchemaMismatch: an input column is missing, or holds something else than the model takes.
        """
        import tensorflow as tf

        inputs = self.base.inputs
        missing = [tensor.name for tensor in inputs if tensor.name not in columns]
        if missing:
            raise SchemaMismatch(
                f"rows with the columns {', '.join(map(str, columns)) or '(none)'}",
                f"the model also takes {', '.join(missing)}",
                "give every input of its Schema, and None where a value is not known",
            )
        rows = {tensor.name: _values(tensor, columns[tensor.name]) for tensor in inputs}
        counts = {name: len(values) for name, values in rows.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise SchemaMismatch(
                f"columns with {told}", "they are not of the same rows", "give each a value for every row"
            )
        return np.asarray(self._answer(tf.nest.map_structure(tf.constant, rows)))


def _values(tensor: keras.KerasTensor, column: Any) -> NDArray[Any]:
    """A column as the base takes it, shape (rows, *shape)."""
    try:
        values = as_text(column) if tensor.dtype == "string" else np.asarray(column, dtype=tensor.dtype)
        return values.reshape(len(column) if np.ndim(column) else 1, *tensor.shape[1:])
    except (ValueError, TypeError) as error:
        shape = "one value" if tensor.shape[1:] == (1,) else f"an array of shape {tensor.shape[1:]}"
        raise SchemaMismatch(f"column '{tensor.name}'", str(error), f"give {shape} of {tensor.dtype} a row") from error


def as_text(values: Any) -> NDArray[np.object_]:
    """Categories as they are trained on: what is missing is empty, numbers and flags are written out."""
    return np.array([_text(value) for value in np.asarray(values, dtype="object").ravel()], dtype="object")


def _text(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is not equal to itself
        return ""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
