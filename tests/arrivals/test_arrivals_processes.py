"""Several processes at once, and processes that are killed: the outcome is that of one that ran alone."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from arriving import Port, line
from forked import forked
from ingesting import take

FILES = 20
FILES_TO_KILL_AT = 40


class Taking:
    """A process that is ready to take what arrived, and waits to be told."""

    def __init__(self, port: Port) -> None:
        here, there = forked().Pipe()
        given = there, port.home, port.database, port.spec.source.corrections
        self.process, self._told = forked().Process(target=take, args=given), here
        self.process.start()
        there.close()
        assert here.recv() == "ready"

    def tell(self) -> None:
        """Let it start."""
        self._told.send("go")

    def taken(self) -> list[str]:
        """The partitions that it took, once it has ended well."""
        taken: list[str] = self._told.recv()
        self.process.join(120)
        assert self.process.exitcode == 0
        return taken

    def kill(self) -> bool:
        """End it now; whether it was still at work."""
        working = self.process.is_alive()
        self.process.kill()
        self.process.join()
        return working


def land(home: Path, corrections: str, database: str = "", *, files: int = FILES) -> Port:
    """Many files whose rows overlap, with bad rows and with other rows of the same key among them."""
    port = Port(home, database=database).with_source(corrections=corrections)
    for file in range(files):
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


def alone(home: Path, corrections: str, files: int = FILES) -> tuple[object, ...]:
    """What one process takes when it is alone."""
    port = land(home / "alone", corrections, files=files)
    port.ingest()
    return outcome(port)


def outcome(port: Port) -> tuple[object, ...]:
    """Partitions, what each supersedes, and the counts of every file."""
    counts = [(f.taken, f.duplicates, f.conflicts, f.refused) for f in sorted(port.landed(), key=lambda file: file.uri)]
    return {partition.digest for partition in port.partitions()}, set(port.registry.superseded("small")), counts


@pytest.mark.slow
def test_four_processes_take_what_one_would(tmp_path: Path, corrections: str) -> None:
    """Between them they take every partition, no row twice, and none fails."""
    port = land(tmp_path / "four", corrections)
    four = [Taking(port) for _ in range(4)]
    for started in four:
        started.tell()
    taken = [digest for started in four for digest in started.taken()]
    assert len(taken) == len(set(taken))
    assert set(taken) == {partition.digest for partition in port.partitions()}
    assert outcome(port) == alone(tmp_path, corrections)
    corrected = sum(partition.rows for partition in port.partitions() if partition.kind == "corrections")
    assert (corrected > 0) == (corrections == "replace")
    assert port.every_row()["id"].is_duplicated().sum() == 2 * corrected
    assert len(port.landed()) == FILES
    assert sum(record.rows for record in port.landed()) == 10 * FILES


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """URL of an empty database; none for the port's own in SQLite."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres"))


@pytest.mark.slow
@pytest.mark.parametrize(("corrections", "database"), [("refuse", "sqlite"), ("replace", "postgresql")], indirect=True)
def test_killed_processes_leave_nothing_half_done(tmp_path: Path, corrections: str, database: str) -> None:
    """Four at once, thirty killed at any moment: the next one does the rest, and the outcome is the same."""
    port = land(tmp_path / "killed", corrections, database, files=FILES_TO_KILL_AT)
    chance = random.Random(7)  # noqa: S311 - a moment, no secret
    killed = 0
    while killed < 30:
        four = [Taking(port) for _ in range(4)]
        for started in four:
            started.tell()
        for started in four:
            time.sleep(chance.uniform(0.0, 0.3))
            killed += started.kill()
    port.ingest()
    assert outcome(port) == alone(tmp_path, corrections, FILES_TO_KILL_AT)
    assert sum(record.rows for record in port.landed()) == 10 * FILES_TO_KILL_AT
    port.registry.close()
