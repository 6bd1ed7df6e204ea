"""What a Keras model *is*: a digest over its weights and structure.

A `.keras` file's own bytes do not tell: they carry the date of saving, and automatic layer names (`dense_3`)
depend on what the process built before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# Parts of a config that say how a model was built, not what it computes.
INCIDENTAL = {"name", "build_config", "compile_config", "trainable", "seed", "vocabulary", "vocabulary_size"}
PRECISION = "DTypePolicy"
UNUSUAL = {"mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"}


def model_digest(model: keras.Model) -> str:
    """SHA-256 over structure, look-up tables and weights; the same after saving and loading, in any process."""
    digest = hashlib.sha256(json.dumps(structure(model), sort_keys=True, default=str).encode())
    for layer in flat_layers(model):
        if hasattr(layer, "get_vocabulary"):
            digest.update(json.dumps([str(word) for word in layer.get_vocabulary()]).encode())
    digest.update(weights_digest(model.weights).encode())
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """SHA-256 over a value as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def weights_digest(weights: Iterable[Any]) -> str:
    """SHA-256 over shapes, types and bytes of the weights, in order."""
    digest = hashlib.sha256()
    for weight in weights:
        value = weight.numpy()
        digest.update(f"{value.dtype} {value.shape} ".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def structure(model: keras.Model) -> Any:
    """The model's config without what is incidental, layers named by their place instead of their name."""
    return _normal(model.get_config(), _places(model))


def own_config(layer: keras.Layer) -> Any:
    """A layer's config without what is incidental, just as it says it: no word of it is taken for another's name."""
    return _normal(layer.get_config(), {})


def flat_layers(model: keras.Model) -> list[keras.Layer]:
    """Every layer of a model, those of nested models too, in building order."""
    found = []
    for layer in model.layers:
        found.append(layer)
        if getattr(layer, "layers", None):
            found += flat_layers(layer)
    return found


def _places(model: keras.Model) -> dict[str, str]:
    """Layer name to place. Input layers keep theirs: they are the names of the columns."""
    import keras

    return {
        layer.name: f"layer {place}"
        for place, layer in enumerate(flat_layers(model))
        if not isinstance(layer, keras.layers.InputLayer)
    }


def _normal(config: Any, places: dict[str, str]) -> Any:
    if isinstance(config, dict):
        kept = {key: _normal(value, places) for key, value in config.items() if key not in INCIDENTAL}
        # A precision's name says how a layer computes. The usual one is left out, and so are the integers that some
        # layers give (`Hashing`): digests of old versions have none.
        if config.get("class_name") == PRECISION and (name := config["config"]["name"]) in UNUSUAL:
            kept["config"]["name"] = name
        return kept
    if isinstance(config, list | tuple):
        return [_normal(value, places) for value in config]
    return places.get(config, config) if isinstance(config, str) else config
