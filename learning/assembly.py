"""Base and head put together as one Keras model, with exactly the wanted layers learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from errors import InvalidSpec, did_you_mean

if TYPE_CHECKING:
    import keras

EVERY_LAYER = "*"  # in place of a layer's name


def assemble(base: keras.Model, head: keras.Model, *, frozen: bool, augment: keras.Model | None = None) -> keras.Model:
    """The model head(base(row)), or head(base(augment(row))).

    Args:
        base: raw columns in, features out.
        head: features in, predictions out.
        augment: raw columns in and out, at random while training.
        frozen: run the base in inference mode even while training, so that BatchNorm statistics and dropout of
            the base stay out of it, thawed layers included.
    """
    import keras

    class Version(keras.Model):  # type: ignore[misc]
        """A subclass, because a Functional model hands its own `training` to nested ones (Keras 3.15)."""

        def __init__(self) -> None:
            super().__init__(name="version")
            self.base, self.head, self.augment = base, head, augment

        def call(self, inputs: Any, training: bool = False) -> Any:
            rows = inputs if augment is None else augment(inputs, training=training)
            return head(base(rows, training=training and not frozen), training=training)

    return Version()


def freeze_except(base: keras.Model, thaw: Sequence[str]) -> list[keras.Layer]:
    """Freeze all layers of a base but the named ones, which are given back.

    Raises:
        InvalidSpec: the base has no layer of such a name.
    """
    base.trainable = True
    thawed = named_layers(base, thaw)
    for layer in base.layers:
        layer.trainable = layer in thawed
    return thawed


def named_layers(base: keras.Model, names: Sequence[str]) -> list[keras.Layer]:
    """The layers that a stage thaws.

    Raises:
        InvalidSpec: the base has no layer of such a name, or one that has nothing to learn.
    """
    known = [layer.name for layer in base.layers]
    if EVERY_LAYER in names:
        return list(base.layers)
    for name in names:
        if name not in known:
            fix = f"{did_you_mean(name, known)}it has {', '.join(known)}"
            raise InvalidSpec(f"thaw=('{name}',)", "the base has no such layer", fix)
        if not base.get_layer(name).trainable_weights:
            why = f"a {type(base.get_layer(name)).__name__} has no weights that learn"
            fix = "FineTune(readapt=True) lets vocabularies and scales follow the rows; else leave it out"
            raise InvalidSpec(f"thaw=('{name}',)", why, fix)
    return [layer for layer in base.layers if layer.name in names]


def weights_outside(base: keras.Model, thawed: Sequence[keras.Layer]) -> list[Any]:
    """Weights that must not change: all of the layers that are not thawed, and statistics of those that are."""
    learning = {id(weight) for layer in thawed for weight in layer.trainable_weights}
    return [weight for weight in base.weights if id(weight) not in learning]
