"""Is every event learned exactly once, whoever is killed when? `python -m benchmarks.online_kill [--events 100000]`.

A made stream of labelled, unlabelled, late-labelled and malformed events is learned twice by `evergreen online`'s own
consumer, with Keras: in one go, and by processes that are killed with SIGKILL at random moments, each followed by
another one. In the end the digest of the weights, all scores and all counts of both must be the same, bit by bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.claims import Claims

if TYPE_CHECKING:
    import keras

    from learning.spec import Columns, ModelSpec
    from tasks.run import Context

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "made"


def build_base(sample: Columns) -> keras.Model:
    """Two numbers and a word."""
    from keras import Input, Model, layers

    numbers = [Input((1,), name=name) for name in ("speed", "load")]
    city, lookup = Input((1,), name="city", dtype="string"), layers.StringLookup(output_mode="one_hot")
    lookup.adapt(sample["city"])
    rows = layers.Concatenate()([*numbers, lookup(city)])
    inputs = {one.name: one for one in (*numbers, city)}
    return Model(inputs, layers.Dense(8, activation="relu")(rows))


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a chance."""
    from keras import Input, Sequential, layers

    return Sequential([Input(features), layers.Dense(1, activation="sigmoid")])


def spec() -> ModelSpec:
    """The model."""
    from learning.spec import Binary, ModelSpec, Schema, Source

    schema = Schema(time="at", key=("id",), target="late", numeric=("speed", "load"), categorical=("city",))
    return ModelSpec(NAME, schema, Binary(), Source("made"), build_base, build_head)


def lines(events: int, seed: int = 0) -> Iterator[str]:
    """A stream: of a hundred events about ten come without label, eight of them get it later, and one is malformed."""
    draw = random.Random(seed)  # noqa: S311 - a made stream
    owed: list[tuple[int, str, int]] = []
    for number in range(events):
        if owed and owed[0][0] <= number:
            _, key, label = owed.pop(0)
            yield json.dumps({"key": key, "label": label})
            continue
        speed, load = draw.gauss(0, 1), draw.gauss(0, 1)
        late = int(speed - load * (number / events) + draw.gauss(0, 0.5) > 0)
        row: dict[str, Any] = {"at": (START + timedelta(seconds=number)).isoformat(), "id": str(number), "speed": speed}
        row |= {"load": load, "city": draw.choice("ABC"), "late": late}
        if draw.random() < 0.1:
            row["late"] = None
            if draw.random() < 0.8:
                owed.append((number + 500, str(number), late))
        elif draw.random() < 0.01:
            row["speed"] = "fast"
        yield json.dumps(row)


def home(folder: Path) -> Context:
    """A registry whose champion is a model that knows nothing yet."""
    import keras
    import numpy as np

    from db.artifacts import ArtifactStore
    from db.records import NewVersion
    from db.registry import open_registry
    from learning.files import save_model
    from settings import Settings
    from tasks.run import Context

    settings, made = Settings(home=folder), spec()
    context = Context(
        made,
        open_registry(settings.database_url),
        ArtifactStore(settings.artifact_root, settings.cache),
        settings,
    )
    if NAME in {model.name for model in context.registry.models()}:
        return context
    keras.utils.set_random_seed(0)
    base = build_base({"city": np.array([["A"], ["B"], ["C"]], object)})
    head, stored = build_head(base.output_shape[1:]), {}
    for kind, model in {"base": base, "head": head}.items():
        path = folder / f"{kind}.keras"
        stored[kind] = context.store.put(path, kind=kind, digest=save_model(model, path))
    context.registry.add_model(NAME)
    number = context.registry.register(NewVersion(NAME, None, None, stored["base"], stored["head"])).number
    context.registry.promote(NAME, number, seen=0, kind="bootstrap", actor="benchmark", reason="the first")
    return context


def child(folder: Path, stream: Path) -> None:
    """Learn what is there, and say after every portion how far it has come."""
    from db.records import RunEnding
    from tasks.consume import follow_champion, open_consumer, save
    from tasks.online_learner import Pace
    from tasks.run import Run
    from tasks.tidy import end_lost_runs

    context = home(folder)
    for run in context.registry.open_runs():  # a killed one has no lock here that would say so at once
        context.registry.lose_run(run, "killed")
    end_lost_runs(context.registry, context.settings.running)
    run_id = context.registry.start_run(NAME, trigger="benchmark").id
    with open_consumer(Run(run_id, context), str(stream), Pace(stretch=500, seconds=0.5)) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
            follow_champion(consumer)
            save(consumer)
            print(consumer.events, flush=True)
    context.registry.finish_run(run_id, RunEnding("learned", "online", "it is over"))


def start(folder: Path, stream: Path) -> subprocess.Popen[str]:
    """A process that learns."""
    command = [sys.executable, "-m", "benchmarks.online_kill", "--child", str(folder), str(stream)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "EVERGREEN_HOME": str(folder)}
    )


def killed_at(folder: Path, stream: Path, event: int, delay: float) -> None:
    """Let a process learn up to an event and a random moment longer, and kill it."""
    process = start(folder, stream)
    assert process.stdout
    for line in process.stdout:
        if int(line) >= event:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            break
    process.wait()


def whole(folder: Path, stream: Path) -> float:
    """Let a process learn to the end; returns its seconds."""
    began = time.perf_counter()
    process = start(folder, stream)
    process.communicate()
    if process.returncode:
        raise SystemExit(f"the process that learns ended with {process.returncode}")
    return time.perf_counter() - began


def bits(folder: Path, stream: Path) -> tuple[Any, ...]:
    """All that was come to: the digest of weights and newest rows, sums of losses by version, counts."""
    found = home(folder).registry.newest_checkpoint(NAME, str(stream))
    assert found
    return found.digest, found.state["sums"], found.counts, found.events, found.rows, found.loss, found.window_loss


def compare(events: int, kills: int, seed: int = 1) -> tuple[tuple[Any, ...], tuple[Any, ...], float]:
    """What the two come to, and the seconds of the one that nobody killed."""
    draw = random.Random(seed)  # noqa: S311 - random moments
    with TemporaryDirectory() as place:
        stream = Path(place) / "events.jsonl"
        stream.write_text("".join(f"{line}\n" for line in lines(events)))
        folders = [Path(place) / name for name in ("whole", "killed")]
        for folder in folders:
            folder.mkdir()
            home(folder)
        seconds = whole(folders[0], stream)
        for event in sorted(draw.sample(range(1, events), kills)):
            killed_at(folders[1], stream, event, draw.uniform(0, 0.3))
        whole(folders[1], stream)
        return bits(folders[0], stream), bits(folders[1], stream), seconds


def main(arguments: Sequence[str]) -> None:
    """Learn twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--child", nargs=2, type=Path)
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    one, other, seconds = compare(options.events, options.kills)
    print(f"{options.events:,} events, killed {options.kills} times; counts: {other[2]}")
    print(f"weights {one[0][:12]} in one go, {other[0][:12]} after kills")
    claims = Claims()
    differing = sum(mine != yours for mine, yours in zip(one, other, strict=True))
    claims.at_most("what differs: weights, sums, counts, events, rows, losses", differing, 0, "of 7")
    claims.show("in one go, process start included", options.events / seconds, "events a second")
    sys.exit(claims.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
