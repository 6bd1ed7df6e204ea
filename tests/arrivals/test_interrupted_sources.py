"""Sources of events that somebody rotates, removes, trims or recalls while they are read, and names that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from arriving import SPEC, Port, line

from arrivals.event_sources import GrowingFile
from arrivals.events import Event, EventReader
from arrivals.newest import NewestRows
from arrivals.partition_events import At, PartitionEvents
from arrivals.redis_stream import RedisStream
from errors import UnreachableSource

GOOD = '{"at": "2024-01-01T00:00:00Z", "id": "%s", "speed": 1, "city": "Oslo", "late": 1}\n'


def rest(source: GrowingFile, position: str, most: int = 99) -> tuple[list[str], str]:
    """The ids of all that is left, read portion by portion, and the position behind it."""
    found = []
    while portion := source.read(position, most):
        found += [one.row["id"] for one, _ in portion if isinstance(one, Event)]
        position = portion[-1][1]
    return found, position


def rotated(path: Path, *numbers: int, at: int) -> None:
    """Rotate a file as logrotate does, and begin it anew; the times are those at which each was written last."""
    for number in (2, 1):
        if (old := Path(f"{path}.{number}")).exists():
            old.rename(f"{path}.{number + 1}")
    path.rename(f"{path}.1")
    os.utime(f"{path}.1", (at, at))
    path.write_text("".join(GOOD % number for number in numbers))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two events."""
    file = tmp_path / "events.jsonl"
    file.write_text(GOOD % 1 + GOOD % 2)
    return file


def test_a_file_that_was_rotated_twice_is_read_whole(path: Path) -> None:
    """What is left of the old one, then the one between, then the new one, and nothing twice; each is counted."""
    (path.parent / "events.jsonl.9").write_text(GOOD % 0)
    os.utime(path.parent / "events.jsonl.9", (1, 1))
    source = GrowingFile(path, EventReader(SPEC))
    position = source.read(source.begin(), 1)[-1][1]
    rotated(path, 3, 4, at=100)
    rotated(path, 5, at=200)
    assert source.behind(position) == 4
    found, last = rest(source, position, most=1)
    assert found == ["2", "3", "4", "5"]
    assert source.told == [
        "events.jsonl was rotated: events.jsonl.1 is read now",
        "events.jsonl was rotated: the new file is read now",
    ]
    assert rest(source, last) == ([], last)


def test_it_is_told_which_rotated_file_cannot_be_read(path: Path) -> None:
    """One that was compressed meanwhile; the new file is read all the same."""
    source = GrowingFile(path, EventReader(SPEC))
    position = source.read(source.begin(), 9)[-1][1]
    rotated(path, 3, at=100)
    rotated(path, 5, at=200)
    (path.parent / "events.jsonl.1").rename(path.parent / "events.jsonl.1.gz")
    assert rest(source, position)[0] == ["5"]
    why = "events.jsonl was rotated: the new file is read now; events.jsonl.1.gz, rotated since, cannot be read"
    assert source.told == [why]


def test_a_file_that_is_renamed_at_this_moment_stops_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two names there is none; what is left of the old one is read first, as soon as it is seen again."""
    source = GrowingFile(path, EventReader(SPEC))
    position = source.read(source.begin(), 1)[-1][1]
    path.rename(f"{path}.1")
    assert rest(source, position)[0] == ["2"]
    path.write_text(GOOD % 3)
    with monkeypatch.context() as patch:
        real = Path.glob
        patch.setattr(Path, "glob", lambda self, pattern: [*real(self, pattern), path.parent / "events.jsonl.removed"])
        patch.setattr(Path, "open", gone)
        assert (source.read(position, 9), source.behind(position)) == ([], 0)
    assert rest(source, position)[0] == ["2", "3"]


def gone(path: Path, *_: str) -> None:
    """Open a file that was removed just then."""
    raise FileNotFoundError(path)


def test_what_is_no_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """A folder, a named pipe, for which it would wait, and a name that no file can have."""
    os.mkfifo(tmp_path / "pipe")
    for name, why in ((tmp_path, "no file"), (tmp_path / "pipe", "no file"), (Path("a\0"), "cannot be read")):
        with pytest.raises(UnreachableSource, match=why):
            GrowingFile(name, EventReader(SPEC))


@pytest.mark.parametrize("address", ["redis://host:abc/s", "redis://host:99999/s"])
def test_an_address_that_is_none_is_refused_in_a_sentence(address: str) -> None:
    """Whatever the client's library makes of it."""
    with pytest.raises(UnreachableSource, match="events from redis"):
        RedisStream(address, EventReader(SPEC))


def test_a_recall_of_the_partition_that_is_read_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has left what was learned of it has learned nothing of it since."""
    monkeypatch.setattr(PartitionEvents, "_learned_by_champion", lambda _: set())
    port = Port(tmp_path)
    port.registry.add_model(SPEC.name)
    port.land("a.csv", *(line(n) for n in range(4)))
    port.ingest()
    source = PartitionEvents(NewestRows(port.spec, port.registry, port.store, port.home / "cache"))
    begun = source.begin()
    (digest,) = (partition.digest for partition in port.partitions())
    first, second = (str(At(frozenset(), digest, row)) for row in (1, 2))
    port.registry.recall(SPEC.name, digest, reason="wrong", actor="me")
    spoiled = [source.spoiled(since, second) for since in (begun, first, second)]
    assert spoiled == [True, True, False]
