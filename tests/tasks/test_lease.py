"""A run's lease: the living are left alone, the killed found at once, and on other machines by their silence."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tasks.lease
from db.records import LOST
from db.registry import open_registry
from db.runs import LEASE
from settings import Settings
from tasks.lease import is_dead_here, kept_alive, process_of
from tasks.tidy import end_lost_runs

RUNS = """
import sys, time
from pathlib import Path
from db.registry import open_registry
from tasks.lease import kept_alive
registry = open_registry(sys.argv[1])
registry.add_model("tiny")
with kept_alive(registry, registry.start_run("tiny", trigger="by hand"), Path(sys.argv[2])):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_run_that_is_killed_is_ended_by_the_next_look_and_a_living_one_is_not(home: Settings) -> None:
    """At once, without waiting for its lease, and with a reason; nothing is left of it on the disk."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS, home.database_url, str(home.running)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, open_registry(home.database_url) as registry:
        assert process.stdout.readline() == "begun\n"
        (run,) = registry.open_runs()
        assert process_of(home.running, run) == process.pid
        assert end_lost_runs(registry, home.running) == ()

        process.kill()
        process.wait()
        assert is_dead_here(home.running, run)
        (lost,) = end_lost_runs(registry, home.running)
        (ended,) = registry.runs("tiny")
        assert (lost.id, ended.outcome, ended.finished_at is not None) == (run.id, LOST, True)
        assert str(ended.reason).startswith("its process was killed")
        assert list(home.running.iterdir()) == []
        assert end_lost_runs(registry, home.running) == ()


def test_a_run_of_another_machine_is_ended_once_it_has_been_silent_for_a_lease(home: Settings, tmp_path: Path) -> None:
    """There its lock cannot be seen; a living one on this machine may be late by as much as it likes."""
    with open_registry(home.database_url) as registry:
        registry.add_model("tiny")
        here, elsewhere = (registry.start_run("tiny", trigger="by hand") for _ in range(2))
        with kept_alive(registry, here, home.running), kept_alive(registry, elsewhere, tmp_path / "elsewhere"):
            later = datetime.now(UTC) + 2 * LEASE
            assert end_lost_runs(registry, home.running) == ()
            (lost,) = end_lost_runs(registry, home.running, later)
            assert lost.id == elsewhere.id
            assert "nothing was heard of it since" in str(lost.reason)
            assert process_of(home.running, here) == os.getpid()


def test_a_living_run_extends_its_lease(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few seconds; when it has ended, nobody does so any more."""
    monkeypatch.setattr(tasks.lease, "SECONDS_BETWEEN_BEATS", 0.01)
    with open_registry(home.database_url) as registry:
        registry.add_model("tiny")
        run = registry.start_run("tiny", trigger="by hand")
        with kept_alive(registry, run, home.running):
            while (now := registry.open_runs()[0].alive_until) == run.alive_until:
                pass
        assert now is not None
        assert run.alive_until is not None
        assert now > run.alive_until
        (last,) = registry.open_runs()
        assert (registry.open_runs()[0].alive_until, list(home.running.iterdir())) == (last.alive_until, [])
