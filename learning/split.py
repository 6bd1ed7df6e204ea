"""An existing Keras model, cut at a layer into the base and the head of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from errors import CannotSplit
from learning.keras_private import is_graph

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
    if not is_graph(model):
        raise CannotSplit(
            f"a {type(model).__name__}", "its graph is hidden in call()", "build it with the Functional API"
        )
    names = [one.name for one in model.layers]
    if layer not in names:
        raise CannotSplit(f"layer '{layer}'", "the model has none of this name", f"choose from {', '.join(names)}")
    if len(model.outputs) != 1:
        raise CannotSplit(f"{len(model.outputs)} outputs", "a head has one", "make a model of the output you want")
    crossing = crossing_layers(model, layer)
    if crossing:
        raise CannotSplit(
            f"layer '{layer}'",
            f"data passes by it, into {', '.join(crossing)}",
            "cut at a layer that everything passes through, or concatenate what must pass",
        )
    cut = model.get_layer(layer).output
    base = keras.Model({tensor.name: tensor for tensor in model.inputs}, cut, name="base")
    head = keras.Model(cut, model.outputs[0], name="head")
    return base, head


def as_graph(model: keras.Model) -> keras.Model:
    """A Sequential model as the same layers that take a column by its name; any other model as it is."""
    import keras

    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model({tensor.name: tensor for tensor in model.inputs}, model.outputs[0], name=model.name)


def crossing_layers(model: keras.Model, layer: str) -> list[str]:
    """Layers behind the cut that also take what was made before it; none where the graph can be cut there."""
    import keras

    config = model.get_config()
    makers = {part["name"]: _histories(part["inbound_nodes"]) for part in config["layers"]}
    last = keras.tree.flatten(config["output_layers"])[0]  # (name, call, output) of the only one
    before = _ancestors(layer, makers) | {layer}
    needed = _ancestors(last, makers) | {last}
    return [name for name in makers if name in needed - before and any(m in before - {layer} for m in makers[name])]


def _histories(node: Any) -> list[str]:
    """The layer names in serialised calls: every Keras tensor says which layer made it."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            return [node["config"]["keras_history"][0]]
        return [name for value in node.values() for name in _histories(value)]
    if isinstance(node, list | tuple):
        return [name for value in node for name in _histories(value)]
    return []


def _ancestors(layer: str, makers: dict[str, list[str]]) -> set[str]:
    """Names of all layers whose outputs reach a layer; `makers` gives those that reach it directly."""
    found: set[str] = set()
    waiting = list(makers[layer])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += makers[name]
    return found
