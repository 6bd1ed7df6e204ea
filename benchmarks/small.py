"""A model so small that what is measured is everything around it: benchmarks/operations.py copies this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import Binary, FineTune, Gate, ModelSpec, Pretrain, Replay, RetrainPolicy, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns


def build_base(sample: Columns) -> keras.Model:
    """One number, normalised."""
    from keras import Input, Model, layers

    scale = layers.Normalization()
    scale.adapt(sample["speed"])
    inputs = {"speed": Input((1,), name="speed")}
    return Model(inputs, layers.Dense(4, activation="relu")(scale(inputs["speed"])))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a chance."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid")])


spec = ModelSpec(
    name="small",
    schema=Schema(time="at", key=("id",), target="late", numeric=("speed",)),
    objective=Binary(),
    source=Source("small", settle=0.0),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=3, learning_rate=0.05, batch_size=32),
    finetune=FineTune(stages=(Stage("head", epochs=3, batch_size=32),), replay=Replay(0.0)),
    retrain=RetrainPolicy(min_rows=20),
    # Whatever is trained is promoted: what is measured is whether anything of it gets lost.
    gate=Gate(rule="not worse", min_gain=-0.9, max_forgetting=9.0, min_rows=20, min_events=5, watch=0),
)
