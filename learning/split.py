"""An existing Keras model, cut at a layer into the base and the head of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import CannotSplit

if TYPE_CHECKING:
    import keras


def split_at(model: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Cut a Functional or Sequential model behind a layer; head(base(row)) is the model, sharing its weights.

    Args:
        model: one output; its inputs bear the names of the schema's columns.
        layer: name of the last layer of the base.

    Raises:
        CannotSplit: the model is no graph of layers, has no such layer, or data passes by the layer.

    Example:
        >>> from keras import Input, Sequential, layers
        >>> whole = Sequential([Input((4,), name="pixels"), layers.Dense(3, name="features"), layers.Dense(1)])
        >>> base, head = split_at(whole, "features")
        >>> base.output_shape, head.output_shape
        ((None, 3), (None, 1))
    """
    import keras

    model = as_graph(model)
    if not hasattr(model, "operations"):  # which a graph of layers has, and a subclass with a call() of its own has not
        raise CannotSplit(
            f"a {type(model).__name__}", "its graph is hidden in call()", "build it with the Functional API"
        )
    names = [one.name for one in model.layers]
    if layer not in names:
        raise CannotSplit(f"layer '{layer}'", "the model has none of this name", f"choose from {', '.join(names)}")
    if len(model.outputs) != 1:
        raise CannotSplit(f"{len(model.outputs)} outputs", "a head has one", "make a model of the output you want")
    cut = model.get_layer(layer).output
    base = keras.Model({tensor.name: tensor for tensor in model.inputs}, cut, name="base")
    try:
        head = keras.Model(cut, model.outputs[0], name="head")
    except ValueError as error:
        raise CannotSplit(
            f"layer '{layer}'",
            f"data passes by it, into {', '.join(_crossing(model, base))}",
            "cut at a layer that everything passes through, or concatenate what must pass",
        ) from error
    return base, head


def as_graph(model: keras.Model) -> keras.Model:
    """A Sequential model as the same layers that take a column by its name; any other model as it is."""
    import keras

    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model({tensor.name: tensor for tensor in model.inputs}, model.outputs[0], name=model.name)


def _crossing(model: keras.Model, base: keras.Model) -> list[str]:
    """Layers behind the cut that cannot be computed from it and from the layers behind it alone."""
    import keras

    crossing, known = [], list(base.outputs)
    for layer in (layer for layer in model.operations if layer not in base.operations):
        try:
            keras.Model(known, layer.output)
        except ValueError:
            crossing.append(layer.name)
        known.append(layer.output)
    return crossing
