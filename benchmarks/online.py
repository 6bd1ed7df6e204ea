"""The online learner beside Keras' own calls, and beside River's models: `python -m benchmarks.online speed`.

`speed`: an event's test-then-train, one by one and in bursts, against `predict_on_batch` and `train_on_batch` of the
very same model; tail latency; a cold start against TensorFlow's import. Ten minutes are enough on two quiet cores.
`quality`: every stream with features that River's wheel holds, by River's own progressive validation, ours with one
setting for all (the defaults of `Online`, which were chosen on made streams: SEA, Agrawal, random RBF and tree,
hyperplane, Friedman) beside River's own models. An hour; `quality Phishing` runs one stream.
`deep_river`: the same streams, beside deep-river's own models in an environment of their own. Ten minutes.
`memory`: what a million events leave behind. Ten minutes.
`command`: `evergreen online` as a command against TensorFlow's import. Three minutes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.claims import Claims
from benchmarks.online_command import command
from benchmarks.online_deep_river import beside_deep_river
from benchmarks.online_streams import STREAMS, Stream, accuracy_or_error, river_models
from learning.files import ModelFiles, save_model
from learning.objectives import Binary
from learning.online import OnlineLearner
from learning.online_plan import Online
from learning.online_tables import spec_of

COLUMNS, EVENTS, BURST = 12, 400, 200
ALONE = replace(Online(), replay=0, batch=1)  # what train_on_batch does: one step on the event alone
SPEC = spec_of([f"x{place}" for place in range(COLUMNS)], [], Binary())
READY = {
    "TensorFlow's import": "import tensorflow",
    "a cold start, first event learned": (
        "from benchmarks.online import SPEC, OnlineLearner, rows; learner = OnlineLearner(SPEC);"
        "learner.predict_one(rows(1)[0]); learner.learn_one(rows(1)[0], 1)"
    ),
}


def rows(count: int) -> list[dict[str, float]]:
    """Events of normal numbers."""
    draw = np.random.default_rng(0)
    return [
        dict(zip(SPEC.schema.numeric, map(float, line), strict=True)) for line in draw.normal(size=(count, COLUMNS))
    ]


def version(folder: Path) -> ModelFiles:
    """A base of scales and a layer, and a head of two layers."""
    from keras import Input, Model, Sequential, layers

    inputs = {name: Input((1,), name=name) for name in SPEC.schema.numeric}
    scaled = [layers.Normalization(mean=0.0, variance=1.0)(one) for one in inputs.values()]
    base = Model(inputs, layers.Dense(64, activation="relu")(layers.Concatenate()(scaled)))
    head = Sequential([Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(1, activation="sigmoid")])
    paths = folder / "base.keras", folder / "head.keras"
    return ModelFiles(*paths, *(save_model(model, path) for model, path in zip((base, head), paths, strict=True)))


def kerass_own(files: ModelFiles) -> Callable[[dict[str, float], int], object]:
    """The same model as Keras' own calls take an event through it, its base frozen."""
    import keras

    base, head = (keras.models.load_model(path) for path in (files.base, files.head))
    base.trainable = False
    model = keras.Model(base.inputs, head(base.output))
    model.compile(optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0), loss="binary_crossentropy")

    def event(row: dict[str, float], label: int) -> object:
        inputs = {name: np.array([[value]], "float32") for name, value in row.items()}
        model.predict_on_batch(inputs)
        return model.train_on_batch(inputs, np.array([[label]], "float32"))

    return event


def seconds_each(event: Callable[[dict[str, float], int], object]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds of each of many events, after some that warm up."""
    found = []
    for place, row in enumerate(rows(EVENTS + 50)):
        begin = time.perf_counter()
        event(row, place % 2)
        found.append(time.perf_counter() - begin)
    return np.array(found[50:])


def burst_seconds(learner: OnlineLearner) -> float:
    """Seconds of an event in bursts."""
    many, labels = rows(BURST), [place % 2 for place in range(BURST)]
    learner.partial_fit(many, labels)
    begin = time.perf_counter()
    for _ in range(5):
        learner.partial_fit(many, labels)
    return (time.perf_counter() - begin) / (5 * BURST)


def speed(claims: Claims) -> None:
    """Time an event, and a cold start."""
    with TemporaryDirectory() as folder:
        files = version(Path(folder))
        theirs = float(np.median(seconds_each(kerass_own(files))))
        ours = {
            "a version's head": OnlineLearner(SPEC, files, ALONE),
            "a version's head with replay": OnlineLearner(SPEC, files, Online()),
            "a cold start's three answers with replay": OnlineLearner(SPEC),
        }
        claims.show("Keras' predict_on_batch and train_on_batch, an event", theirs * 1000, "ms")
        for name, learner in ours.items():
            each, together = seconds_each(learner.learn_one), burst_seconds(learner)
            claims.show(f"{name}: p50, test and train", float(np.median(each)) * 1000, "ms")
            claims.show(f"{name}: p99", float(np.quantile(each, 0.99)) * 1000, "ms")
            same = learner.plan == ALONE
            told = claims.at_least if same else lambda claim, measured, _goal: Claims.show(claim, measured)
            told(f"{name}: one by one, times as fast as Keras", theirs / float(np.median(each)), 4)
            told(f"{name}: in bursts of {BURST}, times as fast", theirs / together, 12)
    times = {name: min(fresh_seconds(code) for _ in range(3)) for name, code in READY.items()}
    first, second = times.values()
    claims.show(next(iter(times)), first, "s")
    claims.at_most(f"{list(times)[1]}: by TensorFlow's import", second / first, 1.5)


def fresh_seconds(code: str) -> float:
    """Seconds that a fresh process takes for some code."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - begin


def quality(claims: Claims, only: str = "") -> None:
    """Every stream, by River's progressive validation."""
    for stream in STREAMS:
        if only in ("", stream.name):
            place = placed(stream)
            claims.at_most(f"{stream.name}: our place among River's models", place, 3, "")


def placed(stream: Stream) -> int:
    """Print every model's figure on a stream, and give ours a place."""
    found: dict[str, float] = {}
    for name, make in river_models(stream).items():
        begin = time.perf_counter()
        found[name] = accuracy_or_error(stream, make())
        print(f"  {stream.name}: {name} | {found[name]:.4f} | | {time.perf_counter() - begin:.0f} s", flush=True)
    sign = 1 if stream.regression else -1
    return sorted(found, key=lambda name: sign * found[name]).index("Evergreen") + 1


def memory(claims: Claims, events: int = 1_000_000) -> None:
    """What events leave behind: memory after a tenth of them, and after all."""
    learner, burst = OnlineLearner(SPEC, None, replace(Online(), batch=2, replay=100)), 1000
    many, labels = rows(burst), [place % 2 for place in range(burst)]
    used = []
    for done in range(burst, events + 1, burst):
        learner.partial_fit(many, labels)
        if done in (events // 10, events):
            used.append(resident_megabytes())
    claims.at_most(f"{events:,} events: megabytes grown since the first tenth", used[1] - used[0], 20, "MB")


def resident_megabytes() -> float:
    """Memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def main(arguments: Iterator[str]) -> int:
    """Print every claim of a part; 1 if one does not hold."""
    print("claim | measured | goal | holds")
    claims = Claims()
    part = next(arguments, "speed")
    more = [int(one) if one.isdigit() else one for one in arguments]
    parts: dict[str, Callable[..., None]] = {
        "speed": speed,
        "quality": quality,
        "deep_river": beside_deep_river,
        "memory": memory,
        "command": command,
    }
    partial(parts[part], claims)(*more)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main(iter(sys.argv[1:])))
