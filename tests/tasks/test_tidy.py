"""Tidy: nothing is Running that is not, no slot is held by the dead, and what waits twice waits once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Pending, Running, Scheduled, State

from db.records import INTERRUPTED, RunEnding
from db.registry import ModelRegistry, open_registry
from settings import Settings
from tasks.tidy import Place, doubles, resume, tidy

DEPLOYMENT, DELETED = uuid4(), uuid4()
AGO = datetime.now(UTC) - timedelta(minutes=5)


def flow_run(state: State[Any], *, pool: str | None = "local", auto: bool = True, **parameters: object) -> FlowRun:
    """A flow run of a deployment, which has been in its state for five minutes."""
    state.timestamp = AGO
    return FlowRun(
        flow_id=uuid4(),
        deployment_id=DEPLOYMENT,
        work_pool_name=pool,
        state=state,
        auto_scheduled=auto,
        expected_start_time=AGO,
        parameters={"model": "tiny", **parameters},
    )


class Server:
    """A Prefect server, as far as tidying asks it; it keeps its runs in memory."""

    def __init__(self, *runs: FlowRun) -> None:
        self.runs = {run.id: run for run in runs}

    def read_flow_runs(self, *, flow_run_filter: Any, **_: object) -> list[FlowRun]:
        """Those in the asked type of state."""
        wanted = flow_run_filter.state.type.any_
        return [run for run in self.runs.values() if run.state and run.state.type in wanted]

    def read_flow_run(self, key: UUID) -> FlowRun:
        """One of them."""
        if key not in self.runs:
            raise ObjectNotFound(http_exc=KeyError(key))
        return self.runs[key]

    def read_deployment(self, key: UUID) -> SimpleNamespace:
        """The folder that it was registered from; somebody has deleted the one that is DELETED."""
        if key == DELETED:
            raise ObjectNotFound(http_exc=KeyError(key))
        folder = str(Path.cwd()) if key == DEPLOYMENT else "/of/another/project"
        named = {"prefect.deployments.steps.set_working_directory": {"directory": folder}}
        return SimpleNamespace(pull_steps=[{"anybody.s.step": None}, named])

    def set_flow_run_state(self, key: UUID, state: State[Any], *, force: bool) -> None:
        """Put one into a state, whatever it was in."""
        assert force
        self.runs[key].state = state

    def read_task_runs(self, **_: object) -> list[object]:
        """No task runs."""
        return []

    def named(self, run: FlowRun) -> tuple[str, str]:
        """Name and message of the state that a run is in now."""
        state = self.runs[run.id].state
        assert state is not None
        return str(state.name), str(state.message)


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """A registry that knows the tiny model."""
    with open_registry(home.database_url) as registry:
        registry.add_model("tiny")
        yield registry


@pytest.fixture
def place(registry: ModelRegistry, home: Settings) -> Place:
    """The pool `local`, as seen five minutes later, so that all leases are over."""
    return Place(registry, home.running, "local", now=datetime.now(UTC) + timedelta(minutes=5))


def test_a_killed_run_ends_with_the_same_reason_in_the_registry_and_in_prefect(place: Place) -> None:
    """Its flow run crashes, which frees its slot; a second look finds nothing to do."""
    dead = flow_run(Running())
    server = Server(dead)
    place.registry.start_run("tiny", trigger="deployment x", flow_run_id=str(dead.id))
    told = str(tidy(server, place))
    (ended,) = place.registry.runs("tiny")
    assert server.named(dead) == ("Crashed", ended.reason)
    assert told == f"run {ended.id} of tiny was ended: {ended.reason}; 1 runs without a process are crashed now"
    assert str(tidy(server, place)) == ""


def test_a_run_that_ended_while_prefect_was_away_is_crashed_there_later(place: Place) -> None:
    """Also one whose process took the news along: the registry has how it ended."""
    dead, alive = flow_run(Running(), pool=None), flow_run(Running())
    server = Server(dead, alive)
    run = place.registry.start_run("tiny", trigger="by hand", flow_run_id=str(dead.id))
    place.registry.finish_run(run.id, RunEnding("rejected", "retrain", "no better"))
    run = place.registry.start_run("tiny", trigger="by hand", flow_run_id=str(alive.id))
    now = datetime.now(UTC)
    assert tidy(server, Place(place.registry, place.running, "local", now=now)).crashed == 0
    assert tidy(server, Place(place.registry, place.running, "local", now=now + timedelta(seconds=45))).crashed == 1
    assert server.named(dead) == ("Crashed", f"its process was killed: run {run.id - 1} ended rejected, no better")
    assert server.named(alive)[0] == "Running"


def test_a_resumed_run_is_not_judged_by_how_it_was_cut_short(place: Place) -> None:
    """Between its start and its own record, the registry has only that of before: it may need its time to begin."""
    again, silent = flow_run(Running()), flow_run(Running())
    for resumed, seconds in ((again, 5), (silent, 120)):
        assert resumed.state is not None
        resumed.state.timestamp = place.now - timedelta(seconds=seconds)
        run = place.registry.start_run("tiny", trigger="deployment x", flow_run_id=str(resumed.id))
        place.registry.finish_run(run.id, RunEnding(INTERRUPTED, "none", "told to stop"))
    server = Server(again, silent)
    assert tidy(server, place).crashed == 1
    assert server.named(again)[0] == "Running"
    assert server.named(silent) == ("Crashed", "its process was killed before it recorded a run")


def test_what_never_began_begins_again_and_what_recorded_nothing_is_crashed(place: Place) -> None:
    """In our pool and folder only: of runs in other ones nobody here knows whether they live."""
    pending, elsewhere = flow_run(Pending()), flow_run(Pending(), pool="other")
    silent, far, foreign = flow_run(Running()), flow_run(Running(), pool="other"), flow_run(Running())
    foreign.deployment_id = uuid4()
    server = Server(pending, elsewhere, silent, far, foreign)
    done = tidy(server, place)
    assert (done.crashed, done.rescheduled, done.skipped) == (1, 1, 0)
    assert server.named(pending) == ("Rescheduled", "its worker was gone before it began")
    assert server.named(silent) == ("Crashed", "its process was killed before it recorded a run")
    assert [server.named(run)[0] for run in (elsewhere, far, foreign)] == ["Pending", "Running", "Running"]


def test_runs_of_a_deleted_deployment_are_left_alone_and_stop_nothing(place: Place) -> None:
    """Nobody knows any more which folder they were of; the other ones are tidied all the same."""
    left, running, pending = flow_run(Running()), flow_run(Running()), flow_run(Pending())
    running.deployment_id = pending.deployment_id = DELETED
    server = Server(running, pending, left)
    assert (tidy(server, place).crashed, server.named(left)[0]) == (1, "Crashed")
    assert [server.named(run)[0] for run in (running, pending)] == ["Running", "Pending"]


def test_a_clock_that_was_set_back_hides_nothing(place: Place) -> None:
    """What ended, or was handed to a worker, at an instant that is yet to come is as old as it is."""
    ended, silent = flow_run(Running()), flow_run(Running())
    assert silent.state is not None
    silent.state.timestamp = datetime.now(UTC)
    run = place.registry.start_run("tiny", trigger="deployment x", flow_run_id=str(ended.id))
    place.registry.finish_run(run.id, RunEnding("rejected", "retrain", "no better"))
    server = Server(ended, silent)
    assert tidy(server, replace(place, now=datetime.now(UTC) - timedelta(hours=1))).crashed == 2


def test_what_takes_long_to_begin_is_left_to_its_process(place: Place) -> None:
    """On a busy machine; put back, it would begin twice, and lose its slot as soon as it begins."""
    slow, silent = flow_run(Pending()), flow_run(Running())
    server = Server(slow, silent)
    import_for_long = [sys.executable, "-c", "import time; time.sleep(60)"]
    begun = [Popen(import_for_long, env={"PREFECT__FLOW_RUN_ID": str(run.id)}) for run in (slow, silent)]
    try:
        assert str(tidy(server, place)) == ""
    finally:
        for process in begun:
            process.kill()
            process.wait()
    assert [(done := tidy(server, place)).rescheduled, done.crashed] == [1, 1]


def test_a_run_that_just_began_and_the_one_that_tidies_are_left_alone(place: Place) -> None:
    """A worker needs its time; and whoever tidies is alive."""
    young, tidying = flow_run(Pending()), flow_run(Running())
    assert young.state is not None
    young.state.timestamp = place.now
    done = tidy(Server(young, tidying), Place(place.registry, place.running, "local", but=tidying.id, now=place.now))
    assert str(done) == ""


def test_of_a_weeks_missed_runs_one_is_left(place: Place) -> None:
    """The newest, for each deployment and what it is asked for; those to come are not touched."""
    missed = [flow_run(Scheduled(name="Late")) for _ in range(60)]
    for minute, run in enumerate(missed):
        run.expected_start_time = AGO + timedelta(seconds=minute)
    other, to_come = flow_run(Scheduled(), from_scratch=True), flow_run(Scheduled())
    to_come.expected_start_time = place.now + timedelta(hours=1)
    server = Server(*missed, other, to_come)
    assert tidy(server, place).skipped == 59
    left = [run for run in server.runs.values() if run.state and run.state.is_scheduled()]
    assert left == [missed[-1], other, to_come]
    assert server.named(missed[0])[0] == "Skipped"


def test_what_a_person_asked_for_is_the_one_that_stays() -> None:
    """The schedule's runs do the same work, so they go."""
    by_hand = flow_run(Scheduled(), auto=False)
    by_hand.expected_start_time = AGO - timedelta(minutes=9)
    scheduled = flow_run(Scheduled())
    assert doubles([by_hand, scheduled]) == (scheduled,)
    assert doubles([by_hand]) == ()


def test_what_was_interrupted_goes_on_and_what_a_person_cancelled_does_not(registry: ModelRegistry) -> None:
    """Once: when a run of the model has come since, or it was put to wait already, nothing is started."""
    cut, finished, removed = flow_run(Crashed()), flow_run(Completed()), flow_run(Crashed())
    removed.deployment_id = DELETED  # a worker would find nothing to begin
    server = Server(cut, finished, removed)
    for model, found in (("tiny", cut), ("other", finished), ("old", removed)):
        registry.add_model(model)
        run = registry.start_run(model, trigger="deployment x", flow_run_id=str(found.id))
        registry.finish_run(run.id, RunEnding(INTERRUPTED, "none", "told to stop"))
    registry.add_model("gone")
    run = registry.start_run("gone", trigger="by hand", flow_run_id=str(uuid4()))  # of a server that is gone
    registry.finish_run(run.id, RunEnding(INTERRUPTED, "none", "told to stop"))
    assert [run.model for run in resume(server, registry)] == ["tiny"]
    assert server.named(cut)[0] == "Resuming"
    assert resume(server, registry) == ()
