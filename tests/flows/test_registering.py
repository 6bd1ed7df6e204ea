"""What a person set on the server stays set when the deployments are registered again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.schedules import CronSchedule

from cli.registering import POOL, keep_what_is_set, limit_pool, remove_unnamed

HERE = Path("/somewhere/project")
WEEKLY = {"schedule": CronSchedule(cron="0 6 * * 1"), "slug": "weekly"}


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    """A client of the tests' server, on which nothing of this test stays."""
    with get_client(sync_client=True) as client:
        yield client
        for found in client.read_deployments():
            client.delete_deployment(found.id)


def deploy(client: SyncPrefectClient, name: str, folder: Path = HERE, tags: tuple[str, ...] = ("evergreen",)) -> UUID:
    """Register a deployment with a weekly schedule, as `prefect deploy` does for the first time."""
    flow = client.create_flow_from_name("retrain")
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}]
    schedules = [DeploymentScheduleCreate(active=True, **WEEKLY)]
    return client.create_deployment(flow, name, tags=list(tags), pull_steps=pull, schedules=schedules)


def deploy_again(client: SyncPrefectClient, key: UUID, **schedule: Any) -> None:
    """Register it again, as `prefect deploy` does then: it sends `paused: false`, whatever is set."""
    client.update_deployment(key, DeploymentUpdate(paused=False, schedules=[WEEKLY | schedule]))


def schedules(client: SyncPrefectClient, key: UUID) -> dict[str, bool]:
    """Which schedules a deployment has, by their cron, and whether they are active."""
    found = client.read_deployment_schedules(key)
    return {one.schedule.cron: one.active for one in found if isinstance(one.schedule, CronSchedule)}


@pytest.mark.parametrize("slug", ["weekly", None])
def test_what_was_paused_stays_paused(client: SyncPrefectClient, slug: str | None) -> None:
    """A schedule, also one whose cron the file has changed since, and a deployment; what was not goes on."""
    paused, going, whole = (deploy(client, name) for name in ("paused", "going", "whole"))
    if slug is None:
        for key in (paused, going, whole):  # as files without slugs had registered it
            (found,) = client.read_deployment_schedules(key)
            client.delete_deployment_schedule(key, found.id)
            client.create_deployment_schedules(key, [(WEEKLY["schedule"], True)])
    (found,) = client.read_deployment_schedules(paused)
    client.update_deployment_schedule(paused, found.id, active=False)
    client.pause_deployment(whole)

    def register() -> None:
        for key in (going, whole):
            deploy_again(client, key)
        deploy_again(client, paused, schedule=CronSchedule(cron="0 7 * * 1"), active=True)

    assert sorted(keep_what_is_set(client, register)) == ["paused", "whole"]
    assert schedules(client, paused) == {"0 7 * * 1": False}
    assert schedules(client, going) == {"0 6 * * 1": True}
    assert [client.read_deployment(key).paused for key in (paused, going, whole)] == [False, False, True]


def test_a_schedule_that_a_person_added_stays(client: SyncPrefectClient) -> None:
    """Prefect would replace all of them by the file's, as soon as one has no slug."""
    key = deploy(client, "watched")
    client.create_deployment_schedules(key, [(CronSchedule(cron="5 5 5 5 5"), False)])
    keep_what_is_set(client, lambda: deploy_again(client, key))
    assert schedules(client, key) == {"0 6 * * 1": True, "5 5 5 5 5": False}


def test_a_deployment_that_the_file_names_no_more_is_removed(client: SyncPrefectClient) -> None:
    """Else everything ran twice after another name; those of another folder, or of a person, are not ours to remove."""
    for name in ("retrain-new", "retrain-old"):
        deploy(client, name)
    deploy(client, "of-another-folder", Path("/elsewhere"))
    deploy(client, "of-a-person", tags=())
    assert remove_unnamed(client, ["retrain-new"], HERE) == ("retrain-old",)
    assert {found.name for found in client.read_deployments()} == {"retrain-new", "of-another-folder", "of-a-person"}


def test_the_pool_is_limited_once_and_a_persons_limit_stays(client: SyncPrefectClient) -> None:
    """Also where the person took the limit away."""
    try:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        assert [limit_pool(client, 4), limit_pool(client, 8)] == [4, 4]
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=2))
        assert limit_pool(client, 8) == 2
        client.request("PATCH", "/work_pools/{name}", path_params={"name": POOL}, json={"concurrency_limit": None})
        assert limit_pool(client, 8) is None
    finally:
        client.delete_work_pool(POOL)
