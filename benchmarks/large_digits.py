"""The digits at a size that cameras and data sets give: 32 × 32 pixels, and a base with a pooling after each block."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from demo.digits import digits_month
from models.digits import spec as small

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

FACTOR = 4
SIDE = 8 * FACTOR
schema = replace(small.schema, tensors={"pixels": (SIDE, SIDE, 1)})


def build_base(_sample: Columns) -> keras.Model:
    """The layers of models/digits.py, with names that its plan thaws."""
    from keras import Input, Model, layers

    inputs = {name: Input((1,), name=name) for name in schema.numeric}
    image = inputs["pixels"] = Input((SIDE, SIDE, 1), name="pixels")
    for place, channels in enumerate((32, 64), start=1):
        image = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{place}")(image)
        image = layers.BatchNormalization(name=f"norm{place}")(image)
        image = layers.Activation("relu")(image)
        image = layers.MaxPooling2D(FACTOR // 2)(image)
    features = layers.Dense(128, activation="relu", name="features")(layers.Flatten()(image))
    return Model(inputs, layers.Concatenate()([features, *(inputs[name] for name in schema.numeric)]))


spec = replace(small, schema=schema, build_base=build_base)


def month(number: int, rows: int) -> pl.DataFrame:
    """A month of digits, every pixel repeated in both directions."""
    frame = digits_month(number, rows)
    images = frame["pixels"].to_numpy().reshape(rows, 8, 8).repeat(FACTOR, axis=1).repeat(FACTOR, axis=2)
    return frame.with_columns(pixels=pl.Series(images.reshape(rows, SIDE * SIDE), dtype=pl.Array(pl.Float32, SIDE**2)))
