"""Several processes at once, and processes that are killed: the outcome is that of one that ran alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from arriving import Port, line

SUPPORT = Path(__file__).parents[1] / "support"
ROOT = Path(__file__).parents[2]


def process(home: Path) -> subprocess.Popen[str]:
    """A process that is ready to ingest, and waits to be told."""
    started = subprocess.Popen(
        [sys.executable, str(SUPPORT / "ingesting.py"), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}", "POLARS_MAX_THREADS": "2"},
    )
    assert started.stdout
    assert started.stdout.readline() == "ready\n"
    return started


def tell(started: subprocess.Popen[str]) -> None:
    """Let it start."""
    assert started.stdin
    started.stdin.write("go\n")
    started.stdin.flush()


def land(home: Path) -> Port:
    """Forty files whose rows overlap, with bad rows among them."""
    port = Port(home)
    for file in range(40):
        numbers = range(file * 5, file * 5 + 10)
        port.land(f"{file:02}.csv", *(line(n, day=1 + n // 60, city="Oslo" if n % 7 else "Bonn") for n in numbers))
    return port


@pytest.fixture
def alone(tmp_path: Path) -> set[str]:
    """What one process takes when it is alone."""
    port = land(tmp_path / "alone")
    return {partition.digest for partition in port.ingest().partitions}


def test_four_processes_take_what_one_would(tmp_path: Path, alone: set[str]) -> None:
    """Between them they take every partition, no row twice, and none fails."""
    port = land(tmp_path / "four")
    four = [process(port.home) for _ in range(4)]
    for started in four:
        tell(started)
    answers = [started.communicate(timeout=120)[0] for started in four]
    assert [started.returncode for started in four] == [0] * 4
    taken = [digest for answer in answers for digest in json.loads(answer)]
    assert len(taken) == len(set(taken))
    assert set(taken) == alone == {partition.digest for partition in port.partitions()}
    assert port.every_row()["id"].is_unique().all()
    assert len(port.landed()) == 40
    assert sum(record.rows for record in port.landed()) == 400


@pytest.mark.slow
def test_killed_processes_leave_nothing_half_done(tmp_path: Path, alone: set[str]) -> None:
    """Killed at any moment: the next process does the rest, and the outcome is the same."""
    port = land(tmp_path / "killed")
    chance = random.Random(7)  # noqa: S311 - a moment, no secret
    for _ in range(12):
        started = process(port.home)
        tell(started)
        time.sleep(chance.uniform(0.02, 0.4))
        started.kill()
        started.communicate()
    port.ingest()
    assert {partition.digest for partition in port.partitions()} == alone
    assert sum(record.rows for record in port.landed()) == 400
