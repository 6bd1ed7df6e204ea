"""What the rows that are kept say themselves: the labels of those that are near, nearer ones counting more.

A head takes some hundred rows to learn what a neighbour tells at once (Nadaraya and Watson 1964). How near is near
follows the rows: at the tenth neighbour a weight has fallen to an eighth of what it is in the same place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

NOWHERE = 1e9  # squared distance of a place that holds no row
UNSURE = 0.05  # rows that say nothing, so that one neighbour alone is not believed whole


def nearness(far: Any, neighbours: int) -> Any:
    """Weights of rows by their squared distances, both of shape (asked, rows)."""
    from keras import ops

    tenth = -ops.top_k(-far, neighbours)[0][:, -1:]
    known = ops.max(ops.where(far < NOWHERE, far, ops.zeros_like(far)), axis=1, keepdims=True)
    return ops.exp(-2.0 * far / (ops.minimum(tenth, known) + 1e-6))


def said_by(weights: Any, total: Any, prior: Any, outputs: int) -> Any:
    """Weighted labels as a prediction, drawn to what is said where nothing is known."""
    from keras import ops

    unsure = UNSURE * max(outputs, 2)
    return (total + unsure * prior) / (ops.sum(weights, axis=1, keepdims=True) + unsure)


def remembered(
    asked: Any, rows: NDArray[np.float32], values: NDArray[np.float32], prior: float, neighbours: int
) -> keras.KerasTensor:
    """The same in Keras' own layers, for rows that stay as they are: those of a version.

    Args:
        asked: features, a Keras tensor.
        rows: features of the kept rows, shape (rows, features).
        values: their labels as predictions, shape (rows, outputs).
        prior: what is said where nothing is known.
        neighbours: the place among the nearest by which distances are measured.
    """
    from keras import layers, ops

    cross = layers.Dense(len(rows), trainable=False, name="distances")
    answers = layers.Dense(values.shape[1], use_bias=False, trainable=False, name="answers")
    far = ops.maximum(cross(asked) + ops.sum(asked * asked, axis=1, keepdims=True), 0.0)
    weights = nearness(far, min(neighbours, len(rows)))
    total = answers(weights)
    cross.set_weights([-2 * rows.T, (rows**2).sum(axis=1)])
    answers.set_weights([values])
    return said_by(weights, total, prior, values.shape[1])
