"""Models that differ in weights alone: one graph, once traced, does for all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from learning.digests import flat_layers, json_digest, structure, weights_digest

if TYPE_CHECKING:
    import keras

KERAS = "keras."  # what its own layers' modules begin with


def graph_digest(model: keras.Model) -> str | None:
    """Digest of all that a model's graph depends on; None where another model's graph may not take its place.

    What a graph reads from variables may be assigned. Some layers make constants of it when they are loaded, as
    `Normalization` does of its mean; so weights that are not trained, which these are made of, count, and so do tables.
    Of a layer that is not Keras' own nobody knows.
    """
    layers = flat_layers(model)
    if not all(type(one).__module__.startswith(KERAS) for one in (model, *layers)):
        return None
    tables = [list(map(str, one.get_vocabulary())) for one in layers if hasattr(one, "get_vocabulary")]
    kinds = [one.dtype for one in model.variables]
    built = json.dumps(structure(model), sort_keys=True, default=str)
    return json_digest([built, tables, kinds, weights_digest(model.non_trainable_weights)])
