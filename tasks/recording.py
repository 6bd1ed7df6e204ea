"""A run and its ending: whatever happens inside, the registry says what was decided and why."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from prefect import Task, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE

from tasks.house import opened

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Run:
    """One run of a flow for one model, as the steps pass it on. `timings` collects seconds by step."""

    id: int
    model: str
    timings: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Ending:
    """How a run ended: `outcome` and `decision` in a word, `reason` in a sentence."""

    outcome: str
    decision: str
    reason: str


@contextmanager
def recorded_run(model: str) -> Iterator[Run]:
    """Open a run in the registry; an exception ends it as failed, with its message as the reason.

    A killed process leaves the run open, which is the truth: nobody knows how it ended.
    """
    with opened(model) as house:
        house.registry.add_model(model)
        deployment = runtime.deployment.name
        flow_run_id = runtime.flow_run.id
        record = house.registry.start_run(
            model,
            trigger=f"deployment {deployment}" if deployment else "by hand",
            flow_run_id=str(flow_run_id) if flow_run_id else None,
        )
    run = Run(record.id, model)
    try:
        yield run
    except BaseException as error:
        reason = str(error) or type(error).__name__
        end_run(run, Ending("failed", "none", reason))
        raise


def end_run(run: Run, ending: Ending, work_key: str | None = None) -> str:
    """Record how the run ended, and which work it need not do again; returns its outcome."""
    with opened(run.model) as house:
        house.registry.finish_run(
            run.id,
            outcome=ending.outcome,
            decision=ending.decision,
            reason=ending.reason,
            work_key=work_key,
            timings=run.timings,
        )
    get_run_logger().info("%s: %s", ending.outcome, ending.reason)
    return ending.outcome


def step(name: str) -> Callable[[Callable[Concatenate[Run, P], R]], Task[Concatenate[Run, P], R]]:
    """Make a function, whose first argument is the run, a Prefect task that adds its seconds to the run's timings.

    Its result is never taken from a cache: what has been done already is in the registry.
    """

    def decorate(function: Callable[Concatenate[Run, P], R]) -> Task[Concatenate[Run, P], R]:
        @functools.wraps(function)
        def timed(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> R:
            started = time.perf_counter()
            try:
                return function(run, *args, **kwargs)
            finally:
                run.timings[name] = time.perf_counter() - started

        return task(name=name, task_run_name=name, cache_policy=NO_CACHE)(timed)

    return decorate


def has_champion(model: str) -> bool:
    """Whether the model was bootstrapped."""
    with opened(model) as house:
        return house.registry.find_champion(model) is not None


def newest_run(model: str) -> str:
    """How the newest run ended, in a line."""
    with opened(model) as house:
        (run,) = house.registry.runs(model, limit=1)
    return f"{run.outcome}, {run.reason}"
