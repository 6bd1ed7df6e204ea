"""However `evergreen up` is told to stop, and whatever goes wrong while it does, it leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cli.supervisor import Service
from cli.up import ENDS, MARK, Up, stop
from settings import Settings
from tasks.lease import has_process

TOLD = """
import time
from cli.up import end_when_told
end_when_told()
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


# Tests that run under `nohup` themselves hand it on.
@pytest.mark.parametrize("before", [["env", "--default-signal=HUP"], ["nohup"]])
def test_a_closed_terminal_stops_it_as_ctrl_c_does(before: list[str]) -> None:
    """Else server and worker, in sessions of their own, would go on with nobody to stop them; `nohup` asks to go on."""
    command = [*before, sys.executable, "-c", TOLD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGHUP)
        if before == ["nohup"]:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
        assert process.stdout.readline() == b"stopped\n"


def test_no_process_is_left_whatever_goes_wrong_while_it_stops(home: Settings) -> None:
    """An error that nobody foresaw is shown once all of them have ended."""
    sleeps = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    services = [
        Service(name, lambda: subprocess.Popen(sleeps, start_new_session=True)) for name in ("server", "worker")
    ]
    for service in services:
        service.begin()
    registry: Any = SimpleNamespace(open_runs=lambda: 1 / 0)
    arriving: Any = SimpleNamespace(end=lambda: None)
    before = {number: signal.getsignal(number) for number in ENDS}
    try:
        with pytest.raises(ZeroDivisionError):
            stop(Up("http://127.0.0.1:9", {}, *services, registry, home, arriving))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert [service.ended for service in services] == [True, True]


STARTED = "import os, signal, time; {}; print(flush=True); time.sleep(60)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def flow_run(run: str, mark: str, heeds: str = "") -> subprocess.Popen[bytes]:
    """A process as a worker with a mark starts it for a flow run, once it is there."""
    marks = {"PREFECT__FLOW_RUN_ID": run, MARK: mark}
    command = [sys.executable, "-S", "-c", STARTED.format(heeds or "pass")]
    process = subprocess.Popen(command, env=os.environ | marks, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def stopped(home: Settings, *open_runs: Any) -> None:
    """Stop an `evergreen up` whose server and worker have ended already."""
    ended = Service("ended", lambda: subprocess.Popen([sys.executable, "-S", "-c", ""]))
    ended.begin().wait()
    registry: Any = SimpleNamespace(open_runs=lambda: open_runs)
    arriving: Any = SimpleNamespace(end=lambda: None)
    before = {number: signal.getsignal(number) for number in ENDS}
    try:
        stop(Up("http://127.0.0.1:9", {MARK: "ours"}, ended, ended, registry, home, arriving))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_process_that_has_begun_no_run_in_its_time_is_ended_too(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it imports it is no run's; later it would begin one that nobody ends. Other workers' are left alone."""
    monkeypatch.setattr("cli.up.INTERRUPT_SECONDS", 0.5)
    with flow_run("d2719b5c", "ours", DEAF) as ours, flow_run("7d0a9c11", "theirs") as theirs:
        stopped(home)
        assert ours.wait(1) == -signal.SIGKILL
        assert [has_process("d2719b5c"), has_process("7d0a9c11")] == [False, True]
        theirs.kill()


def test_runs_whose_worker_was_killed_have_their_time_too(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker that was started in its place knows nothing of them; nor is a run of another worker told."""
    heeds = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), os._exit(3)))"
    with flow_run("d2719b5c", "ours", heeds) as ours, flow_run("7d0a9c11", "theirs", heeds) as theirs:
        monkeypatch.setattr("tasks.lease.process_of", lambda _, run: run.process)
        stopped(home, *(SimpleNamespace(trigger="deployment a", process=one.pid) for one in (ours, theirs)))
        assert (ours.wait(1), theirs.poll()) == (3, None)
        theirs.kill()
