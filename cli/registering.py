"""The deployments of prefect.yaml on a server, such that what a person set there stays as it was set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml

from cli.capacity import cores, memory, runs_at_once
from cli.notifying import keep_notifying
from cli.prefect_deploy import run_prefect
from cli.printing import say
from errors import ServerFailed
from learning.catalog import known_models
from settings import get_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse

FILE = Path("prefect.yaml")
POOL = "local"
TAG = "evergreen"  # of deployments that may be removed when prefect.yaml does not name them any more
LIMITED = "Runs of `evergreen up`. Its limit was set by the cores and the memory of the machine; set another, or none."
PAGE = 200


@dataclass(frozen=True)
class Before:
    """One deployment as it was before it was registered again."""

    name: str
    paused: bool
    schedules: tuple[DeploymentSchedule, ...]


def check_deployments(file: Path) -> None:
    """Refuse a folder without deployments: Prefect would find nothing to register only after it has started."""
    if not file.exists():
        fix = "change into the project's folder, or make one: evergreen init FOLDER"
        raise ServerFailed(f"folder {Path.cwd()}", "it has no prefect.yaml", fix)
    if not re.search(r"^ *entrypoint: (?!flows\.(tidy|approve)\.)", file.read_text(encoding="utf-8"), re.MULTILINE):
        raise ServerFailed(f"{file}", "it has no deployments yet", "add a model: evergreen new NAME --from FILE")


def register(client: SyncPrefectClient, environment: Mapping[str, str], deploy: Callable[[], None]) -> None:
    """Register the work pool and the deployments; what a person set on the server stays, and is told.

    Args:
        client: of the server.
        environment: in which commands of Prefect reach it.
        deploy: registers them by Prefect.
    """
    from prefect.exceptions import ObjectNotFound

    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        run_prefect(environment, "work-pool", "create", POOL, "--type", "process")
    limit = limit_pool(client, runs_at_once(cores(), memory()))
    paused = keep_what_is_set(client, deploy)
    if limit is None:
        say(f"the work pool {POOL} has no limit, as somebody wished: all runs that are due run at once")
    else:
        say(f"at most {limit} runs at once; another limit: prefect work-pool set-concurrency-limit {POOL} NUMBER")
    for name in paused:
        say(f"{name} is paused, as somebody wished")
    offer_models(client, known_models(get_settings().model_folders), Path.cwd())
    if keep_notifying(client, get_settings().notify):
        say(f"{get_settings().notify} is told of runs that were promoted, failed, or want a person")
    for name in remove_unnamed(client, names_in(FILE), Path.cwd()):
        say(f"removed the deployment {name}: {FILE} does not name it any more")


def names_in(file: Path) -> tuple[str, ...]:
    """The names of a prefect.yaml's deployments.

    Raises:
        ServerFailed: it is no YAML.
    """
    try:
        content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        place = str(getattr(error, "problem_mark", "")).strip()
        raise ServerFailed(f"{file}", f"it is no YAML {place}", "mend the line") from error
    return tuple(str(deployment.get("name")) for deployment in content.get("deployments") or ())


def deployments(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    """All deployments of a server."""
    offset = 0
    while found := client.read_deployments(limit=PAGE, offset=offset):
        yield from found
        offset += len(found)


def limit_pool(client: SyncPrefectClient, limit: int) -> int | None:
    """Limit the work pool once, if nobody has; returns its limit, None if a person took it away.

    Args:
        client: of the server.
        limit: how many runs at once are right for this machine.
    """
    from prefect.client.schemas.actions import WorkPoolUpdate

    pool = client.read_work_pool(POOL)
    if pool.concurrency_limit is not None or pool.description == LIMITED:
        return pool.concurrency_limit
    client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=limit, description=LIMITED))
    return limit


def keep_what_is_set(client: SyncPrefectClient, register: Callable[[], None]) -> tuple[str, ...]:
    """Register the deployments, and pause again what was paused, since Prefect starts all of it; returns names.

    A schedule that a person added beside those of the file is put back too.
    """
    before = {found.id: Before(found.name, bool(found.paused), tuple(found.schedules)) for found in deployments(client)}
    register()
    now = {found.id: found for found in deployments(client)}
    return tuple(was.name for key, was in before.items() if key in now and _restore(client, was, now[key]))


def _restore(client: SyncPrefectClient, was: Before, found: DeploymentResponse) -> bool:
    """Whether anything of a deployment is paused, as it was."""
    for schedule in _lost(was.schedules, found.schedules):
        client.create_deployment_schedules(found.id, [(schedule.schedule, bool(schedule.active))])
    started = [one for one in found.schedules if one.active and _was_paused(one, was.schedules)]
    for schedule in started:
        client.update_deployment_schedule(found.id, _id(schedule), active=False)
    if was.paused and not found.paused:
        client.pause_deployment(found.id)
    return was.paused or any(not one.active for one in was.schedules)


def _was_paused(schedule: DeploymentSchedule, before: Sequence[DeploymentSchedule]) -> bool:
    """Whether a schedule is one that was paused; so is a new one where all that there were had been paused."""
    same = [one for one in before if _is_same(schedule, one)] or before
    return bool(same) and not any(one.active for one in same)


def _lost(before: Sequence[DeploymentSchedule], now: Sequence[DeploymentSchedule]) -> tuple[DeploymentSchedule, ...]:
    """Schedules that a person added: those of our files have a slug, which the UI gives to none."""
    if not any(one.slug for one in before):
        return ()
    return tuple(one for one in before if not one.slug and not any(_is_same(one, other) for other in now))


def _is_same(one: DeploymentSchedule, other: DeploymentSchedule) -> bool:
    if one.slug or other.slug:
        return one.slug == other.slug
    return one.schedule == other.schedule


def _id(schedule: DeploymentSchedule) -> UUID:
    return UUID(str(schedule.id))


def offer_models(client: SyncPrefectClient, models: Sequence[str], folder: Path) -> None:
    """Let the server offer models by name, and refuse other ones; a deployment that has its model offers that one.

    So its limit and its tags stay right, and what a person misspells is refused before anything runs.

    Args:
        client: of the server.
        models: those of the models folders.
        folder: where the prefect.yaml of the deployments lies.
    """
    from prefect.client.schemas.actions import DeploymentUpdate

    for found in deployments(client):
        schema = deepcopy(found.parameter_openapi_schema or {})
        asked = schema.get("properties", {}).get("model")
        if asked is None or not _made_here(found, folder):
            continue
        mine = found.parameters.get("model")
        if choices := [mine] if mine else list(models):
            asked["enum"] = choices
            client.update_deployment(found.id, DeploymentUpdate(parameter_openapi_schema=schema))


def remove_unnamed(client: SyncPrefectClient, names: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Remove the deployments that this folder's prefect.yaml made, and names no more; their runs stay to be seen.

    Args:
        client: of the server.
        names: of the deployments in the file.
        folder: where the file lies: others may have deployments on the same server.
    """
    left = [found for found in deployments(client) if found.name not in names and _made_here(found, folder)]
    for found in left:
        client.delete_deployment(found.id)
    return tuple(found.name for found in left)


def _made_here(found: DeploymentResponse, folder: Path) -> bool:
    from tasks.flow_runs import folders_of

    return TAG in found.tags and folders_of(found.pull_steps) == [str(folder)]
