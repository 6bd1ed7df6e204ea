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


def process(home: Path, corrections: str) -> subprocess.Popen[str]:
    """A process that is ready to ingest, and waits to be told."""
    started = subprocess.Popen(
        [sys.executable, str(SUPPORT / "ingesting.py"), str(home), corrections],
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


def land(home: Path, corrections: str) -> Port:
    """Forty files whose rows overlap, with bad rows and with other rows of the same key among them."""
    port = Port(home).with_source(corrections=corrections)
    for file in range(40):
        numbers = range(file * 5, file * 5 + 10)
        speed = [str(file) if n % 3 == 0 else "10" for n in numbers]
        city = ["Oslo" if n % 7 else "Bonn" for n in numbers]
        lines = zip(numbers, speed, city, strict=True)
        port.land(f"{file:02}.csv", *(line(n, day=1 + n // 60, speed=fast, city=place) for n, fast, place in lines))
    return port


@pytest.fixture(params=["refuse", "replace"])
def corrections(request: pytest.FixtureRequest) -> str:
    """What becomes of another row of a known key."""
    return str(request.param)


@pytest.fixture
def alone(tmp_path: Path, corrections: str) -> Port:
    """What one process takes when it is alone."""
    port = land(tmp_path / "alone", corrections)
    port.ingest()
    return port


def outcome(port: Port) -> tuple[object, ...]:
    """Partitions, what each supersedes, and the counts of every file."""
    counts = [(f.taken, f.duplicates, f.conflicts, f.refused) for f in sorted(port.landed(), key=lambda file: file.uri)]
    return {partition.digest for partition in port.partitions()}, set(port.registry.superseded("small")), counts


def test_four_processes_take_what_one_would(tmp_path: Path, alone: Port, corrections: str) -> None:
    """Between them they take every partition, no row twice, and none fails."""
    port = land(tmp_path / "four", corrections)
    four = [process(port.home, corrections) for _ in range(4)]
    for started in four:
        tell(started)
    answers = [started.communicate(timeout=120)[0] for started in four]
    assert [started.returncode for started in four] == [0] * 4
    taken = [digest for answer in answers for digest in json.loads(answer)]
    assert len(taken) == len(set(taken))
    assert set(taken) == {partition.digest for partition in port.partitions()}
    assert outcome(port) == outcome(alone)
    corrected = sum(partition.rows for partition in port.partitions() if partition.kind == "corrections")
    assert (corrected > 0) == (corrections == "replace")
    assert port.every_row()["id"].is_duplicated().sum() == 2 * corrected
    assert len(port.landed()) == 40
    assert sum(record.rows for record in port.landed()) == 400


@pytest.mark.slow
def test_killed_processes_leave_nothing_half_done(tmp_path: Path, alone: Port, corrections: str) -> None:
    """Killed at any moment: the next process does the rest, and the outcome is the same."""
    port = land(tmp_path / "killed", corrections)
    chance = random.Random(7)  # noqa: S311 - a moment, no secret
    for _ in range(12):
        started = process(port.home, corrections)
        tell(started)
        time.sleep(chance.uniform(0.02, 0.4))
        started.kill()
        started.communicate()
    port.ingest()
    assert outcome(port) == outcome(alone)
    assert sum(record.rows for record in port.landed()) == 400
