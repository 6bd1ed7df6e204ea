"""Heads that predict: loaded once however many steps of a run ask the same one, and traced once for all alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen_client.batches import in_batches
from evergreen_client.model_files import load_model
from learning.alike import graph_digest
from learning.checkpoint import Arrays, assign, values_of

if TYPE_CHECKING:
    import keras

    from evergreen_client.batches import Forward
    from learning.files import ModelFiles

LEAST, MOST = 2, 8  # a champion's and a challenger's in any case; those that past eras are judged by, where they fit
BYTES = 32 * 2**20  # of the weights of those that are kept


class _Graph:
    """A model and its graph, which predicts with the weights of whichever head is asked.

    To trace one takes longer than to predict with it, and the heads of a champion and its challengers differ in weights
    alone.
    """

    def __init__(self, key: str | None, model: keras.Model) -> None:
        self.key, self._model = key, model
        self._forward = in_batches(model, signature=_signature(model))
        self._held: Arrays | None = None
        self._one_at_a_time = Lock()

    def predict(self, values: Arrays, rows: Any) -> Any:
        """What the head with these weights says of some rows."""
        with self._one_at_a_time:
            if self._held is not values:
                assign(self._model.variables, values)
                self._held = values
            return self._forward(rows)


@dataclass(frozen=True)
class _Head:
    digest: str
    graph: _Graph
    values: Arrays

    def forward(self, rows: Any) -> Any:
        return self.graph.predict(self.values, rows)


_newest: list[_Head] = []


def head_of(files: ModelFiles) -> Forward:
    """A function from features to a version's predictions; the very same one if it was asked for lately."""
    found = next((one for one in _newest if one.digest == files.head_digest), None)
    if found is None:
        model = load_model(files.head)
        key = graph_digest(model)
        found = _Head(files.head_digest, _alike(key) or _Graph(key, model), values_of(model.variables))
    _remember(found)
    return found.forward


def remember_head(model: keras.Model, digest: str) -> None:
    """Keep what a head weighs that was just trained, as it is asked next: to build it from its file takes longer.

    Only where a graph is there that does for it, since the model itself may learn on.
    """
    if graph := _alike(graph_digest(model)):
        _remember(_Head(digest, graph, values_of(model.variables)))


def _alike(key: str | None) -> _Graph | None:
    """A graph that does for every head of this key."""
    return next((one.graph for one in _newest if key is not None and one.graph.key == key), None)


def _remember(head: _Head) -> None:
    _newest[:] = _kept([head, *(one for one in _newest if one.digest != head.digest)])


def _kept(heads: list[_Head]) -> list[_Head]:
    """Those of the newest that fit, and two in any case."""
    sizes = np.cumsum([sum(array.nbytes for array in one.values) for one in heads])
    return heads[: min(MOST, max(LEAST, int((sizes <= BYTES).sum())))]


def _signature(model: Any) -> Any:
    """Shape and type of the features, for any number of rows; None where the model does not say."""
    import tensorflow as tf

    inputs: Sequence[Any] = getattr(model, "inputs", None) or ()
    return [tf.TensorSpec([None, *inputs[0].shape[1:]], "float32")] if len(inputs) == 1 else None
