"""A model small enough to train in a blink, and partition files with rows for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from learning.data import PartitionFile
from learning.files import Trained
from learning.objectives import Binary
from learning.pretraining import pretrain
from learning.spec import FineTune, ModelSpec, Pretrain, Replay, Schema, Source, Stage

if TYPE_CHECKING:
    import keras


def build_base(sample: dict[str, np.ndarray]) -> keras.Model:
    """A normalised number, one as it is and a category, with BatchNorm and Dropout between two named layers."""
    from keras import Input, Model, layers

    inputs = {name: Input((1,), name=name) for name in ("a", "b")}
    inputs["c"] = Input((1,), name="c", dtype="string")
    scale = layers.Normalization(name="scale")
    scale.adapt(sample["b"])
    lookup = layers.StringLookup(vocabulary=["x", "y"], name="lookup")
    embedded = layers.Flatten()(layers.Embedding(3, 2, name="embedding")(lookup(inputs["c"])))
    rows = layers.Concatenate()([inputs["a"], scale(inputs["b"]), embedded])
    block = layers.Dense(4, activation="relu", name="block1")(rows)
    block = layers.Dropout(0.2)(layers.BatchNormalization(name="norm")(block))
    return Model(inputs, layers.Dense(4, activation="relu", name="block2")(block))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """A head with dropout, so that random seeds matter."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dropout(0.2), layers.Dense(1, activation="sigmoid")])


SPEC = ModelSpec(
    name="small",
    schema=Schema(time="at", key=("id",), target="y", numeric=("a", "b"), categorical=("c",)),
    objective=Binary(),
    source=Source(path="small"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=1, batch_size=4),
    finetune=FineTune(stages=(Stage(epochs=1, batch_size=4, learning_rate=0.01),), replay=Replay(share=0.5)),
)


def rows(number: int, *, seed: int = 0, unlabelled: int = 0, flip: bool = False) -> pl.DataFrame:
    """Typed rows: y says whether a is positive (or, flipped, whether it is not); every fourth is held out."""
    random = np.random.default_rng(seed)
    a = random.normal(size=number)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "at": [start + timedelta(minutes=place) for place in range(number)],
            "id": [str(place) for place in range(number)],
            "a": a,
            "b": random.normal(size=number),
            "c": random.choice(["x", "y", "z"], number),
            "y": [None if place < unlabelled else float((value > 0) != flip) for place, value in enumerate(a)],
            "holdout": [place % 4 == 3 for place in range(number)],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "y": pl.Float64},
    )


def write(folder: Path, name: str, frame: pl.DataFrame) -> PartitionFile:
    """A frame as a partition file."""
    path = folder / f"{name}.parquet"
    frame.write_parquet(path)
    return PartitionFile(name, path)


@pytest.fixture
def graphs() -> None:
    """Train in graphs, as in production, in a file whose other tests have none."""


@pytest.fixture
def eagerly(request: pytest.FixtureRequest) -> Iterator[None]:
    """Train without graphs, unless a test asks for `graphs`: to trace one takes longer than epochs of eight rows."""
    import tensorflow as tf

    tf.config.run_functions_eagerly("graphs" not in request.fixturenames)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture
def spec() -> ModelSpec:
    """A binary model over two numbers and a category."""
    return SPEC


@pytest.fixture
def partition(tmp_path: Path) -> Callable[..., PartitionFile]:
    """A function (name, number=8, seed, unlabelled, flip) that writes rows as a partition file."""

    def make(name: str, number: int = 8, **how: int) -> PartitionFile:
        return write(tmp_path, name, rows(number, **how))

    return make


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[PartitionFile, ...]:
    """Two partitions of the past."""
    folder = tmp_path_factory.mktemp("history")
    return tuple(write(folder, name, rows(8, seed=seed)) for seed, name in enumerate(("old1", "old2"), start=10))


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory, history: tuple[PartitionFile, ...]) -> Trained:
    """Version 1, trained on the history once for all tests."""
    return pretrain(SPEC, history, work=tmp_path_factory.mktemp("champion"), seed=1)
