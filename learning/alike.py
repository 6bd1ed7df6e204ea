"""Models that differ in weights alone: one graph, once traced, does for all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from learning.digests import json_digest, own_config, structure, weights_digest
from learning.keras_private import layers_within

if TYPE_CHECKING:
    import keras

KERAS = "keras."  # what its own layers' modules begin with


def graph_digest(model: keras.Model) -> str | None:
    """Digest of all that a model's graph depends on; None where another model's graph may not take its place.

    What a graph reads from variables may be assigned. Some layers make constants of it when they are loaded, as
    `Normalization` does of its mean; so weights that are not trained, which these are made of, count, and so do tables.
    Of a layer that is not Keras' own nobody knows, be it inside of a wrapper.
    """
    layers = layers_within(model)
    if not all(type(one).__module__.startswith(KERAS) for one in layers):
        return None
    tables = [list(map(str, one.get_vocabulary())) for one in layers if hasattr(one, "get_vocabulary")]
    kinds = [(one.compute_dtype, one.variable_dtype) for one in layers], [one.dtype for one in model.variables]
    # In the model's config, a word that is a layer's name too, such as "relu", stands for that layer's place.
    alone = [(type(one).__name__, own_config(one)) for one in layers if not hasattr(one, "layers")]
    built = json.dumps([structure(model), alone], sort_keys=True, default=str)
    return json_digest([built, tables, kinds, weights_digest(model.non_trainable_weights)])
