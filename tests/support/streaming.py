"""Online learning in short: made events, a learner without Keras, and a model whose version 1 is a few bytes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from arriving import SPEC, new_registry

from db.artifacts import ArtifactStore
from db.records import NewVersion, RunEnding
from db.registry import ModelRegistry
from learning.files import ModelFiles, Trained
from learning.spec import ModelSpec
from settings import get_settings
from tasks.consume import open_consumer
from tasks.online import Consumer
from tasks.online_learner import Pace
from tasks.run import Context, Run


class Slope:
    """Logistic regression on `speed`, a step a row, as exact as floats are; it knows which version it went on from."""

    def __init__(self, version: str) -> None:
        self.version, self.slope, self.bias, self.rows = version, 0.0, 0.0, 0

    def predict_one(self, row: dict[str, Any]) -> np.ndarray:
        """The chance."""
        return np.array([1 / (1 + np.exp(-self.slope * (row["speed"] or 0) / 50 - self.bias))], "float32")

    def partial_fit(self, rows: Sequence[dict[str, Any]], labels: Sequence[float]) -> np.ndarray:
        """One after the other."""
        found = []
        for row, label in zip(rows, labels, strict=True):
            found.append(self.predict_one(row))
            error = label - float(found[-1][0])
            self.slope += 0.1 * error * (row["speed"] or 0) / 50
            self.bias += 0.1 * error
            self.rows += 1
        return np.array(found)

    def state(self) -> bytes:
        """All of it."""
        return pickle.dumps(vars(self), protocol=4)

    def freeze(self, work: Path) -> Trained:
        """As files that hold it, though Keras would not know them."""
        for kind in ("base", "head"):
            (work / f"{kind}.keras").write_bytes(self.state())
        files = ModelFiles(work / "base.keras", work / "head.keras", "base0", f"rows{self.rows}")
        return Trained(files, (), (), {"kind": "online"}, f"learned from {self.rows} events", {})


def slope(_spec: ModelSpec, files: ModelFiles, state: bytes | None) -> Slope:
    """A learner that goes on from a version, or from a state."""
    found = Slope(files.head_digest)
    if state is not None:
        vars(found).update(pickle.loads(state))
    return found


def event(number: int, **changes: Any) -> dict[str, Any]:
    """A good event, of one minute each: the fast ones are late, or nearly so."""
    draw = np.random.default_rng(number)
    speed = float(draw.uniform(0, 100))
    row = {"at": f"2024-01-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z", "id": str(number)}
    return row | {"speed": speed, "city": "Oslo", "late": int(speed + draw.normal(0, 20) > 50)} | changes


def write(path: Path, events: Sequence[dict[str, Any] | str]) -> None:
    """Append events to a file of JSON lines; a text as it is."""
    with path.open("a") as file:
        file.writelines((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in events)


class Place:
    """A home with a registry where version 1 of the small model is champion."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.spec, self.settings = spec, get_settings()
        self.registry = new_registry(Path(self.settings.home) / "registry.db")
        self.store = ArtifactStore(self.settings.artifact_root, self.settings.cache)
        self.registry.add_model(spec.name)
        for run in self.registry.open_runs():  # of a process that was killed
            self.registry.lose_run(run, "killed")
        if not self.registry.sequence(spec.name):
            self.promote(self.version())

    def version(self) -> int:
        """Register a version, whose head is like no other."""
        known = len(self.registry.versions(self.spec.name)) if self.registry.find_champion(self.spec.name) else 0
        files = {}
        for kind in ("base", "head"):
            path = self.settings.home / f"{kind}-{known}.keras"
            path.write_bytes(b"%d" % known)
            files[kind] = self.store.put(path, kind=kind, digest=f"{kind}{known}")
        return self.registry.register(NewVersion(self.spec.name, None, None, files["base"], files["head"])).number

    def promote(self, number: int) -> None:
        """Make a version the champion, whoever is."""
        seen = self.registry.sequence(self.spec.name)
        how = {"kind": "promote" if seen else "bootstrap", "actor": "test", "reason": "somebody knows more"}
        self.registry.promote(self.spec.name, number, seen=seen, **how)  # type: ignore[arg-type]

    @contextmanager
    def consumer(self, source: str, **pace: Any) -> Iterator[Consumer]:
        """A consumer in a run of its own, which ends with it."""
        record = self.registry.start_run(self.spec.name, trigger="by hand")
        run = Run(record.id, Context(self.spec, self.registry, self.store, self.settings))
        try:
            with open_consumer(run, source, Pace(**{"poll": 0.01, **pace}), slope) as consumer:
                yield consumer
        finally:
            self.registry.finish_run(record.id, RunEnding("learned", "online", "it is over"))


def bits(registry: ModelRegistry, consumer: str) -> tuple[Any, ...]:
    """All that a consumer has come to, to the last bit: weights by their digest, scores, counts, and where it is."""
    found = registry.newest_checkpoint("small", consumer)
    assert found is not None
    state = {name: value for name, value in found.state.items() if name != "since"}  # it names the file
    place = found.position.split(":")[1:]
    return found.digest, state, found.counts, found.events, place, found.rows, found.loss, found.window_loss


def learn(source: str) -> None:
    """Learn what is there in a process of its own, and say after every portion how far it has come: to be killed."""
    from tasks.consume import follow_champion, save

    with Place().consumer(source, stretch=100, seconds=0.05) as consumer:
        for events in consumer.portions(0):
            consumer.test_then_train(events)
            follow_champion(consumer)
            save(consumer)
            print(consumer.events, flush=True)  # noqa: T201 - what the test reads
