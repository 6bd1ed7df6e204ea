"""Two of `evergreen up` on one port: the second is refused, and ends only what a killed one left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.supervisor import held
from errors import ServerFailed

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(60)", "-m prefect server"]
HOLDS = """
import sys, time
from pathlib import Path
from cli.supervisor import held
with held(Path(sys.argv[1]), 4200):
    Path(sys.argv[1]).write_text(sys.argv[2])
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_up_ends_nothing_of_a_living_one_and_all_of_a_killed_one(tmp_path: Path) -> None:
    """The lock tells them apart, since the system frees it with its process."""
    noted = tmp_path / "up.pids"
    server = subprocess.Popen(SLEEPS, start_new_session=True)
    command = [sys.executable, "-c", HOLDS, str(noted), str(server.pid)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "held\n"
            with pytest.raises(ServerFailed, match="port 4200: something answers there already"), held(noted, 4200):
                pass
            assert (server.poll(), noted.read_text()) == (None, str(server.pid))
            first.kill()
        with held(noted, 4200) as left_over:
            assert (left_over, server.wait(10)) == (1, -signal.SIGKILL)
    finally:
        server.kill()
        server.wait()
    assert not noted.exists()


def test_nothing_fails_where_there_is_no_ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Debian's slim images: then nothing is known of other processes, and none is ended."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "up.pids").write_text("1")
    with held(tmp_path / "up.pids", 4200) as left_over:
        assert left_over == 0
