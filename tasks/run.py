"""A run: what is opened for it, how it is recorded, and what each of its steps is given."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from prefect import Task, runtime
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import TerminationSignal
from prefect.states import Completed

import clock
from arrivals.newest import NewestRows
from db.arrival_records import PartitionRecord
from db.artifacts import ArtifactStore
from db.copying import copy_registry
from db.records import (
    AWAITING,
    CUT_SHORT,
    DRY_RUN,
    INTERRUPTED,
    NEEDS_ATTENTION,
    NOT_APPROVED,
    OVERTAKEN,
    STUCK,
    RunEnding,
    VersionRecord,
)
from db.registry import ModelRegistry, open_registry
from errors import StepFailed
from learning.catalog import load_spec
from learning.changes import MADE_FOR, spec_for
from learning.data import PartitionFile
from learning.files import ModelFiles
from learning.spec import ModelSpec
from learning.stored import lacking
from settings import Settings, get_settings
from tasks.deliver import deliver_promotions
from tasks.lease import kept_alive
from tasks.logs import by_prefect, ending_of, foreseen, run_logger, tell_errors_once, unlogged, watch_logs
from tasks.run_name import ended_name, more_of, period, rename, tags, trigger
from tasks.tidy import clear_away_lost, promoted_before, what_remains

if TYPE_CHECKING:
    from tasks.past import Past

P = ParamSpec("P")
R = TypeVar("R")

# What Prefect's UI calls the state of a run that came to its end; to Prefect all of them are success.
STATES = {
    "promoted": "Promoted",
    "rejected": "Rejected",
    OVERTAKEN: "Overtaken",
    AWAITING: "AwaitingApproval",
    NOT_APPROVED: "NotApproved",
    DRY_RUN: "DryRun",
    "learned": "Learned",
    "waiting": "Waiting",
    "due": "Due",
    "no new data": "NoNewData",
    "retired": "Retired",
    NEEDS_ATTENTION: "NeedsAttention",
    STUCK: "Stuck",
}
TO_BE_SEEN = {NEEDS_ATTENTION, STUCK, AWAITING}  # by a person


@dataclass(frozen=True)
class Context:
    """What the steps of one model work with: its spec, the registry, the artifact store.

    In a backtest also the `past` that it goes through once more; None of a run in the present.
    """

    spec: ModelSpec
    registry: ModelRegistry
    store: ArtifactStore
    settings: Settings
    past: Past | None = None

    def model_files(self, version: VersionRecord) -> ModelFiles:
        """Fetch and verify a version's base and head."""
        base, head = self.store.fetch_version(version)
        return ModelFiles(base, head, version.base.digest, version.head.digest)

    def spec_of(self, version: VersionRecord) -> ModelSpec:
        """The spec as far as a version is asked what it predicts: with the columns that its base takes."""
        record = version.plan.get(MADE_FOR)
        return spec_for(self.spec, record) if record else self.spec

    def readable(self, version: VersionRecord, partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
        """Those partitions that have the columns which a version takes; what may be null there need not be."""
        files, schema = self.partition_files(partitions), self.spec_of(version).schema
        return tuple(one for one, file in zip(partitions, files, strict=True) if not lacking(schema, file))

    @property
    def newest(self) -> NewestRows:
        """Partitions without the rows that were corrected since."""
        return NewestRows(self.spec, self.registry, self.store, self.settings.cache)

    def partition_files(self, partitions: Sequence[PartitionRecord]) -> tuple[PartitionFile, ...]:
        """Fetch and verify partitions' files; of rows that were corrected, only the newest are in them."""
        return tuple(PartitionFile(digest, path) for digest, path in self.newest.files(partitions))


GIVEN: ContextVar[Context | None] = ContextVar("given", default=None)


@contextmanager
def given(context: Context) -> Iterator[None]:
    """Let a flow that is called as a plain function, as in `retrain.fn("flights")`, work with this, unlogged."""
    token = GIVEN.set(context)
    try:
        with unlogged():
            yield
    finally:
        GIVEN.reset(token)


@contextmanager
def open_context(model: str) -> Iterator[Context]:
    """Open what a model's steps work with, and close the registry's connections in the end.

    Raises:
        UnknownModel: no file in the models folders defines the model.
    """
    if (context := GIVEN.get()) is not None:
        yield context
        return
    settings = get_settings()
    spec = load_spec(model, settings.model_folders)
    with open_registry(settings.database_url) as registry:
        yield Context(spec, registry, ArtifactStore(settings.artifact_root, settings.cache), settings)


class Run:
    """One run of a flow for one model, as its steps pass it on.

    `timings` collects seconds by step, `attention` a sentence for each thing that a person should look at, `remarks`
    what its reason is to say beside, `rows` of when the rows are that it is about. Ages and cooldowns are measured by
    `started_at`, so that all steps agree on them. `registry` is where the run itself is recorded: the steps of a dry
    run work with a copy.

    No dataclass: Prefect walks through the fields of those at every step.
    """

    def __init__(self, number: int, context: Context, started_at: datetime | None = None) -> None:
        self.id, self.context, self.started_at = number, context, started_at or clock.now()
        self.registry = context.registry
        self.timings: dict[str, float] = {}
        self.attention: list[str] = []
        self.remarks: list[str] = []
        self.rows = ""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.context.spec.name

    @property
    def dry(self) -> bool:
        """Whether nothing but the run itself is recorded."""
        return self.registry is not self.context.registry

    def sees(self, partitions: Sequence[PartitionRecord]) -> None:
        """Note which rows the run is about, for its name."""
        self.rows = period(partitions) or self.rows

    def told(self, ending: RunEnding) -> RunEnding:
        """How the run ends, with all that is to be said beside."""
        reason = "; ".join((ending.reason, *dict.fromkeys(self.remarks)))
        told = replace(ending, reason=reason).with_attention(self.attention)
        if not self.dry or told.outcome in CUT_SHORT:
            return told
        return RunEnding(DRY_RUN, DRY_RUN, f"it would have ended {told.outcome}: {told.reason}")


@contextmanager
def recorded_run(model: str, *, dry: bool = False) -> Iterator[Run]:
    """Open a run in the registry; an exception ends it as failed, with its message as the reason.

    A signal to stop ends it as interrupted. A killed process leaves it open, until the lease is over and somebody else
    ends it as lost: the next run of any model, `evergreen up`, or the tidy flow.
    """
    watch_logs()
    if runtime.deployment.name:
        tell_errors_once(on_worker=True)
    flow_run_id = runtime.flow_run.id
    with open_context(model) as context:
        context.registry.add_model(model)
        record = context.registry.start_run(
            model,
            trigger="backtest" if context.past else trigger(),
            flow_run_id=str(flow_run_id) if flow_run_id else None,
        )
        run, running = Run(record.id, context, record.started_at), context.settings.running
        try:
            with (
                foreseen(f"run {run.id} of model '{model}'", context.settings.cache),
                # A backtest's runs are nobody's to clear away: it goes on by itself from its last whole step.
                nullcontext() if context.past else kept_alive(context.registry, record, running),
            ):
                if context.past is None:
                    clear_away_lost(context.registry, running)
                with on_a_copy(run) if dry else nullcontext():
                    yield run
        except (TerminationSignal, KeyboardInterrupt):
            why = f"it was told to stop; {what_remains(context.registry, run.id)}"
            end_run(run, RunEnding(INTERRUPTED, "none", why))
            raise
        except BaseException as error:
            said = ending_of(error), promoted_before(context.registry, run.id)
            end_run(run, RunEnding("failed", "none", "; ".join(filter(None, said))))
            if isinstance(error, StepFailed) and not by_prefect():  # which would tell the places in the code
                run_logger().error("Encountered exception during run %s", run.id, exc_info=error)
            raise
        finally:
            if context.past is None and (complaint := deliver_promotions(context.registry, context.settings)):
                run_logger().warning(complaint)


@contextmanager
def on_a_copy(run: Run) -> Iterator[None]:
    """Let a run's steps work with a copy of the registry, which is thrown away: files are stored by what they hold.

    So a dry run is the real one, step by step, and needs no step of its own that could do otherwise.
    """
    whole = run.context
    with TemporaryDirectory() as folder, open_registry(f"sqlite:///{folder}/registry.db") as copy:
        copy_registry(whole.registry.engine, copy.engine)
        run.context = replace(whole, registry=copy)
        try:
            yield
        finally:
            run.context = whole


def end_run(run: Run, ending: RunEnding, work_key: str | None = None) -> str:
    """Record how the run ended, and which work it need not do again; returns its outcome, for the flow to return."""
    came_to, ending = ending, run.told(ending)
    if run.context.past:
        run.timings |= run.context.past.tally()
    run.registry.finish_run(run.id, ending, work_key=None if run.dry else work_key, timings=run.timings)
    if run.context.past is None:
        detail = more_of(run.context.registry, run.id, came_to, run.attention)
        rename(ended_name(run.model, run.rows, ending, detail), tags(runtime.flow_run.tags, run.model, ending.outcome))
    run_logger().info("%s: %s", ending.outcome, ending.reason)
    if ending.outcome not in STATES:
        return ending.outcome
    # To Prefect that is success under a name of its own; whoever calls the flow gets the state's data.
    return cast("str", Completed(name=STATES[ending.outcome], message=ending.reason, data=ending.outcome))


class Step(Task[P, R]):
    """A task that is a plain function to a flow that is one: no server is asked."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, by Prefect or not."""
        return super().__call__(*args, **kwargs) if by_prefect() else self.fn(*args, **kwargs)


def step(name: str) -> Callable[[Callable[Concatenate[Run, P], R]], Task[Concatenate[Run, P], R]]:
    """Make a function, whose first argument is the run, a Prefect task that adds its seconds to the run's timings.

    Its result is never taken from a cache: what has been done already is in the registry.
    """

    def decorate(function: Callable[Concatenate[Run, P], R]) -> Task[Concatenate[Run, P], R]:
        @functools.wraps(function)
        def timed(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            started = time.perf_counter()
            try:
                with foreseen(f"step '{name}' of model '{run.model}'", run.context.settings.cache):
                    return function(run, *args, **kwargs)
            finally:
                run.timings[name] = time.perf_counter() - started

        return Step(timed, name=name, task_run_name=name, cache_policy=NO_CACHE)

    return decorate
