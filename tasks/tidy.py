"""Tidy: runs that were killed end with a reason, in the registry and in Prefect, and what waits twice waits once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Scheduled

from db.records import INTERRUPTED, LOST, RunRecord
from db.registry import ModelRegistry, open_registry
from db.runs import LEASE
from settings import get_settings
from tasks.flow_runs import SERVER_ERRORS, crash, find, find_all, folders_behind, since
from tasks.lease import forget, has_process, is_dead_here, process_of
from tasks.logs import by_prefect, run_logger

POOL = "local"  # of a tidy flow that was started by hand: the one of `evergreen up`
BEGINNING = timedelta(seconds=90)  # a flow that shows nothing for longer has no process: it records its run at once
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tidied:
    """What was tidied, for a line that says so.

    Args:
        lost: runs of the registry that were open, and whose process is gone.
        crashed: flow runs that Prefect took for running.
        rescheduled: flow runs whose worker was gone before they began.
        skipped: flow runs that waited for what another one, which waits too, will do.
    """

    lost: tuple[RunRecord, ...] = ()
    crashed: int = 0
    rescheduled: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        """The line; nothing where nothing was to be done."""
        parts = [f"run {run.id} of {run.model} was ended: {run.reason}" for run in self.lost]
        parts += [f"{self.crashed} runs without a process are crashed now"] * bool(self.crashed)
        parts += [f"{self.rescheduled} runs that had no worker will begin again"] * bool(self.rescheduled)
        parts += [f"{self.skipped} missed or waiting runs were skipped: one does the work of all"] * bool(self.skipped)
        return "; ".join(parts)


@dataclass(frozen=True)
class Place:
    """Where to tidy.

    Args:
        registry: of the runs.
        running: the folder where this machine keeps the files of what runs.
        pool: the work pool whose workers use this registry; of other ones only recorded runs are known.
        beginning: for how long a flow run may show nothing, after it was handed to a worker.
        but: a flow run that is left alone, since it is the one that tidies.
        folder: the project's: of deployments that were registered from another one this registry knows nothing.
    """

    registry: ModelRegistry
    running: Path
    pool: str
    beginning: timedelta = BEGINNING
    but: UUID | None = None
    folder: Path = field(default_factory=Path.cwd)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def end_lost_runs(registry: ModelRegistry, running: Path, now: datetime | None = None) -> tuple[RunRecord, ...]:
    """End the open runs, of all models, whose process is gone; returns them with the reason.

    Args:
        registry: of the runs.
        running: the folder where this machine keeps the files of what runs.
        now: the present instant.
    """
    ended = []
    for run in registry.open_runs():
        why = why_lost(run, running, now or datetime.now(UTC))
        if why and registry.lose_run(run, reason := f"{why}; {what_remains(registry, run.id)}"):
            forget(running, run)
            ended.append(replace(run, reason=reason, outcome=LOST))
    return tuple(ended)


def why_lost(run: RunRecord, running: Path, now: datetime) -> str:
    """Why an open run is taken for killed, or "": on this machine that is known, of others the lease tells."""
    if process_of(running, run) is not None:
        return ""
    if is_dead_here(running, run):
        return "its process was killed"
    if run.alive_until and run.alive_until > now:
        return ""
    heard = f"{run.alive_until - LEASE:%Y-%m-%d %H:%M:%S} UTC" if run.alive_until else "it began"
    return f"nothing was heard of it since {heard}: its process was killed, or could not reach the registry"


def what_remains(registry: ModelRegistry, run_id: int) -> str:
    """What a run that was cut short leaves: the version that it promoted, or work that the next one goes on with."""
    return promoted_before(registry, run_id) or "the next run goes on where it was"


def promoted_before(registry: ModelRegistry, run_id: int) -> str:
    """The version that a run had promoted before it came to an end of another kind; "" if none."""
    number = registry.promoted_by(run_id)
    return f"version {number} was promoted before that" if number else ""


def clear_away_lost(registry: ModelRegistry, running: Path) -> None:
    """End what was killed before a run begins. The registry comes first: Prefect may not be there to be told."""
    lost = end_lost_runs(registry, running)
    for run in lost:
        LOGGER.warning("run %s of model '%s' was ended: %s", run.id, run.model, run.reason)
    if by_prefect() and any(run.flow_run_id for run in lost):
        try:
            with get_client(sync_client=True) as client:
                crash_recorded(client, lost)
        except SERVER_ERRORS as error:  # the run that begins is not to fail for it, and the next look tells Prefect
            LOGGER.warning("Prefect could not be told of it: %s", str(error) or type(error).__name__)


def tidy(client: SyncPrefectClient, place: Place) -> Tidied:
    """End what was killed, begin again what never began, and let one run wait where many do."""
    lost = end_lost_runs(place.registry, place.running, place.now)
    crashed = crash_recorded(client, lost) + crash_left(client, place)
    rescheduled = reschedule_pending(client, place)
    return Tidied(lost, crashed, rescheduled, skip_doubled(client, place))


@task(name="tidy up", task_run_name="tidy up", cache_policy=NO_CACHE)
def tidy_up() -> str:
    """Tidy the pool that the flow runs in, and say what was done."""
    settings = get_settings()
    with open_registry(settings.database_url) as registry, get_client(sync_client=True) as client:
        here = client.read_flow_run(UUID(runtime.flow_run.id))
        done = tidy(client, Place(registry, settings.running, here.work_pool_name or POOL, but=here.id))
    run_logger().info("%s", told := str(done) or "nothing to tidy")
    return told


def resume(client: SyncPrefectClient, registry: ModelRegistry) -> tuple[RunRecord, ...]:
    """Start again what was cut short, if no run of its model has come since; a person's cancelling stays."""
    resumed = []
    for run in registry.cut_short((INTERRUPTED, LOST)):
        found = find(client, run.flow_run_id)
        if found and found.state and found.state.is_crashed() and folders_behind(client, found) is not None:
            again: State[Any] = Scheduled(name="Resuming", message=f"it goes on: run {run.id} was cut short")
            client.set_flow_run_state(found.id, again, force=True)
            resumed.append(run)
    return tuple(resumed)


def crash_recorded(client: SyncPrefectClient, lost: Iterable[RunRecord]) -> int:
    """Tell Prefect which runs were killed, so that they free their slot; returns how many it did not know of."""
    found = ((find(client, run.flow_run_id), run.reason or "") for run in lost)
    return sum(crash(client, one, reason) for one, reason in found if one is not None)


def crash_left(client: SyncPrefectClient, place: Place) -> int:
    """Crash what Prefect takes for running although the registry knows that it ended, or that it never began."""
    return sum(
        crash(client, found, reason)
        for found in find_all(client, StateType.RUNNING)
        if found.id != place.but and (reason := why_crashed(client, found, place))
    )


def why_crashed(client: SyncPrefectClient, found: FlowRun, place: Place) -> str:
    """Why a flow run that Prefect takes for running is not, or ""."""
    (run,) = place.registry.runs_of_flow(str(found.id)) or (None,)
    if run is None or (run.finished_at and run.finished_at < since(found)):  # its present start recorded nothing yet
        return "its process was killed before it recorded a run" if _is_stale(client, found, place) else ""
    if run.finished_at is None or abs(place.now - run.finished_at) < BEGINNING / 3:  # it may be telling so just now
        return ""
    return f"its process was killed: run {run.id} ended {run.outcome}, {run.reason}"


def reschedule_pending(client: SyncPrefectClient, place: Place) -> int:
    """Let those begin again whose worker, or process, was gone before they began; returns how many."""
    stale = [found for found in find_all(client, StateType.PENDING) if _is_stale(client, found, place)]
    for found in stale:
        again: State[Any] = Scheduled(name="Rescheduled", message="its worker was gone before it began")
        client.set_flow_run_state(found.id, again, force=True)
    return len(stale)


def skip_doubled(client: SyncPrefectClient, place: Place) -> int:
    """Of the runs of one deployment that are due, and are asked for the same, leave one; returns how many went."""
    due = [found for found in find_all(client, StateType.SCHEDULED, due=place.now) if _is_due(found, place)]
    doubled = doubles(due)
    for found in doubled:
        message = "skipped: another run of this deployment, which is due too, does the same work"
        client.set_flow_run_state(found.id, Cancelled(name="Skipped", message=message), force=True)
    return len(doubled)


def doubles(due: Sequence[FlowRun]) -> tuple[FlowRun, ...]:
    """Those that another one stands for: one that a person asked for, else the newest."""
    stays: dict[tuple[UUID | None, str], FlowRun] = {}
    for found in sorted(due, key=lambda one: (not one.auto_scheduled, one.expected_start_time or since(one))):
        stays[found.deployment_id, json.dumps(found.parameters, sort_keys=True, default=str)] = found
    kept = {found.id for found in stays.values()}
    return tuple(found for found in due if found.id not in kept)


def _is_stale(client: SyncPrefectClient, found: FlowRun, place: Place) -> bool:
    """Whether a flow run is one of our pool and folder, and has shown nothing for too long, and no process here."""
    if abs(place.now - since(found)) <= place.beginning or found.work_pool_name != place.pool:
        return False
    if has_process(str(found.id)):  # it is slow, as all are on a busy machine: put back, it would lose its slot
        return False
    folders = folders_behind(client, found)
    return folders is not None and folders <= {None, str(place.folder)}


def _is_due(found: FlowRun, place: Place) -> bool:
    # One that waits for a slot is put off by half a minute again and again: what it was expected at stays.
    expected = found.expected_start_time
    return found.work_pool_name == place.pool and expected is not None and expected <= place.now
