"""A temporary Prefect server is ended when its run was killed, and no other process is ever taken for it."""

from __future__ import annotations

import subprocess
import sys

from tasks.temporary_server import MARK, end

# A process of its own starts the server: the one that runs the tests may have started another before.
RUN = f"""
import subprocess, sys
from tasks.temporary_server import started_here
server = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", "{MARK}"])
print(started_here(), flush=True)
sys.exit(server.wait() != -15)
"""


def test_the_server_of_a_killed_run_is_ended_and_nothing_else() -> None:
    """It is known by its command and its birth, since numbers of processes are used again."""
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as run:
        noted = run.stdout.readline().strip()
        number, _, birth = noted.partition(" ")
        assert not end(f"{number} {birth[:-4]}1999")
        assert not end("")
        assert run.poll() is None
        assert end(noted)
        assert run.wait(10) == 0
        assert not end(noted)
