"""Which digit was written? A convolutional model on small images, whose writers turn the paper over the years."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import DriftPolicy, FineTune, ModelSpec, Multiclass, Pretrain, Replay, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time="written_at",
    key=("image_id",),
    entity=("drawing",),  # the same drawing comes again, moved a little: all of it is held out, or none
    target="digit",
    numeric=("ink", "upper", "left"),  # how dark the image and two of its halves are: drift of them has a name
    tensors={"pixels": (8, 8, 1)},
    block="6h",  # a month's images are written within a day
)


def build_base(_sample: Columns) -> keras.Model:
    """Two convolutional blocks over the pixels, beside how dark the image is."""
    from keras import Input, Model, layers

    inputs = {name: Input((1,), name=name) for name in schema.numeric}
    image = inputs["pixels"] = Input((8, 8, 1), name="pixels")
    for place, channels in enumerate((32, 64), start=1):
        image = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{place}")(image)
        image = layers.BatchNormalization(name=f"norm{place}")(image)
        image = layers.Activation("relu")(image)
    image = layers.MaxPooling2D()(image)
    features = layers.Dense(128, activation="relu", name="features")(layers.Flatten()(image))
    return Model(inputs, layers.Concatenate()([features, *(inputs[name] for name in schema.numeric)]))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance of each digit."""
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(64, activation="relu"), layers.Dropout(0.3)]
    return Sequential([Input(features), *hidden, layers.Dense(10, activation="softmax")])


spec = ModelSpec(
    name="digits",
    schema=schema,
    objective=Multiclass(10),
    source=Source(path="digits"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=15, batch_size=64),
    finetune=FineTune(
        stages=(
            Stage("head", learning_rate=1e-3, epochs=10, batch_size=64),
            Stage("block2", thaw=("conv2", "norm2", "features"), learning_rate=2e-4, epochs=10, batch_size=64),
        ),
        replay=Replay(share=2.0),
        validation_rows=2_000,
    ),
    drift=DriftPolicy(stop_when_broken=False),  # white on black is as far off as a fault, and here it is the world
)
