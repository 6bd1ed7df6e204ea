"""Which iris is it? Words as classes, and rows that bring no time: four measures of a flower, and its species."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import FineTune, Gate, ModelSpec, Multiclass, Pretrain, Replay, RetrainPolicy, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time=None,  # a flower's time is when its file was written; flowers of one file are one block
    key=("flower",),
    target="species",
    numeric=("sepal_length", "sepal_width", "petal_length", "petal_width"),
)
species = Multiclass(classes=("setosa", "versicolor", "virginica"))


def build_base(sample: Columns) -> keras.Model:
    """Normalised measures, as they are and through a dense layer."""
    from keras import Input, Model, layers

    inputs = {name: Input((1,), name=name) for name in schema.numeric}
    parts = []
    for name in schema.numeric:
        scale = layers.Normalization()
        scale.adapt(sample[name])
        parts.append(scale(inputs[name]))
    measures = layers.Concatenate()(parts)
    return Model(inputs, layers.Concatenate()([measures, layers.Dense(16, activation="relu")(measures)]))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance of each species."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(species.class_count, activation="softmax")])


spec = ModelSpec(
    name="iris",
    schema=schema,
    objective=species,
    source=Source(path="iris"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=40, learning_rate=0.05, batch_size=16),
    finetune=FineTune(stages=(Stage(learning_rate=0.01, epochs=10, batch_size=16),), replay=Replay(share=1.0)),
    retrain=RetrainPolicy(min_rows=20),
    gate=Gate(slices=("species",), min_rows=10, min_events=5),
)
