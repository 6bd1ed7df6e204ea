"""A loaded version, ready to answer: raw columns in, predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


class Predictor:
    """A base and a head as one traced function.

    Args:
        base: raw columns in, features out.
        head: features in, predictions out.
    """

    def __init__(self, base: keras.Model, head: keras.Model) -> None:
        import tensorflow as tf

        self.base, self.head = base, head
        self._answer = tf.function(lambda rows: head(base(rows, training=False), training=False), reduce_retracing=True)

    def __call__(self, columns: Mapping[str, Any]) -> NDArray[np.float32]:
        """Predictions for some rows, shape (rows, outputs).

        Args:
            columns: name to one value per row, as a list or an array; further columns are left alone.

        Raises:
            KeyError: an input column is missing.
        """
        import tensorflow as tf

        rows = {}
        for tensor in self.base.inputs:
            kind = "object" if tensor.dtype == "string" else tensor.dtype
            column = np.asarray(columns[tensor.name], dtype=kind)
            rows[tensor.name] = tf.constant(column.reshape(-1, *tensor.shape[1:]), dtype=tensor.dtype)
        return np.asarray(self._answer(rows))
