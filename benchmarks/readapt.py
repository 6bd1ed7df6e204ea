"""What ages inside a base, and whether FineTune(readapt=True) keeps it young: two made streams, lived through monthly.

`python -m benchmarks.readapt` prints one line a claim, `claim | measured | goal | holds`. In one stream two of eight
categories are replaced by new ones every month; in the other the range of a number grows by 30 % a month. Each month is
predicted by the version in production before anything learns from it. Three ways to go on are compared, all of them
through the gate: the plan of every day, the same with readapt, and base and head anew from everything, every month.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from benchmarks.living import gone_by, lived_through
from benchmarks.streams import Stream
from learning.overrides import PRESENT
from learning.spec import Binary, Gate, ModelSpec, Pretrain, Regression, RetrainPolicy, Schema, Source
from tasks.history import History

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS, MONTHS, HISTORY = 1_500, 7, range(1, 3)
NEAR = 1.1  # times the loss of a base that is built anew every month
WAYS = {"every day": PRESENT, "readapt": "finetune.readapt=true", "from scratch": "scratch"}  # as policies


@dataclass(frozen=True)
class Made:
    """A made stream: its columns, and its rows by month and seed.

    Args:
        name: of the stream.
        spec: the model.
        rows: columns of a month, but time and key.
    """

    name: str
    spec: ModelSpec
    rows: Callable[[int, np.random.Generator], dict[str, object]]

    def stream(self, seed: int) -> Stream:
        """The stream as it is lived through."""

        def month(number: int) -> pl.DataFrame:
            first, draw = START + timedelta(days=30 * number), np.random.default_rng([seed, number])
            times = [first + timedelta(days=30) / ROWS * place for place in range(ROWS)]
            keys = [f"{number}-{place}" for place in range(ROWS)]
            return pl.DataFrame({"at": times, "id": keys, **self.rows(number, draw)})

        return Stream(self.name, self.spec, month, HISTORY, MONTHS, timedelta(days=30))


def categories(number: int, draw: np.random.Generator) -> dict[str, object]:
    """Eight categories, each with its own chance; two of them are new every month, and the two oldest are gone."""
    word = 2 * number + draw.integers(0, 8, ROWS)
    chance = np.where(word * 7 % 4 < 2, 0.1, 0.9)  # about 0.325 is the loss of who knows it
    return {"word": [f"word-{one}" for one in word], "y": (draw.random(ROWS) < chance).astype(float)}


def growing(number: int, draw: np.random.Generator) -> dict[str, object]:
    """A number whose range grows by 30 % a month, and a target that bends with it; 1.0 is the loss of who knows it."""
    value = 3.0 * 1.3**number * draw.uniform(-1, 1, ROWS)
    return {"value": value, "y": 2.0 * np.sqrt(np.abs(value)) * np.sign(value) + draw.normal(0, 1, ROWS)}


def build_base(sample: Columns) -> keras.Model:
    """Numbers scaled, words embedded, two layers that bend."""
    from keras import Input, Model, layers

    inputs, parts = {}, []
    for name, values in sample.items():
        if name == "word":
            inputs[name] = Input((1,), name=name, dtype="string")
            lookup = layers.StringLookup()
            lookup.adapt(values)
            parts.append(layers.Flatten()(layers.Embedding(lookup.vocabulary_size(), 8)(lookup(inputs[name]))))
        else:
            inputs[name] = Input((1,), name=name)
            scale = layers.Normalization()
            scale.adapt(values)
            parts.append(scale(inputs[name]))
    hidden = layers.Dense(32, activation="tanh")(parts[0])
    return Model(inputs, layers.Dense(16, activation="tanh")(hidden))


def classes_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a chance."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")])


def number_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a number."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(16, activation="relu"), layers.Dense(1)])


def schema(**inputs: tuple[str, ...]) -> Schema:
    """The schema of a made stream."""
    return Schema(time="at", key=("id",), target="y", **inputs)  # type: ignore[arg-type]


COMMON = {
    "pretrain": Pretrain(epochs=30, learning_rate=5e-3, batch_size=64, patience=5),
    "retrain": RetrainPolicy(min_rows=100),
    "gate": Gate(max_forgetting=1000.0),  # what is gone does not come back
}
MADE = (
    Made(
        "categories",
        ModelSpec(
            "categories",
            schema(categorical=("word",)),
            Binary(),
            Source("categories"),
            build_base,
            classes_head,
            **COMMON,  # type: ignore[arg-type]
        ),
        categories,
    ),
    Made(
        "range",
        ModelSpec(
            "range",
            schema(numeric=("value",)),
            Regression(),
            Source("range"),
            build_base,
            number_head,
            **COMMON,  # type: ignore[arg-type]
        ),
        growing,
    ),
)


def monthly(stream: Stream, history: History, way: str) -> list[float]:
    """The mean loss of each month after the history, by the version that was in production when it arrived."""
    with lived_through(stream, history, WAYS[way]) as lived:
        return [float(arrival.live.mean()) for arrival in lived.arrived()]


def main(seed: int, streams: Sequence[str]) -> int:
    """Print every claim; 1 if one does not hold."""
    claims = Claims()
    for made in (one for one in MADE if one.name in streams):
        found, stream = {}, made.stream(seed)
        with gone_by(stream) as history:
            for way in WAYS:
                found[way] = monthly(stream, history, way)
                print(f"# {made.name}, {way}: {' '.join(f'{loss:.3f}' for loss in found[way])}", flush=True)
        possible = float(np.mean(found["from scratch"]))
        of_way = {way: float(np.mean(losses)) / possible for way, losses in found.items()}
        claims.show(f"{made.name}: loss of the plan of every day, from scratch = 1", of_way["every day"])
        claims.at_most(f"{made.name}: loss with readapt, from scratch = 1", of_way["readapt"], NEAR)
        pairs = zip(found["readapt"], found["from scratch"], strict=True)
        claims.at_most(f"{made.name}: the same, in its worst month", max(one / other for one, other in pairs), NEAR)
    return claims.exit_code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2013)
    parser.add_argument("--streams", nargs="*", default=[made.name for made in MADE])
    arguments = parser.parse_args()
    sys.exit(main(arguments.seed, arguments.streams))
