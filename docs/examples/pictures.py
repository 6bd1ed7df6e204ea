"""Which digit is on the picture? A table of paths, and the PNG files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import (
    FineTune,
    Gate,
    ModelSpec,
    Multiclass,
    Pretrain,
    Replay,
    RetrainPolicy,
    Schema,
    Source,
    Stage,
    image,
)

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time="taken_at",
    key=("picture_id",),
    target="digit",
    files={"picture": image(8, 8, 1)},  # paths such as pictures/17.png, relative to the source's folder
)


def build_base(_sample: Columns) -> keras.Model:
    """A convolution over pixels from 0 to 255, beside the pixels themselves."""
    from keras import Input, Model, layers

    pixels = Input((8, 8, 1), name="picture")
    scaled = layers.Rescaling(1 / 255)(pixels)
    shapes = layers.Conv2D(8, 3, activation="relu")(scaled)
    return Model({"picture": pixels}, layers.Concatenate()([layers.Flatten()(part) for part in (scaled, shapes)]))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance of each digit."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(10, activation="softmax")])


spec = ModelSpec(
    name="pictures",
    schema=schema,
    objective=Multiclass(10),
    source=Source(path="pictures"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=15, learning_rate=0.01, batch_size=32),
    finetune=FineTune(stages=(Stage(learning_rate=0.001, epochs=5, batch_size=32),), replay=Replay(share=1.0)),
    retrain=RetrainPolicy(min_rows=20),
    gate=Gate(min_rows=10, min_events=5),
)
