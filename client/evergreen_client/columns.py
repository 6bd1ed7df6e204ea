"""Raw columns, as a service has them, become what a base takes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evergreen_client.errors import SchemaMismatch
from evergreen_client.shown import gist
from evergreen_client.windows import MASK

if TYPE_CHECKING:
    import keras


def rows_for(base: keras.Model, columns: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The values of a base's inputs, each of shape (rows, *shape); columns that it does not take are left out.

    Raises:
        SchemaMismatch: an input column is missing, or holds something else than the model takes.
    """
    missing = [tensor.name for tensor in base.inputs if tensor.name not in columns]
    if missing:
        raise SchemaMismatch(
            f"rows with the columns {', '.join(map(str, columns)) or '(none)'}",
            f"the model also takes {', '.join(missing)}",
            "make them with evergreen_client.windows.last_rows"
            if MASK in missing
            else "give every input of its Schema, and None where a value is not known",
        )
    rows = {tensor.name: _values(tensor, columns[tensor.name]) for tensor in base.inputs}
    counts = {name: len(values) for name, values in rows.items()}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise SchemaMismatch(
            f"columns with {counted}", "they are not of the same rows", "give each a value for every row"
        )
    return rows


def _values(tensor: keras.KerasTensor, column: Any) -> NDArray[Any]:
    """A column as the base takes it, shape (rows, *shape)."""
    try:
        values = as_text(column) if tensor.dtype == "string" else np.asarray(column, dtype=tensor.dtype)
        return values.reshape(len(column) if np.ndim(column) else 1, *tensor.shape[1:])
    except (ValueError, TypeError) as error:
        shape = "one value" if tensor.shape[1:] == (1,) else f"an array of shape {tensor.shape[1:]}"
        raise SchemaMismatch(f"column '{tensor.name}'", gist(error), f"give {shape} of {tensor.dtype} a row") from error


def as_text(values: Any) -> NDArray[np.object_]:
    """Categories as they are trained on: what is missing is empty, numbers and flags are written out.

    Example:
        >>> as_text(["Oslo", None, 3, 3.0, True]).tolist()
        ['Oslo', '', '3', '3', 'true']
    """
    return np.array([_text(value) for value in np.asarray(values, dtype="object").ravel()], dtype="object")


def _text(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is not equal to itself
        return ""
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return format(Decimal(str(value or 0.0)), "f").removesuffix(".0")  # zero has one sign only
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
