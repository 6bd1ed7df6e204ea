"""Will a flight from New York arrive more than 15 minutes late? The demo's model, on the flights of 2013."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import Binary, FineTune, ModelSpec, Pretrain, Replay, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time="ts",
    key=("carrier", "flight", "ts", "origin"),
    target="late",
    numeric=(
        "distance", "dep_hour", "arr_hour", "departures",
        "temp", "humid", "wind_speed", "precip", "pressure", "visib",
    ),
    categorical=("carrier", "origin", "dest", "weekday"),
    ranges={"dep_hour": (0, 24), "arr_hour": (0, 24), "humid": (0, 100), "distance": (0, 10_000)},
    allowed={"origin": ("EWR", "JFK", "LGA")},
)  # fmt: skip


def build_base(sample: Columns) -> keras.Model:
    """Normalised numbers and embedded categories through two dense layers."""
    from keras import Input, Model, layers, ops

    inputs = {name: Input((1,), name=name) for name in schema.numeric}
    inputs |= {name: Input((1,), name=name, dtype="string") for name in schema.categorical}
    parts = []
    for name in schema.numeric:
        scale = layers.Normalization()
        scale.adapt(sample[name])
        parts.append(ops.clip(scale(inputs[name]), -3, 3))
    for name in schema.categorical:
        lookup = layers.StringLookup()
        lookup.adapt(sample[name])
        embedding = layers.Embedding(lookup.vocabulary_size(), 8)
        parts.append(layers.Flatten()(embedding(lookup(inputs[name]))))
    rows = layers.Concatenate()(parts)
    hidden = layers.Dense(128, activation="relu", name="hidden")(rows)
    features = layers.Dense(64, activation="relu", name="features")(hidden)
    return Model(inputs, layers.Concatenate()([rows, features]))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance of being late."""
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(64, activation="relu"), layers.Dropout(0.2)]
    return Sequential([Input(features), *hidden, layers.Dense(1, activation="sigmoid")])


spec = ModelSpec(
    name="flights",
    schema=schema,
    objective=Binary(),
    source=Source(path="flights"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=10, learning_rate=1e-3),
    finetune=FineTune(
        stages=(Stage("head", learning_rate_scale=0.3, epochs=8, batch_size=512),),
        replay=Replay(share=1.0),
        validation_rows=2_000,  # both outcomes are common: as good a choice of the epoch as by 10,000
    ),
)
