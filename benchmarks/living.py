"""Living through a stream as a user would: the very runs of `evergreen backtest`, a file and a run an arrival.

What it was worth is measured from outside, from the predictions of the versions and not from what the registry says of
them. *Live* is the loss of the version that was in production when a row arrived, before anything learned from it: a
mean over all labelled rows that arrived after the history, held-out ones included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from arrivals.ingest import ingest
from benchmarks.streams import Stream
from db.artifacts import ArtifactStore
from db.registry import open_registry
from evaluation.backtests import PolicyResult
from flows.backtest import REGISTRY, live, opened, policy_folder
from learning.data import PartitionFile
from learning.overrides import PRESENT, overridden, policy
from settings import Settings, get_settings
from tasks.history import Asked, History, prepared
from tasks.lived import Came
from tasks.run import Context

Floats = NDArray[np.floating[Any]]
FIRST = 1
LATE = 4  # a run comes a quarter of the time between two of them after the newest row: a week may have eight days


@dataclass(frozen=True)
class Arrived:
    """What arrived, and each row's loss under the versions of the day; all arrays are of shape (rows,).

    Args:
        number: of the arrival.
        day: the day of each row.
        live: loss of the version in production.
        first: loss of version 1.
        before: loss of the version that the run before replaced; None if it promoted nothing.
    """

    number: int
    day: NDArray[np.datetime64]
    live: Floats
    first: Floats
    before: Floats | None = None


@dataclass(frozen=True)
class Lived:
    """A stream that was lived through under a policy.

    Args:
        stream: what arrived.
        context: what its runs worked with, as the last one left it.
        came: the arrivals, by step.
        result: the runs, and the live losses as the registry has them.
    """

    stream: Stream
    context: Context
    came: Came
    result: PolicyResult

    def arrived(self) -> Iterator[Arrived]:
        """Every arrival after the history, under the versions of the day."""
        steps, promotions = self.came.steps, self.context.registry.promotions(self.stream.spec.name)
        changes = [(steps.nearest(change.at), change) for change in promotions]
        for step, partitions in self.came.by_step().items():
            if not step:
                continue
            known = [(at, change) for at, change in changes if at < step]
            at, newest = known[-1]
            versions = [newest.number, FIRST]
            if at == step - 1 and len(known) > 1 and newest.kind == "promote":
                versions.append(known[-2][1].number)
            files, number = self.came.files(partitions), self.stream.history[-1] + step
            losses = [row_losses(self.context, version, files) for version in versions]
            yield Arrived(number, losses[0][0], *(loss for _, loss in losses))

    @property
    def seconds(self) -> float:
        """Processor seconds of all runs."""
        return sum(step.cpu_s for step in self.result.steps)


def mean_loss(losses: Sequence[Floats]) -> float:
    """The mean of rows' losses, one array an arrival."""
    return float(np.concatenate(losses).mean())


@contextmanager
def gone_by(stream: Stream) -> Iterator[History]:
    """A past in which all of a stream has arrived, ready to be lived through; it is gone afterwards."""
    get_settings()  # lets TensorFlow compute as it does in production: without, weights differ in their last bits
    with TemporaryDirectory() as folder:
        # Nothing of it by the environment, which may name the registry of production.
        settings = Settings(home=Path(folder), database_url="", artifact_root="", landing="")
        with open_registry(settings.database_url) as registry:
            registry.add_model(stream.spec.name)
            store = ArtifactStore(settings.artifact_root, settings.cache)
            context = Context(stream.spec, registry, store, settings)
            for number in range(stream.history[0], stream.last + 1):
                land(stream, context, number)
                if number == stream.history[-1]:
                    newest = max(one.time_to for one in registry.partitions(stream.spec.name))
            yield prepared(context, Asked((), start=newest + stream.every / LATE, step=stream.every))


def land(stream: Stream, context: Context, number: int) -> None:
    """Let a file arrive, with a time that says it is settled."""
    path = Path(context.settings.landing) / stream.spec.source.path / f"{number:03}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    stream.rows(number).write_parquet(path)
    os.utime(path, (1, 1))
    ingest(stream.spec, context.registry, context.store, landing=context.settings.landing, cache=context.settings.cache)


@contextmanager
def lived_through(stream: Stream, history: History, under: str = PRESENT) -> Iterator[Lived]:
    """Live through a stream under a policy, written as `evergreen backtest --policy` takes it."""
    wanted = policy(under)
    spec = overridden(stream.spec, wanted)
    result = live(stream.spec, history, wanted).result
    with opened(spec, history, policy_folder(spec, history, wanted) / REGISTRY) as context:
        yield Lived(stream, context, history.came, result)


def row_losses(context: Context, number: int, files: Sequence[PartitionFile]) -> tuple[NDArray[np.datetime64], Floats]:
    """The day of each labelled row, and its loss under a version."""
    from learning.prediction import predict

    spec, version = context.spec, context.registry.version(context.spec.name, number)
    model, time = context.model_files(version), spec.schema.time
    found = predict(spec, model, files, split="all", cache=context.settings.cache, columns=[time])
    losses = spec.objective.row_loss(found.target, found.prediction)
    return found.columns[time].astype("datetime64[D]"), cast("Floats", losses)
