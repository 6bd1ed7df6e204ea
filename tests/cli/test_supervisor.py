"""What `evergreen up` keeps running starts again when it ends by itself, in a line, and not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.prefect_server import refuse_taken
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
    """A number that is another program's by now is left alone, also one that leads no group: ours do."""
    left = subprocess.Popen([sys.executable, "-c", SLEEPS, "-m cli.prefect_worker worker"], start_new_session=True)
    other, typed = start(SLEEPS), subprocess.Popen([sys.executable, "-c", SLEEPS, "-m cli.prefect_worker worker"])
    noted = tmp_path / "up.pids"
    noted.write_text(f"{left.pid} {typed.pid} {other.pid}")
    assert end_left_over(noted) == 1
    assert left.wait(10) == -signal.SIGKILL
    for process in (typed, other):
        assert process.poll() is None
        process.kill()
        process.wait()
    assert end_left_over(noted) == 0


def test_a_port_is_free_once_what_had_it_was_ended(tmp_path: Path) -> None:
    """A process that is killed has its port for some moments still: they are waited for."""
    serves = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
    left = subprocess.Popen(
        [sys.executable, "-S", "-c", f"{serves}; time.sleep(60)", "-m prefect server"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    with left:
        assert left.stdout is not None
        port = int(left.stdout.readline())
        (noted := tmp_path / "up.pids").write_text(str(left.pid))
        assert end_left_over(noted) == 1
        refuse_taken(port)


def test_a_line_that_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal was closed, or what read a pipe has ended; the process is started again all the same."""

    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("cli.printing.typer.echo", closed)
    service = Service("worker", lambda: start(SLEEPS))
    service.begin()
    service.kill()
    assert service.begin_again().poll() is None
    service.kill()
