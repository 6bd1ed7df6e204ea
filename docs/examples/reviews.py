"""Is a review good? Free text through a vocabulary of its own words, beside how many stars were given before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learning.spec import Binary, FineTune, Gate, ModelSpec, Pretrain, Replay, RetrainPolicy, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

schema = Schema(
    time="written_at",
    key=("review_id",),
    target="verdict",
    numeric=("stars_before",),
    text=("review",),
    nullable=("review",),  # a text that is missing is empty
)


def build_base(sample: Columns) -> keras.Model:
    """The mean of the words' embeddings, beside a normalised number."""
    from keras import Input, Model, layers

    inputs = {"stars_before": Input((1,), name="stars_before"), "review": Input((1,), name="review", dtype="string")}
    words = layers.TextVectorization(max_tokens=1_000, output_sequence_length=20)
    words.adapt(sample["review"])
    embedded = layers.Embedding(words.vocabulary_size(), 8)(words(inputs["review"]))
    scale = layers.Normalization()
    scale.adapt(sample["stars_before"])
    parts = [layers.GlobalAveragePooling1D()(embedded), scale(inputs["stars_before"])]
    return Model(inputs, layers.Concatenate()(parts))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to the chance that it is good."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid")])


spec = ModelSpec(
    name="reviews",
    schema=schema,
    objective=Binary(classes=("bad", "good")),
    source=Source(path="reviews"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=40, learning_rate=0.05, batch_size=16),
    finetune=FineTune(stages=(Stage(learning_rate=0.01, epochs=5, batch_size=16),), replay=Replay(share=1.0)),
    retrain=RetrainPolicy(min_rows=20),
    gate=Gate(min_rows=10, min_events=5),
)
