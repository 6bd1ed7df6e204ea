"""A command without a Prefect server calls its flow as a plain function, and all that matters is the same."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from cli.running import run_to_its_end
from db.records import RunEnding, RunRecord
from db.registry import open_registry
from errors import StepFailed
from flows.watch import watch
from settings import Settings
from tasks.logs import by_prefect, unlogged
from tasks.run import Run, end_run, recorded_run, step
from tiny import TINY

NAME = "Jane Doe"


@pytest.fixture(autouse=True)
def no_server(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has named a server, and none may be started."""
    monkeypatch.setattr("tasks.run.load_spec", lambda *_: TINY)
    monkeypatch.setattr("prefect.server.api.server.SubprocessASGIServer.start", refuse)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def refuse(*_: Any, **__: Any) -> None:
    """Start nothing."""
    raise AssertionError("a server was started")


def plain(body: Callable[[Run], None]) -> Any:
    """A flow, as far as a command without a server knows it."""

    def run_body(model: str) -> str:
        with recorded_run(model) as run:
            body(run)
            return end_run(run, RunEnding("waiting", "wait", "all is well"))

    return SimpleNamespace(fn=run_body)


def newest(home: Settings) -> RunRecord:
    """The run that was recorded last."""
    with open_registry(home.database_url) as registry:
        return registry.runs("tiny", limit=1)[0]


def test_a_flow_runs_without_a_server(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The real one, with its steps; its run is recorded as one that a person asked for."""
    assert run_to_its_end(watch, "tiny") == "no new data"
    run = newest(home)
    assert (run.outcome, run.trigger, run.flow_run_id) == ("no new data", "by hand", None)
    assert capsys.readouterr().out == "no new data\n"


def test_what_a_step_finds_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As a worker's log has it."""
    with caplog.at_level(logging.INFO, "evergreen"):
        run_to_its_end(plain(lambda _: None), "tiny")
    assert "waiting: all is well" in caplog.text


def test_sigterm_interrupts_the_run(home: Settings) -> None:
    """The registry has it as interrupted, and the process ends as one that was told to."""
    before = signal.getsignal(signal.SIGTERM)

    def stopped(_: Run) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    with pytest.raises(SystemExit) as ended:
        run_to_its_end(plain(stopped), "tiny")
    assert ended.value.code == 128 + signal.SIGTERM
    assert newest(home).outcome == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_that_nobody_foresaw_shows_its_places_once_and_no_words(
    home: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Since the words of a library may quote a row."""

    @step("stumble")
    def stumble(_: Run) -> None:
        float(NAME)

    with pytest.raises(StepFailed, match="step 'stumble'"):
        run_to_its_end(plain(stumble), "tiny")
    (told,) = [record for record in caplog.records if record.exc_text]
    assert "in stumble" in str(told.exc_text)
    assert NAME not in caplog.text + str(newest(home).reason)


def test_a_backtest_within_a_flow_of_prefects_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps are no task runs."""
    monkeypatch.setattr("tasks.logs.FlowRunContext", SimpleNamespace(get=lambda: "a flow"))
    assert by_prefect()
    with unlogged():
        assert not by_prefect()


def test_a_log_that_nobody_reads_ends_no_run() -> None:
    """As by `evergreen watch flights 2> >(head -1)`: what it came to is printed all the same."""
    reader, writer = os.pipe()
    os.close(reader)
    without = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "cli.main", "watch", "flights"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, text=True, check=False, env=without)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "no new data\n")
