"""What `evergreen up` keeps running starts again when it ends by itself, in a line, and not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.supervisor import RESTARTS, Process, Service, end_left_over
from errors import ServerFailed

SLEEPS = "import time; time.sleep(60)"


def start(code: str) -> Process:
    """A Python process in a session of its own."""
    return subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)


def test_what_is_killed_starts_again_and_says_so_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, which says how it ended."""
    service = Service("worker", lambda: start(SLEEPS))
    first = service.begin()
    assert not service.ended
    service.kill()
    assert service.ended
    assert service.begin_again().pid != first.pid
    assert not service.ended
    service.kill()
    told = f"the worker ended by SIGKILL; it starts again (1 of at most {RESTARTS} times)\n"
    assert capsys.readouterr().out == told


def test_what_ends_again_and_again_is_given_up() -> None:
    """With a sentence; what ended long ago does not count."""
    service = Service("server", lambda: start("raise SystemExit(3)"))
    service.ends = [-1e9] * RESTARTS
    service.begin().wait()
    for _ in range(RESTARTS):
        service.begin_again().wait()
    with pytest.raises(
        ServerFailed, match=r"the server: it ended 6 times in 10 minutes, the last time with exit code 3"
    ):
        service.begin_again()


def test_what_does_not_end_when_asked_is_ended_for_sure() -> None:
    """After a while, in which something else is done again and again."""
    polite, stubborn = Service("worker", lambda: start(SLEEPS)), Service("server", lambda: start(STUBBORN))
    done: list[str] = []
    polite.begin()
    process = stubborn.begin()
    polite.stop(10, lambda: done.append("meanwhile"))
    stubborn.stop(0.5)
    assert polite.process is not None
    assert (polite.process.returncode, done != []) == (-signal.SIGTERM, True)
    assert process.returncode in {-signal.SIGKILL, -signal.SIGTERM}
    Service("never begun", lambda: start(SLEEPS)).stop()


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def test_what_a_killed_up_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    """A number that is another program's by now is left alone."""
    left = subprocess.Popen([sys.executable, "-c", SLEEPS, "-m prefect worker"], start_new_session=True)
    other = start(SLEEPS)
    noted = tmp_path / "up.pids"
    noted.write_text(f"{left.pid} {other.pid}")
    assert end_left_over(noted) == 1
    assert left.wait(10) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()
    assert end_left_over(noted) == 0
