"""Evergreen's flow runs on a Prefect server: found, read, and crashed with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Crashed

FLOWS = [
    "adopt",
    "approve",
    "bootstrap",
    "online",
    "retrain",
    "tidy",
    "watch",
]  # those that record a run, and tidy itself
# What Prefect's client raises where the server gives no answer, or where somebody deleted a run just then.
SERVER_ERRORS = (HTTPError, PrefectException)
PAGE = 200  # how many runs Prefect gives at most


def find_all(client: SyncPrefectClient, state: StateType, due: datetime | None = None) -> Iterator[FlowRun]:
    """Evergreen's flow runs in one type of state; more than a page of them are seen the next time."""
    yield from client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=FLOWS)),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])),
            expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": due}) if due else None,
        ),
        limit=PAGE,
    )


def find(client: SyncPrefectClient, flow_run_id: str | None) -> FlowRun | None:
    """A flow run, if this server knows it: it may have been another one's."""
    try:
        return client.read_flow_run(UUID(flow_run_id)) if flow_run_id else None
    except ObjectNotFound:
        return None


def crash(client: SyncPrefectClient, found: FlowRun, reason: str) -> bool:
    """Crash a flow run and its tasks, unless it has ended."""
    if found.state is None or found.state.is_final():
        return False
    client.set_flow_run_state(found.id, Crashed(message=reason), force=True)
    states = TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[found.id]))
    for step in client.read_task_runs(task_run_filter=TaskRunFilter(state=states), flow_run_filter=of_run):
        client.set_task_run_state(step.id, Crashed(message=reason), force=True)
    return True


def since(found: FlowRun) -> datetime:
    """Since when a flow run is in its state."""
    return found.state.timestamp if found.state else datetime.now(UTC)


def folders_of(pull_steps: Sequence[Mapping[str, Any]] | None) -> list[str | None]:
    """The folder that each pull step of a deployment names, if it names one: anybody's may have no arguments at all.

    Example:
        >>> folders_of([{"set_working_directory": {"directory": "/shop"}}, {"mine.fetch": None}])
        ['/shop', None]
    """
    given = (arguments for step in pull_steps or () for arguments in step.values())
    return [arguments.get("directory") if isinstance(arguments, dict) else None for arguments in given]


def folders_behind(client: SyncPrefectClient, found: FlowRun) -> set[str | None] | None:
    """The folders that a flow run's deployment names; None of a deployment that is gone, or was never there."""
    try:
        return set(folders_of(client.read_deployment(found.deployment_id).pull_steps)) if found.deployment_id else None
    except ObjectNotFound:  # somebody deleted it: its runs stay
        return None
