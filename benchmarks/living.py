"""Living through a stream as a user would: arrivals land one by one, and each is followed by a retrain.

What it was worth is measured from outside, from the predictions of the versions and not from what the registry says of
them. *Live* is the loss of the version that was in production when a row arrived, before anything learned from it: a
mean over all labelled rows that arrived after the history, held-out ones included.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams import Stream
from learning.data import PartitionFile
from learning.files import ModelFiles
from learning.spec import ModelSpec

if TYPE_CHECKING:
    from db.records import RunEnding
    from monitoring.decision import Pending
    from tasks.register_version import Learned
    from tasks.run import Context

Floats = NDArray[np.floating[Any]]
FIRST = 1


def one_run(context: Context) -> str:
    """One run as the flows do it, without Prefect, drift check and trial in a fresh process; gives its outcome."""
    from arrivals.ingest import ingest
    from tasks.find_pending import pending_work
    from tasks.pretrain import pretrain_on_history
    from tasks.score_champion import score_pending
    from tasks.watch_champion import roll_back

    spec, registry, settings = context.spec, context.registry, context.settings
    ingest(spec, registry, context.store, landing=settings.landing, cache=settings.cache)
    run = registry.start_run(spec.name, trigger="benchmark").id
    if registry.find_champion(spec.name) is None:
        key, ending = None, _judged(context, run, pretrain_on_history(context, run), None)
    else:
        pending = pending_work(context)
        score_pending(context, run, pending)
        if roll_back(context):
            pending = pending_work(context)
        key, ending = pending.work_key, _retrained(context, run, pending)
    registry.finish_run(run, ending, work_key=key)
    return ending.outcome


def _retrained(context: Context, run: int, pending: Pending) -> RunEnding:
    from db.verdict_records import NewPerformanceCheck
    from tasks.check_performance import performance_of
    from tasks.decide_retrain import decision
    from tasks.finetune import finetune_champion

    performance = performance_of(context)
    context.registry.record_performance(
        NewPerformanceCheck(run, context.spec.name, pending.champion, **vars(performance))
    )
    ending = decision(context, pending, None, performance)
    if ending.decision != "retrain":
        return ending
    return _judged(context, run, finetune_champion(context, run, pending), pending)


def _judged(context: Context, run: int, learned: Learned, pending: Pending | None) -> RunEnding:
    from tasks.evaluate import evaluate
    from tasks.finetune import Proven, finetune_champion
    from tasks.promote import promote, refused
    from tasks.register_version import register

    number = register(context, run, learned)
    decision = evaluate(context, run, number, pending)
    if not decision.accepted:
        return refused(decision, context.spec.name, pending.stuck if pending else 0)
    if pending and pending.prove_from:
        proven = Proven(number, learned.trained.kept)
        number = register(context, run, finetune_champion(context, run, pending, proven=proven))
    ending = promote(context, decision, number)
    assert ending is not None
    return ending


@dataclass(frozen=True)
class Arrived:
    """What arrived, and each row's loss under the versions of the day; all arrays are of shape (rows,).

    Args:
        number: of the arrival.
        files: its partitions.
        day: the day of each row.
        live: loss of the version in production.
        first: loss of version 1.
        sequence: of the promotion that the run before came to; None if it promoted nothing.
        before: loss of the version that was replaced by it.
    """

    number: int
    files: tuple[PartitionFile, ...]
    day: NDArray[np.datetime64]
    live: Floats
    first: Floats
    sequence: int | None = None
    before: Floats | None = None


@dataclass
class Lived:
    """A stream that was lived through."""

    stream: Stream
    history: tuple[PartitionFile, ...]
    arrived: list[Arrived] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def mean(self, losses: Sequence[Floats], since: int | None = None) -> float:
        """The mean of rows' losses, one array an arrival, from an arrival on."""
        wanted = [loss for arrival, loss in zip(self.arrived, losses, strict=True) if arrival.number >= (since or 0)]
        return float(np.concatenate(wanted).mean())


@contextmanager
def opened(spec: ModelSpec) -> Iterator[Context]:
    """What a model's runs work with, in a home of its own that is gone afterwards."""
    from db.artifacts import ArtifactStore
    from db.registry import open_registry
    from settings import get_settings
    from tasks.run import Context

    with TemporaryDirectory() as folder:
        os.environ["EVERGREEN_HOME"] = folder
        get_settings.cache_clear()
        settings = get_settings()
        with open_registry(settings.database_url) as registry:
            yield Context(spec, registry, ArtifactStore(settings.artifact_root, settings.cache), settings)


def live_through(stream: Stream, context: Context) -> Lived:
    """Let version 1 learn the history, then let everything else arrive."""
    registry, model = context.registry, stream.spec.name
    seconds = land_and_run(stream, context, stream.history, outcomes := [])
    lived = Lived(stream, context.partition_files(registry.partitions(model)), outcomes=outcomes, seconds=seconds)
    promotions = len(registry.promotions(model))
    for number in range(stream.history[-1] + 1, stream.last + 1):
        known = {partition.digest for partition in registry.partitions(model)}
        champion, changes = registry.champion(model).number, registry.promotions(model)
        lived.seconds += land_and_run(stream, context, [number], lived.outcomes)
        new = [partition for partition in registry.partitions(model) if partition.digest not in known]
        files = context.partition_files(new)
        day, live = row_losses(context, champion, files)
        _, first = row_losses(context, FIRST, files)
        replaced = changes[-2].number if len(changes) > promotions and changes[-1].kind == "promote" else None
        promotions = len(changes)
        if replaced is None:
            lived.arrived.append(Arrived(number, files, day, live, first))
        else:
            _, before = row_losses(context, replaced, files)
            lived.arrived.append(Arrived(number, files, day, live, first, changes[-1].sequence, before))
    return lived


def always_promoting(lived: Lived, context: Context) -> list[Floats]:
    """The live losses, one array an arrival, had every challenger taken the place, whatever a gate says."""
    from learning.finetuning import finetune
    from tasks.finetune import SEED

    files, learned = _files(context, FIRST), list(lived.history)
    losses, settings = [], context.settings
    for arrival in lived.arrived:
        losses.append(row_losses(context, files, arrival.files)[1])
        work = settings.work / "always" / str(arrival.number)
        files = finetune(context.spec, files, arrival.files, learned, cache=settings.cache, work=work, seed=SEED).files
        learned += arrival.files
    return losses


def row_losses(
    context: Context, version: int | ModelFiles, files: Sequence[PartitionFile]
) -> tuple[NDArray[np.datetime64], Floats]:
    """The day of each labelled row, and its loss under a version."""
    from learning.prediction import predict

    spec = context.spec
    model = version if isinstance(version, ModelFiles) else _files(context, version)
    found = predict(spec, model, files, split="all", cache=context.settings.cache, columns=[spec.schema.time])
    losses = spec.objective.row_loss(found.target, found.prediction)
    return found.columns[spec.schema.time].astype("datetime64[D]"), cast("Floats", losses)


def _files(context: Context, number: int) -> ModelFiles:
    return context.model_files(context.registry.version(context.spec.name, number))


def land_and_run(stream: Stream, context: Context, numbers: Sequence[int], outcomes: list[str]) -> float:
    """Write what arrives, with times that say it is settled, and run; gives the seconds of the run."""
    folder = Path(context.settings.landing) / stream.spec.source.path
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = folder / f"{number:03}.parquet"
        stream.rows(number).write_parquet(path)
        os.utime(path, (1, 1))
    started = time.perf_counter()
    outcomes.append(one_run(context))
    return time.perf_counter() - started
