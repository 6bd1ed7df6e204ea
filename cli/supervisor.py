"""A process that is kept running: started again if it ends by itself, though not for ever, and stopped in order."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.prefect_worker import MODULE
from cli.printing import say_if_heard
from cli.private_server import APP
from errors import ServerFailed

RESTARTS = 5  # of one process,
WITHIN_SECONDS = 600  # in so long: what ends more often will not get well by itself
STOP_SECONDS = 20

Process = subprocess.Popen[bytes]


class Service:
    """One process to keep running.

    Args:
        name: what it is called in a line to a person.
        start: starts it, in a session of its own.
    """

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        self.name, self.start = name, start
        self.process: Process | None = None
        self.ends: list[float] = []

    def begin(self) -> Process:
        """Start the process."""
        self.process = self.start()
        return self.process

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def begin_again(self) -> Process:
        """Start a process again that ended by itself, and say so in a line.

        Raises:
            ServerFailed: it ended too often.
        """
        code = self.process.poll() if self.process else None
        now = time.monotonic()
        self.ends = [*(end for end in self.ends if now - end < WITHIN_SECONDS), now]
        if len(self.ends) > RESTARTS:
            why = f"it ended {len(self.ends)} times in {WITHIN_SECONDS // 60} minutes, the last time {how(code)}"
            raise ServerFailed(f"the {self.name}", why, "read its last lines above")
        say_if_heard(
            f"the {self.name} ended {how(code)}; it starts again ({len(self.ends)} of at most {RESTARTS} times)"
        )
        return self.begin()

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds: float = STOP_SECONDS, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Ask it to end, and end it for sure if it has not after a while.

        Args:
            seconds: how long it may take.
            meanwhile: what is done again and again until it has ended.
        """
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        try:
            while self.process.poll() is None and time.monotonic() < deadline:
                meanwhile()
                time.sleep(0.2)
        finally:
            self.kill()


def how(code: int | None) -> str:
    """How a process ended, in words.

    Example:
        >>> how(-9), how(1)
        ('by SIGKILL', 'with exit code 1')
    """
    if code is not None and code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"with exit code {code}"


@contextmanager
def held(file: Path, port: int) -> Iterator[int]:
    """Hold the file of what an `evergreen up` started while it lives; gives how many a killed one left, now ended.

    The operating system frees the lock at once when its holder is killed: only then are the noted processes left over.

    Args:
        file: where the processes are noted; it is gone in the end.
        port: of the server.

    Raises:
        ServerFailed: another one, which is alive, holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as locked:
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            why = "something answers there already: another `evergreen up`"
            raise ServerFailed(f"port {port}", why, "stop it, or choose another --port") from error
        try:
            yield end_left_over(file)
        finally:
            file.unlink(missing_ok=True)


def end_left_over(file: Path) -> int:
    """End the processes that a killed `evergreen up` left; returns how many there were.

    Args:
        file: where it noted them, each as the number of its process, which leads a group.
    """
    ended = 0
    for number in filter(str.isdigit, file.read_text(encoding="utf-8").split()):
        # The number may be another process's by now: one that is somebody else's, or leads no group, is none of ours.
        with suppress(PermissionError, ProcessLookupError):
            if is_service(number):
                os.killpg(int(number), signal.SIGKILL)
                ended += 1
                wait_until_gone(number)
    return ended


def is_service(number: str) -> bool:
    """Whether a process is a server or a worker, by its command, also one of before the worker was our module."""
    return any(mark in command_of(number) for mark in ("-m prefect ", f"-m {MODULE} ", APP))


def wait_until_gone(number: str) -> None:
    """Wait for a killed process to give its port back."""
    deadline = time.monotonic() + STOP_SECONDS
    while is_service(number) and time.monotonic() < deadline:
        time.sleep(0.1)


def command_of(process: str) -> str:
    """The command of a process, by its number; "" if it is gone, or the system has no `ps`, as slim images."""
    asked = ["ps", "-p", process, "-ww", "-o", "args="]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
