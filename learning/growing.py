"""A model with more words in its look-ups: what it knew stays where it was, and what follows makes room.

A word that is added gets the last index. So an embedding gets one more row, the mean of the rows that are there; where
a look-up counts or marks words itself, the layer that takes these marks gets one more row of zeros: whatever the model
said of a row of known words, it still says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from errors import CannotReadapt

if TYPE_CHECKING:
    import keras

ADDED = -1  # in place of where a feature was
PASSES = {"Flatten", "Dropout", "Activation", "ReLU", "LeakyReLU", "Identity", "GaussianNoise", "NanToNum", "Clip"}
FIX = "let an Embedding or a Dense layer follow it at once; or build the base anew, with `--from-scratch`"

Places = NDArray[np.int64]


@dataclass
class Growth:
    """What has to grow in a model, found by walking through it from its inputs.

    Args:
        words: name of a look-up to the words that it gets.
        sizes: name of an embedding, or of a layer that marks codes, to how many words it has then, and had.
        rows: name of a layer that has weights for each feature to where each of its features was.
        places: tensor to where each of its features was; those that are as they were have none.
        codes: tensor that holds a look-up's codes, to how many there are then, and were.
    """

    words: Mapping[str, Sequence[Any]]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    rows: dict[str, Places] = field(default_factory=dict)
    places: dict[int, Places] = field(default_factory=dict)
    codes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def walk(self, model: keras.Model) -> Places | None:
        """Follow all that grows through a model; where each feature of its output was, if that has more of them.

        Raises:
            CannotReadapt: a layer takes what grew, and it is not known how it would grow with it.
        """
        for operation in model.operations:
            if type(operation).__name__ == "InputLayer":
                continue
            if operation.name in self.words:
                self._look_up(operation)
                continue
            taken = _tensors(operation.input)
            if any(id(one) in self.codes for one in taken):
                self._take_codes(operation, taken)
            elif any(id(one) in self.places for one in taken):
                self._take_marks(operation, taken)
        return self.places.get(id(model.outputs[0]))

    def _look_up(self, layer: keras.Layer) -> None:
        was = layer.vocabulary_size() if layer.output_mode == "int" else int(layer.output.shape[-1])
        now = max(was, layer.vocabulary_size() + len(self.words[layer.name]))
        if layer.output_mode == "int":
            self.codes[id(layer.output)] = now, was
        elif layer.output_mode in {"one_hot", "multi_hot", "count"}:
            if now > was:
                self.places[id(layer.output)] = _grown(now, was)
        else:
            raise _cannot(layer, f"output_mode '{layer.output_mode}' weighs words by how many rows had them")

    def _take_codes(self, operation: Any, taken: Sequence[Any]) -> None:
        kind, sizes = type(operation).__name__, self.codes[next(id(one) for one in taken if id(one) in self.codes)]
        if kind == "Embedding":
            self.sizes[operation.name] = max(operation.input_dim, sizes[0]), sizes[1]
        elif kind == "CategoryEncoding":
            now = max(operation.num_tokens, sizes[0])
            self.sizes[operation.name] = now, sizes[1]
            if now > operation.num_tokens:
                self.places[id(operation.output)] = _grown(now, operation.num_tokens)
        elif kind in {*PASSES, "Reshape"} and len(taken) == 1:
            self.codes[id(operation.output)] = sizes
        else:
            raise _cannot(operation, "it takes the codes of a look-up that gets more words")

    def _take_marks(self, operation: Any, taken: Sequence[Any]) -> None:
        kind, first = type(operation).__name__, taken[0]
        if kind == "Concatenate" and getattr(operation, "axis", -1) in {-1, len(first.shape) - 1}:
            self.places[id(operation.output)] = self._joined(taken)
        elif kind in PASSES and len(taken) == 1 and len(first.shape) == 2:
            self.places[id(operation.output)] = self.places[id(first)]
        elif kind in {"Dense", "BatchNormalization"}:
            self.rows[operation.name] = self.places[id(first)]
            if kind == "BatchNormalization":
                self.places[id(operation.output)] = self.places[id(first)]
        else:
            raise _cannot(operation, "it takes the marks of a look-up that gets more words")

    def _joined(self, taken: Sequence[Any]) -> Places:
        parts, start = [], 0
        for one in taken:
            width = int(one.shape[-1])
            own = self.places.get(id(one), np.arange(width))
            parts.append(np.where(own == ADDED, ADDED, own + start))
            start += width
        return np.concatenate(parts)


def grown(base: keras.Model, head: keras.Model, words: Mapping[str, Sequence[Any]]) -> tuple[keras.Model, keras.Model]:
    """A base whose look-ups have these words too, and the head that goes with it.

    Args:
        base: as it is; its layers are used again where they stay as they are.
        head: the same.
        words: name of a look-up to the words that it gets.

    Raises:
        CannotReadapt: a layer takes what grew, and it is not known how it would grow with it.
    """
    import keras

    growth = Growth(words)
    wider = growth.walk(base)
    base = _cloned(base, growth, None)
    if wider is None:
        return base, head
    taken, head = keras.Input((len(wider),)), _graph(head)
    growth = Growth({}, places={id(tensor): wider for tensor in head.inputs})
    if growth.walk(head) is not None:
        raise CannotReadapt("the head", "its predictions would be more", FIX)
    return base, _cloned(head, growth, taken)


def _graph(model: keras.Model) -> keras.Model:
    """A Sequential model as the graph of its layers; made anew, as one that was loaded holds each layer twice."""
    import keras

    if not isinstance(model, keras.Sequential):
        return model
    fresh = keras.Sequential.from_config(model.get_config())
    fresh.set_weights(model.get_weights())
    return keras.Model(fresh.inputs, fresh.outputs[0], name=model.name)


def _cloned(model: keras.Model, growth: Growth, taken: Any) -> keras.Model:
    """The same graph, in which some layers are larger."""
    import keras

    changed = {*growth.words, *growth.sizes, *growth.rows}

    def larger(layer: keras.Layer) -> keras.Layer:
        return layer.from_config(_config(layer, growth)) if layer.name in changed else layer

    given = None if taken is None else keras.tree.map_structure(lambda _: taken, model.input)
    copy = keras.models.clone_model(model, input_tensors=given, clone_function=larger)
    for layer in model.layers:
        if layer.name in {*growth.sizes, *growth.rows} and layer.weights:
            copy.get_layer(layer.name).set_weights(_weights(layer, growth))
    return copy


def _config(layer: keras.Layer, growth: Growth) -> dict[str, Any]:
    config: dict[str, Any] = layer.get_config()
    if layer.name in growth.words:
        known = layer.get_vocabulary(include_special_tokens=False)
        config |= {"vocabulary": [*known, *growth.words[layer.name]], "vocabulary_size": None}
        if config["max_tokens"]:
            config["max_tokens"] = max(config["max_tokens"], layer.vocabulary_size() + len(growth.words[layer.name]))
    for name in ("input_dim", "num_tokens"):
        if layer.name in growth.sizes and name in config:
            config[name] = growth.sizes[layer.name][0]
    return config


def _weights(layer: keras.Layer, growth: Growth) -> list[NDArray[Any]]:
    """The weights of a larger layer: those it had, where they were, and new ones that change nothing."""
    if layer.name in growth.sizes:
        (now, was), (rows,) = growth.sizes[layer.name], layer.get_weights()
        known = rows[:was]
        return [np.concatenate([known, np.repeat(known.mean(axis=0, keepdims=True), now - was, axis=0)])]
    places = growth.rows[layer.name]
    added = {"gamma": 1.0, "moving_variance": 1.0}
    found = []
    for weight in layer.weights:
        values = weight.numpy()
        if weight.name in {"kernel", "gamma", "beta", "moving_mean", "moving_variance"}:
            larger = np.full((len(places), *values.shape[1:]), added.get(weight.name, 0.0), values.dtype)
            larger[places != ADDED] = values[places[places != ADDED]]
            values = larger
        found.append(values)
    return found


def _grown(now: int, was: int) -> Places:
    return np.concatenate([np.arange(was), np.full(now - was, ADDED)])


def _tensors(taken: Any) -> list[Any]:
    return list(taken) if isinstance(taken, list | tuple) else [taken]


def _cannot(operation: Any, why: str) -> CannotReadapt:
    return CannotReadapt(f"layer '{operation.name}' ({type(operation).__name__})", why, FIX)
