"""Low-rank adapters: a stage learns few numbers beside large weights, and what they learned is merged into them.

Hu et al., "LoRA: low-rank adaptation of large language models" (2022), by Keras' own `enable_lora`. Keras saves a model
with adapters as one that has them; a version is to be a plain one, so a copy learns, and its weights are carried over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import InvalidSpec
from evergreen_client.model_files import load_model
from evergreen_client.shown import gist
from learning.keras_private import layers_within

if TYPE_CHECKING:
    import keras

    from learning.plans import Stage

ADDED = "lora_"  # begins the names of an adapter's weights
ADAPTED = {"Dense": "kernel", "EinsumDense": "kernel", "Embedding": "embeddings"}  # the weight of each that is adapted


def adaptable(layers: Iterable[keras.Layer]) -> list[keras.Layer]:
    """The layers, and those within them, that can have an adapter."""
    import keras

    kinds = tuple(getattr(keras.layers, name) for name in ADAPTED)
    found = {id(inner): inner for layer in layers for inner in layers_within(layer) if isinstance(inner, kinds)}
    return list(found.values())


def refuse_unadaptable(stage: Stage, layers: Sequence[keras.Layer]) -> None:
    """See that a stage with adapters has a layer for one.

    Raises:
        InvalidSpec: it has not.
    """
    if stage.lora_rank and not adaptable(layers):
        names = ", ".join(layer.name for layer in layers)
        raise InvalidSpec(
            f"lora_rank={stage.lora_rank} of stage '{stage.name}'",
            f"none of its layers ({names}) is {' or '.join(ADAPTED)}",
            "leave lora_rank out, or thaw a layer of such a kind",
        )


def copy_of(model: keras.Model, path: Path) -> keras.Model:
    """The same model once more, by way of a file, as every part of a version can be saved and loaded."""
    model.save(path)
    copy = load_model(path)
    path.unlink()
    return copy


def adapt(stage: Stage, layers: Sequence[keras.Layer]) -> None:
    """Give each layer that can have one an adapter of the stage's rank; what is beside the adapted weights learns too.

    Raises:
        InvalidSpec: there is no such layer, or Keras refuses one, as with a constraint on its weights.
    """
    refuse_unadaptable(stage, layers)
    for layer in adaptable(layers):
        if layer.trainable:
            try:
                layer.enable_lora(stage.lora_rank)
            except ValueError as error:
                raise InvalidSpec(
                    f"lora_rank={stage.lora_rank} of stage '{stage.name}'",
                    f"layer '{layer.name}' takes no adapter ({gist(error)})",
                    "leave lora_rank out, or thaw other layers",
                ) from error


def merge(adapted: keras.Model, plain: keras.Model) -> None:
    """Carry weights over to the same model without adapters, each merged into the weight that it adapts."""
    merged = {id(_weight(layer)): getattr(layer, _name(layer)) for layer in adaptable([adapted]) if layer.lora_enabled}
    learned = [weight for weight in adapted.weights if not weight.name.startswith(ADDED)]
    for own, weight in zip(plain.weights, learned, strict=True):
        value = np.asarray(merged.get(id(weight), weight))
        if not np.array_equal(value, np.asarray(own)):  # an adapter that learned nothing leaves every bit
            own.assign(value)


def _weight(layer: keras.Layer) -> Any:
    """The variable that an adapter stands beside: Keras gives the merged value by its name."""
    return next(weight for weight in layer.weights if weight.name == _name(layer))


def _name(layer: keras.Layer) -> str:
    import keras

    return next(weight for kind, weight in ADAPTED.items() if isinstance(layer, getattr(keras.layers, kind)))
