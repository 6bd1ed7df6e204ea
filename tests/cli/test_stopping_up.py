"""However `evergreen up` is told to stop, and whatever goes wrong while it does, it leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.supervisor import Service
from cli.up import ENDS, MARK, Up, end_what_is_left, stop
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


def test_a_process_that_has_begun_no_run_yet_is_ended_too(home: Settings) -> None:
    """It hears no polite kill while it imports; later it would begin a run that nobody ends. Others' are left alone."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    marks = {"d2719b5c": str(os.getpid()), "7d0a9c11": "1"}
    ours, other = (
        subprocess.Popen(
            [sys.executable, "-S", "-c", deaf],
            env=os.environ | {"PREFECT__FLOW_RUN_ID": run, MARK: mark},
            stdout=subprocess.PIPE,
        )
        for run, mark in marks.items()
    )
    service = Service("not begun", lambda: 1 / 0)
    registry: Any = SimpleNamespace(open_runs=tuple)
    with ours, other:
        for process in (ours, other):
            assert process.stdout is not None
            process.stdout.readline()
        end_what_is_left(Up("http://127.0.0.1:9", {}, service, service, registry, home, cast("Any", None)))
        assert ours.wait(1) == -signal.SIGKILL
        assert [has_process(run) for run in marks] == [False, True]
        other.kill()
