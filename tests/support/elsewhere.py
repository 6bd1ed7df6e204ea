"""Models as people bring them: saved by plain Keras, in a process of their own mind, and loaded from the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def sequential() -> keras.Model:
    """Dense layers with dropout and normalisation, on one vector."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((3,)),
            layers.Dense(8, activation="relu", name="deep"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(4, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm2"),
            layers.Dense(1, activation="sigmoid", name="out"),
        ]
    )


def functional() -> keras.Model:
    """Two inputs that meet."""
    from keras import Input, Model, layers

    a, b = Input((2,), name="a"), Input((1,), name="b")
    rows = layers.Dense(4, activation="relu", name="deep")(layers.Concatenate(name="rows")([a, b]))
    hidden = layers.Dense(3, activation="relu", name="hidden")(rows)
    return Model([a, b], layers.Dense(1, activation="sigmoid", name="out")(layers.Dropout(0.2)(hidden)))


def backbone(name: str = "backbone") -> keras.Model:
    """A small model of images, as it would be inside another one."""
    from keras import Input, Model, layers

    image = Input((8, 8, 1))
    seen = layers.BatchNormalization()(layers.Conv2D(3, 3, activation="relu")(image))
    return Model(image, seen, name=name)


def nested() -> keras.Model:
    """Transfer learning: a model inside a model, called in inference mode, and layers behind it."""
    from keras import Input, Model, layers

    image = Input((8, 8, 1), name="pixels")
    features = layers.GlobalAveragePooling2D(name="pool")(backbone()(image, training=False))
    return Model(image, layers.Dense(3, activation="softmax", name="out")(layers.Dropout(0.2, name="drop")(features)))


def nested_in_sequential() -> keras.Model:
    """The same, as a list of layers."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((8, 8, 1), name="pixels"),
            backbone(),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def mobilenet() -> keras.Model:
    """A known architecture, flat, without its weights: it ends in a convolution, a reshape and a softmax."""
    import keras

    return keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=3, dropout=0.1)


def skip() -> keras.Model:
    """The inputs are wanted again at the very end."""
    from keras import Input, Model, layers

    x = Input((3,), name="x")
    hidden = layers.Dense(3, name="hidden")(layers.Dense(4, activation="relu", name="deep")(x))
    return Model(x, layers.Dense(1, activation="sigmoid", name="out")(layers.Concatenate(name="join")([hidden, x])))


def lstm() -> keras.Model:
    """A sequence of any length."""
    from keras import Input, Sequential, layers

    return Sequential([Input((None, 2), name="steps"), layers.LSTM(3, name="memory"), layers.Dense(1, name="out")])


def convolution() -> keras.Model:
    """An image model without a model inside."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((8, 8, 1), name="pixels"),
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(4, activation="relu", name="hidden"),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def linear() -> keras.Model:
    """One layer that learned, behind a normalisation."""
    from keras import Input, Sequential, layers

    scale = layers.Normalization(name="scale", mean=1.0, variance=4.0)
    return Sequential([Input((3,), name="x"), scale, layers.Dense(1, name="out")])


def two_outputs() -> keras.Model:
    """A chance and an amount."""
    from keras import Input, Model, layers

    x = Input((3,), name="x")
    hidden = layers.Dense(4, activation="relu", name="hidden")(x)
    chance = layers.Dense(1, activation="sigmoid", name="chance")(hidden)
    return Model(x, [chance, layers.Dense(1, name="amount")(hidden)])


ROWS: dict[Callable[[], Any], dict[str, tuple[int, ...]]] = {
    sequential: {"": (3,)},
    functional: {"a": (2,), "b": (1,)},
    nested: {"pixels": (8, 8, 1)},
    nested_in_sequential: {"pixels": (8, 8, 1)},
    mobilenet: {"": (32, 32, 3)},
    skip: {"x": (3,)},
    lstm: {"steps": (5, 2)},
    convolution: {"pixels": (8, 8, 1)},
    linear: {"x": (3,)},
}


def rows_of(build: Callable[[], Any], rows: int = 4) -> list[np.ndarray]:
    """Some rows for a model, an array an input."""
    draw = np.random.default_rng(7)
    return [draw.normal(size=(rows, *shape)).astype("float32") for shape in ROWS[build].values()]


def worn(model: keras.Model) -> keras.Model:
    """The same model as training leaves one: no weight and no statistic is what it was born with."""
    draw = np.random.default_rng(3)
    for weight in model.weights:
        if weight.dtype.startswith("float") and "seed" not in weight.path:
            weight.assign(weight.numpy() + np.abs(draw.normal(0, 0.1, weight.shape)))
    return model


def saved(build: Callable[[], Any], folder: Path, suffix: str = ".keras") -> Path:
    """A model's file."""
    path = folder / f"{build.__name__}{suffix}"
    worn(build()).save(path)
    return path
