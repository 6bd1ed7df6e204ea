"""A tiny model and its landing folder, for flows that run whole in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from learning.objectives import Binary
from learning.spec import FineTune, Gate, ModelSpec, Pretrain, Replay, RetrainPolicy, Schema, Source, Stage

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns


def build_base(sample: Columns) -> keras.Model:
    """One number, normalised."""
    from keras import Input, Model, layers

    scale = layers.Normalization()
    scale.adapt(sample["speed"])
    inputs = {"speed": Input((1,), name="speed"), "city": Input((1,), name="city", dtype="string")}
    return Model(inputs, layers.Dense(4, activation="relu")(scale(inputs["speed"])))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a chance."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid")])


TINY = ModelSpec(
    name="tiny",
    schema=Schema(time="at", key=("id",), target="late", numeric=("speed",), categorical=("city",)),
    objective=Binary(),
    source=Source(path="tiny"),
    build_base=build_base,
    build_head=build_head,
    pretrain=Pretrain(epochs=3, learning_rate=0.05, batch_size=32),
    finetune=FineTune(stages=(Stage("head", learning_rate_scale=1.0, epochs=8, batch_size=16),), replay=Replay(0.0)),
    retrain=RetrainPolicy(min_rows=20),
    gate=Gate(min_rows=20, min_events=5, max_forgetting=1000.0),
)


class Landing:
    """The folder where tests let rows arrive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.files = self.more_days = 0

    def land(self, rows: int, *, flipped: bool = False, labelled: bool = True, days: int = 1) -> Path:
        """Let a file of rows arrive, of some days: fast is late, or the other way round once the world has flipped."""
        draw = np.random.default_rng(self.files)
        speed = draw.normal(0, 1, rows)
        late = ((speed > 0) != flipped).astype(float)
        first = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.files + self.more_days)
        apart = timedelta(days=days) / rows if days > 1 else timedelta(minutes=1)
        frame = pl.DataFrame(
            {
                "at": [first + place * apart for place in range(rows)],
                "id": [f"{self.files}-{i}" for i in range(rows)],
                "speed": speed,
                "city": draw.choice(["A", "B"], rows),
                "late": late if labelled else [None] * rows,
            }
        )
        path = self.folder / f"{self.files:03}.parquet"
        frame.write_parquet(path)
        self.files, self.more_days = self.files + 1, self.more_days + days - 1
        return path
