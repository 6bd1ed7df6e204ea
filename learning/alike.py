"""Models that differ in weights alone: one graph, once traced, does for all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from learning.digests import json_digest, own_config, structure, weights_digest
from learning.keras_private import layers_within

if TYPE_CHECKING:
    import keras

KERAS = "keras."  # what its own layers' modules begin with


def graph_digest(model: keras.Model) -> str | None:
    """Digest of all that a model's graph depends on; None where another model's graph may not take its place.

    What a graph reads from variables may be assigned. Some layers make constants of it when they are loaded, as
    `Normalization` does of its mean; so weights that are not trained, which these are made of, count, and so do tables.
    Of code that is not Keras' own nobody knows.
    """
    layers = layers_within(model)
    if not is_of_keras(model):
        return None
    tables = [list(map(str, one.get_vocabulary())) for one in layers if hasattr(one, "get_vocabulary")]
    kinds = [(one.compute_dtype, one.variable_dtype) for one in layers], [one.dtype for one in model.variables]
    # In the model's config, a word that is a layer's name too, such as "relu", stands for that layer's place.
    alone = [(type(one).__name__, own_config(one)) for one in layers if not hasattr(one, "layers")]
    built = json.dumps([structure(model), alone], sort_keys=True, default=str)
    return json_digest([built, tables, kinds, weights_digest(model.non_trainable_weights)])


def is_of_keras(model: keras.Model) -> bool:
    """Whether all of a model's code is Keras' own: its layers, those in wrappers, and what they have, as an activation.

    Keras draws random numbers from seeds in variables, and nothing from TensorFlow's own generator.
    """
    layers = layers_within(model)
    operations = [one for layer in layers for one in getattr(layer, "operations", ())]  # as that of `ops.clip`
    parts = [*layers, *operations]
    return all(type(one).__module__.startswith(KERAS) for one in parts) and not any(
        _names_another(one.get_config()) for one in parts if not hasattr(one, "layers")
    )


def _names_another(config: Any) -> bool:
    """Whether a class or function in a config is somebody else's: Keras writes the module of each beside its name."""
    if isinstance(config, dict):
        named = "class_name" in config and not f"{config.get('module')}.".startswith(KERAS)
        return named or any(map(_names_another, config.values()))
    return isinstance(config, list | tuple) and any(map(_names_another, config))
