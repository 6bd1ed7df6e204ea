"""Is a pump about to fail? What it measured in its last eight hours, through an LSTM that skips the padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import (
    Binary,
    FineTune,
    Gate,
    ModelSpec,
    Pretrain,
    Replay,
    RetrainPolicy,
    Schema,
    Source,
    Stage,
    Window,
)

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time="at",
    key=("pump", "at"),
    target="failed",  # within a day: it lands with the rows here, and may come later as a label
    numeric=("heat", "load"),
    categorical=("mode",),
    entity=("pump",),  # a pump is held out with all of its rows, so that no window lies on both sides
    block="6h",
    window=Window(by=("pump",), length=8),
)


def build_base(sample: Columns) -> keras.Model:
    """Each hour's numbers, normalised, and its mode; then an LSTM over the hours that there are."""
    from keras import Input, Model, layers

    mask = Input((8,), name="mask", dtype="bool")  # False where a pump has no rows yet: padding, in front
    inputs = {"heat": Input((8,), name="heat"), "load": Input((8,), name="load")}
    inputs["mode"] = Input((8,), name="mode", dtype="string")
    parts = []
    for name in schema.numeric:
        there = sample[name][sample["mask"]]
        scale = layers.Normalization(axis=None, mean=float(there.mean()), variance=float(there.var()) + 1e-6)
        parts.append(layers.Reshape((8, 1))(scale(inputs[name])))
    words = layers.StringLookup(vocabulary=sorted(set(sample["mode"][sample["mask"]])))
    parts.append(layers.Embedding(words.vocabulary_size(), 2)(words(inputs["mode"])))
    hours = layers.Concatenate()(parts)
    return Model({**inputs, "mask": mask}, layers.LSTM(16)(hours, mask=mask))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance that it fails."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")])


spec = ModelSpec(
    name="pumps",
    schema=schema,
    objective=Binary(),
    source=Source(path="pumps"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=10, learning_rate=0.03, batch_size=64),
    finetune=FineTune(stages=(Stage(learning_rate=0.005, epochs=5, batch_size=64),), replay=Replay(share=1.0)),
    retrain=RetrainPolicy(min_rows=20),
    gate=Gate(min_rows=10, min_events=5),
)
