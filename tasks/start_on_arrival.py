"""What has landed starts the one deployment that retrains its model: once for the same files, never beside a run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

ARRIVAL = "arrival"  # a tag of the runs that are started so, and their trigger in the registry
SOON = timedelta(minutes=1)  # a run that the schedule starts within this time reads the files too
UNENDED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


def start_on_arrival(client: SyncPrefectClient, model: str, stamps: Collection[str]) -> bool:
    """Start a model's retrain for these files, unless a run is on its way that will read them, or somebody paused it.

    Prefect itself starts a run once for the same key: whoever asks again, after a restart or beside another one, gets
    the run that there was.

    Args:
        client: of the server.
        model: its name.
        stamps: of the files that no run has read.

    Returns:
        Whether a run stands for them now; if not, it is worth asking again later.
    """
    try:
        deployment = client.read_deployment_by_name(f"retrain/retrain-{model}")
    except ObjectNotFound:
        return False
    if deployment.paused or _is_busy(client, deployment.id):
        return False
    key = hashlib.sha256(" ".join(sorted(stamps)).encode()).hexdigest()
    client.create_flow_run_from_deployment(
        deployment.id, idempotency_key=f"{ARRIVAL} {model} {key}", tags=[*deployment.tags, ARRIVAL]
    )
    return True


def _is_busy(client: SyncPrefectClient, deployment: object) -> bool:
    """Whether a run of the deployment goes on, waits, or is due soon."""
    soon = FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC) + SOON})
    unended = FlowRunFilterState(type=FlowRunFilterStateType(any_=UNENDED))
    return bool(
        client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId.model_validate({"any_": [deployment]})),
            flow_run_filter=FlowRunFilter(state=unended, expected_start_time=soon),
            limit=1,
        )
    )
