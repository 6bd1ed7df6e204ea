"""Weeks of runs while something is killed in each: `python -m benchmarks.operations --only chaos`.

Flow, worker and server are killed at random, and PostgreSQL too, if the registry is in it (`--database postgresql`).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.a_house import MODEL, House, wait
from benchmarks.claims import Claims
from cli.supervisor import RESTARTS, WITHIN_SECONDS
from db.artifacts import ArtifactStore
from db.garbage import collect, orphans

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun

    from db.records import RunRecord

TWO_MINUTES = 120.0
PATIENCE = 600.0  # what is not over by then never will be
MEANWHILE = 0.8  # how often something is killed while a run is at work, rather than before it began
DEPLOYMENT = f"retrain/retrain-{MODEL}"


def chaos(house: House, claims: Claims, asked: argparse.Namespace) -> None:
    """Weeks of arrivals and runs, while something is killed in every week."""
    draw, killed, open_for = random.Random(asked.seed), Counter[str](), [0.0]  # noqa: S311 - the same every time
    at: dict[str, list[float]] = {"worker": [], "server": []}
    others = ["flow", "database"] if house.database else ["flow"]
    for _ in range(asked.weeks):
        house.land()
        begun = begin_retrain(house)
        until, later = draw.random() < MEANWHILE, draw.uniform(0, 15)
        wait(lambda run=begun, until=until: not until or open_runs(house) or is_over(house, run), PATIENCE, "it began")
        time.sleep(later)
        # What ends too often is given up by `up`, as it should be: then it is the others' turn.
        able = [
            name for name, times in at.items() if sum(time.time() - one < WITHIN_SECONDS for one in times) < RESTARTS
        ]
        victim = draw.choice((*others, *able))
        at.get(victim, []).append(time.time())
        since = time.monotonic()
        killed[victim] += kill(house, victim, draw.uniform(0, 20))
        wait(lambda: not any(dead(house)), PATIENCE, "what was killed is ended")
        open_for.append(time.monotonic() - since)
        wait(lambda run=begun: is_over(house, run), PATIENCE, "a run that something was killed beside ended")
    house.run(DEPLOYMENT, PATIENCE)
    print(f"killed: {dict(killed)}", file=sys.stderr)
    claims.at_least("processes killed", killed.total(), asked.weeks / 2, "processes")
    claims.at_most("a run whose process was gone was open, at most", max(open_for), TWO_MINUTES, "s")
    claims.at_most("a run waited for another one's slot, at most", max(waits(house)), TWO_MINUTES, "s")
    for claim, count in losses(house).items():
        claims.at_most(claim, count, 0, "")


def begin_retrain(house: House) -> UUID:
    """Start a retrain; which flow run it is."""
    with house.client() as client:
        found = client.read_deployment_by_name(DEPLOYMENT)
        return client.create_flow_run_from_deployment(found.id).id  # type: ignore[no-any-return]


def is_over(house: House, run: UUID) -> bool:
    """Whether a flow run has ended; a server that is just starting again does not say."""
    from httpx import HTTPError

    with suppress(HTTPError, RuntimeError), house.client() as client:
        return bool(client.read_flow_run(run).state.is_final())
    return False


def open_runs(house: House) -> Sequence[RunRecord]:
    """Runs of the registry that have not ended."""
    with house.registry() as registry:
        return registry.open_runs()


def dead(house: House) -> Iterator[str]:
    """What is said to run and does not: in the registry, by its process; in Prefect, by the registry."""
    from httpx import HTTPError

    from tasks.lease import process_of

    with house.registry() as registry:
        still = {run.flow_run_id: run for run in registry.open_runs()}
        yield from (f"run {run.id}" for run in still.values() if process_of(house.settings.running, run) is None)
        try:
            with house.client() as client:
                for run in running(client):
                    if str(run.id) not in still and registry.runs_of_flow(str(run.id)):
                        yield f"flow run {run.name}"
        except (HTTPError, RuntimeError):
            yield "the server"


def running(client: Any) -> list[FlowRun]:
    """The flow runs that Prefect takes for running."""
    from prefect.client.schemas.filters import FlowRunFilter

    wanted = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING"]}}})
    return list(client.read_flow_runs(flow_run_filter=wanted))


def kill(house: House, victim: str, down: float) -> int:
    """Kill -9 one of them, if it lives just now; how many were killed. A database is started again after seconds."""
    from tasks.lease import process_of

    if victim == "database" and house.database:
        house.database.kill()
        time.sleep(down)
        house.database.begin()
        return 1
    server, worker = [*house.services(), 0, 0][:2]
    flows = [process_of(house.settings.running, run) for run in open_runs(house)]
    number = {"server": server, "worker": worker, "flow": flows[0] if flows else 0}[victim]
    with suppress(ProcessLookupError):
        if number:
            os.kill(number, signal.SIGKILL)
            return 1
    return 0


def waits(house: House) -> Iterator[float]:
    """How many seconds each run of the deployment waited for the slot that another one had."""
    yield 0.0
    with house.client() as client:
        for run in client.read_flow_runs(limit=200):
            states = client.read_flow_run_states(run.id)
            began = [one.timestamp for one in states if one.name == "AwaitingConcurrencySlot"]
            ended = [one.timestamp for one in states if began and one.timestamp > began[0] and one.is_running()]
            if began:
                yield ((ended or [states[-1].timestamp])[0] - began[0]).total_seconds()


def losses(house: House) -> dict[str, int]:
    """What is not as it must be, a count each."""
    store = ArtifactStore(house.settings.artifact_root, house.settings.cache)
    with house.registry() as registry, house.client() as client:
        runs, history = registry.runs(MODEL, limit=10_000), registry.promotions(MODEL)
        line = registry.lineage(MODEL, registry.champion(MODEL).number)
        learned = Counter(one.digest for version in line for one in registry.learned_by(MODEL, version.number))
        collect(registry, store, timedelta(0))
        known = {run.flow_run_id for run in registry.open_runs()}
        print(f"outcomes: {dict(Counter(run.outcome for run in runs))}", file=sys.stderr)
        for said in dict.fromkeys(str(run.reason) for run in runs if run.outcome in {"failed", "lost"}):
            print(f"  {said}", file=sys.stderr)
        return {
            "weeks that were not learned": len(registry.pending(MODEL))
            + house.weeks
            - len(registry.landed_files(MODEL)),
            "weeks learned twice in the champion's line": sum(count > 1 for count in learned.values()),
            "gaps in the promotions": sum(one.sequence != place for place, one in enumerate(history, 1)),
            "runs that ended without a reason": sum(not (run.finished_at and run.reason) for run in runs),
            "runs that ended as nobody foresaw": sum("nobody foresaw" in str(run.reason) for run in runs),
            "files that the registry names and that are gone": len(registry.named_files() - set(store.find())),
            "orphans after gc": len(orphans(registry, store, timedelta(0))),
            "runs Running in the UI that are not": sum(str(run.id) not in known for run in running(client)),
        }
