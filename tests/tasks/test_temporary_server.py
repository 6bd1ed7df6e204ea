"""A temporary Prefect server is ended when its run was killed, and no other process is ever taken for it."""

from __future__ import annotations

import signal
import subprocess
import sys

from tasks.temporary_server import MARK, end, started_here


def test_the_server_of_a_killed_run_is_ended_and_nothing_else() -> None:
    """It is known by its command and its birth, since numbers of processes are used again."""
    server = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", MARK])
    try:
        noted = started_here()
        number, _, birth = noted.partition(" ")
        assert number == str(server.pid)
        assert not end(f"{number} {birth[:-4]}1999")
        assert not end("")
        assert server.poll() is None
        assert end(noted)
        assert server.wait(10) == -signal.SIGTERM
        assert not end(noted)
    finally:
        server.kill()
        server.wait()
