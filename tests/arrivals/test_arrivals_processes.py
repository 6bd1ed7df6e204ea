"""Several processes at once, and processes that are killed: the outcome is that of one that ran alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from arriving import Port, line

SUPPORT = Path(__file__).parents[1] / "support"
ROOT = Path(__file__).parents[2]
FILES, ROWS = 40, 400


def process(port: Port) -> subprocess.Popen[str]:
    """A process that is ready to ingest, and waits to be told."""
    started = subprocess.Popen(
        [sys.executable, str(SUPPORT / "ingesting.py"), str(port.home), port.database, port.spec.source.corrections],
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


def land(home: Path, corrections: str, database: str = "") -> Port:
    """Many files whose rows overlap, with bad rows and with other rows of the same key among them."""
    port = Port(home, database=database).with_source(corrections=corrections)
    for file in range(FILES):
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
    four = [process(port) for _ in range(4)]
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
    assert len(port.landed()) == FILES
    assert sum(record.rows for record in port.landed()) == ROWS


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database; none for the port's own in SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    server = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.mark.slow
@pytest.mark.parametrize(("corrections", "database"), [("refuse", "sqlite"), ("replace", "postgresql")], indirect=True)
def test_killed_processes_leave_nothing_half_done(tmp_path: Path, alone: Port, corrections: str, database: str) -> None:
    """Four at once, thirty killed at any moment: the next one does the rest, and the outcome is the same."""
    port = land(tmp_path / "killed", corrections, database)
    chance = random.Random(7)  # noqa: S311 - a moment, no secret
    killed = 0
    while killed < 30:
        four = [process(port) for _ in range(4)]
        for started in four:
            tell(started)
        for started in four:
            time.sleep(chance.uniform(0.0, 0.3))
            killed += started.poll() is None
            started.kill()
            started.communicate()
    port.ingest()
    assert outcome(port) == outcome(alone)
    assert sum(record.rows for record in port.landed()) == ROWS
    port.registry.close()
