"""Small files are taken many at once, and it comes to the same as one by one, whatever is among them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from arriving import SPEC, Port, line

from arrivals import sources
from db.arrival_records import PartitionRecord
from db.registry import ModelRegistry
from errors import ArtifactError
from learning.spec import ModelSpec


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A small model's landing folder."""
    return Port(tmp_path)


def land_good(port: Port, count: int) -> None:
    """Files of three new, good rows each."""
    for file in range(count):
        port.land(f"{file:03}.csv", *(line(3 * file + row) for row in range(3)))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each transaction has recorded so far."""
    sizes: list[int] = []
    one, many = ModelRegistry.record_arrival, ModelRegistry.record_arrivals

    def count_one(registry: ModelRegistry, arrival: Any) -> tuple[PartitionRecord, ...]:
        found = one(registry, arrival)
        sizes.append(1)
        return found

    def count_many(registry: ModelRegistry, arrivals: Any) -> tuple[PartitionRecord, ...]:
        found = many(registry, arrivals)
        sizes.append(len(arrivals))
        return found

    monkeypatch.setattr(ModelRegistry, "record_arrival", count_one)
    monkeypatch.setattr(ModelRegistry, "record_arrivals", count_many)
    return sizes


def test_small_files_are_recorded_more_and_more_at_once(port: Port, recorded: list[int]) -> None:
    """Each is a landed file and a partition of its own all the same."""
    land_good(port, 20)
    arrived = port.ingest()
    assert recorded == [1, 2, 4, 8, 5]
    assert (arrived.files, arrived.rows, len(arrived.partitions)) == (20, 60, 20)
    assert [partition.source_uri for partition in arrived.partitions] == [file.uri for file in port.landed()]
    assert [sorted(map(int, port.rows(p)["id"])) for p in arrived.partitions] == [
        [n, n + 1, n + 2] for n in range(0, 60, 3)
    ]
    assert all((file.rows, file.taken) == (3, 3) for file in port.landed())
    assert port.ingest().files == 0


def test_files_without_rows_are_recorded_too(port: Port) -> None:
    """All but the first hold what that one held."""
    for file in range(6):
        port.land(f"{file}.csv")
    arrived = port.ingest()
    assert (arrived.files, arrived.rows, len(arrived.reasons)) == (6, 0, 5)
    assert len(port.landed()) == 6


def test_twins_are_told(port: Port) -> None:
    """Also where both are new at the same time."""
    for file, number in enumerate([0, 1, 1, 2, 3, 4, 5, 3]):
        port.land(f"{file}.csv", line(number))
    arrived = port.ingest()
    assert [reason[-40:] for reason in arrived.reasons] == [
        f"{port.folder / name} held, which was taken"[-40:] for name in ("1.csv", "4.csv")
    ]
    assert [file.duplicates for file in port.landed()] == [0, 0, 1, 0, 0, 0, 0, 1]


def test_after_an_odd_file_fewer_are_taken_at_once(port: Port, recorded: list[int]) -> None:
    """A folder in which every file is odd costs no more than one by one."""
    land_good(port, 8)
    port.land("001.csv", line(3, speed="fast"))
    port.ingest()
    assert recorded == [1, 1, 1, 2, 3]
    for file in range(10, 15):
        port.land(f"{file:03}.csv", line(file + 100, speed="fast"))
    port.ingest()
    assert recorded[5:] == [1] * 5


def test_large_files_are_taken_one_by_one(port: Port, recorded: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are small as long as they are packed."""
    monkeypatch.setattr(sources, "SMALL", 100)
    land_good(port, 3)
    port.ingest()
    assert recorded == [1] * 3
    monkeypatch.undo()


def test_packed_files_of_many_rows_are_taken_one_by_one(
    port: Port, recorded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file holds when it is unpacked counts, or memory would have no bounds."""
    monkeypatch.setattr(sources, "LARGE", 10)
    land_good(port, 3)
    port.ingest()
    assert recorded == [1] * 3


ODD: tuple[Callable[[int, random.Random], list[str]], ...] = (
    lambda number, _: [line(number, speed="fast"), line(number + 1)],
    lambda number, _: [line(number, late=""), line(number + 1)],
    lambda number, chance: [line(chance.randrange(number + 1)), line(number)],
    lambda number, chance: [line(chance.randrange(number + 1), speed="20")],
    lambda number, chance: [line(chance.randrange(number + 1), late="0")],
    lambda number, _: [line(number), line(number)],
    lambda number, _: [line(number), line(number, speed="30")],
    lambda number, _: [line(number, speed=""), line(number + 1)],
    lambda number, _: [line(number, day=2), line(number + 1, day=1)],
    lambda *_: [],
    lambda *_: ["one field"],
    lambda number, _: [line(number) + ",more"],
    lambda *_: [line(0), line(1)],
)


def land_anything(port: Port, seed: int) -> None:
    """Good files with odd ones among them: bad, empty, late, known, contradicting and repeated rows, and twins."""
    chance = random.Random(seed)  # noqa: S311 - what lands, no secret
    for file in range(60):
        number, odd = 4 * file, chance.random() < (0.1, 0.5)[seed % 2]
        rows = (
            chance.choice(ODD)(number, chance)
            if odd
            else [line(n, day=1 + file // 20) for n in range(number, number + 3)]
        )
        port.land(f"{file:03}.csv", *rows)
    port.land("030.csv", "1", header="another")
    (port.folder / "040.csv").write_bytes(b"")
    (port.folder / "050.txt.gz").write_bytes(b"no gzip")


def outcome(port: Port) -> list[object]:
    """All that an ingest leaves: every file's counts, every partition in order, what it superseded and refused."""
    files = [replace(file, ingest="", stamp="", uri=Path(file.uri).name, at=None) for file in port.landed()]
    found = [replace(one, source_uri=Path(one.source_uri).name, arrived_at=None) for one in port.partitions()]
    refused = [replace(one, source_uri=Path(one.source_uri).name, at=None) for one in port.registry.refusals("small")]
    ledger = [entry.digest for entry in port.registry.ledger("small")]
    return [files, found, refused, ledger, set(port.registry.superseded("small"))]


BY_TIME = replace(SPEC, source=replace(SPEC.source, late="train", corrections="refuse"))
UNPLACED = replace(SPEC, schema=replace(SPEC.schema, key=("id",)))
OTHERWISE = replace(UNPLACED, source=replace(SPEC.source, late="keep", corrections="replace"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spec", [BY_TIME, OTHERWISE], ids=["by time", "otherwise"])
def test_it_comes_to_the_same_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, spec: ModelSpec
) -> None:
    """Counts, partitions, their order and marks, refused rows and corrections."""
    outcomes, reasons = [], []
    for most in (64, 1):
        monkeypatch.setattr(sources, "TOGETHER", most)
        port = Port(tmp_path / str(most), spec)
        land_anything(port, seed)
        reasons.append([reason.replace(str(port.home), "") for reason in port.ingest().reasons])
        outcomes.append(outcome(port))
        port.registry.close()
    assert outcomes[0] == outcomes[1]
    assert reasons[0] == reasons[1]


@pytest.mark.parametrize("all_of_them", [False, True])
def test_files_that_another_process_takes_meanwhile_are_taken_once(
    port: Port, monkeypatch: pytest.MonkeyPatch, *, all_of_them: bool
) -> None:
    """Who comes second has nothing of those files recorded, and takes the others."""
    land_good(port, 12)
    record, calls = ModelRegistry.record_arrivals, 0

    def beaten(registry: ModelRegistry, arrivals: Any) -> tuple[PartitionRecord, ...]:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first one takes the second and the third file
            monkeypatch.setattr(ModelRegistry, "record_arrivals", record)
            other = Port(port.home).with_source(path="small" if all_of_them else "small/00[0-4].csv")
            other.ingest()
            other.registry.close()
        return record(registry, arrivals)

    monkeypatch.setattr(ModelRegistry, "record_arrivals", beaten)
    arrived = port.ingest()
    assert arrived.files == (3 if all_of_them else 3 + 7)
    assert port.every_row()["id"].n_unique() == port.every_row().height == 36
    assert [Path(file.uri).name for file in port.landed()] == [f"{file:03}.csv" for file in range(12)]


def test_a_full_disk_is_no_fault_of_the_files(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once, and the next ingest takes all that is left."""
    land_good(port, 8)
    put, calls = port.store.put, 0

    def full(path: Path, *, kind: str, digest: str) -> Any:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise ArtifactError("file", "no space left", "make room")
        return put(path, kind=kind, digest=digest)

    monkeypatch.setattr(port.store, "put", full)
    with pytest.raises(ArtifactError):
        port.ingest()
    assert calls == 3, "it went on trying"
    monkeypatch.undo()
    assert port.ingest().files == 7
    assert port.every_row().height == 24


def test_rows_are_late_by_the_files_before_them(port: Port) -> None:
    """Also by those that are recorded in the same transaction."""
    days = [1, 2, 3, 5, 4, 6, 6]
    for file, day in enumerate(days):
        port.land(f"{file}.csv", line(file, day=day))
    port.ingest()
    assert [file.late for file in port.landed()] == [0, 0, 0, 0, 1, 0, 0]
    assert [partition.late for partition in sorted(port.partitions(), key=lambda p: p.source_uri)] == [
        day == 4 for day in days
    ]


def test_the_next_process_finds_the_keys(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small partitions' keys are in memory while an ingest runs, and in files when it ends."""
    port.registry.close()
    port = Port(port.home, UNPLACED)
    land_good(port, 20)
    port.ingest()
    port.land("new.csv", line(0), line(1_000))
    monkeypatch.setattr("arrivals.history.History._read_keys", lambda *_: pytest.fail("a partition was read"))
    assert port.ingest().duplicates == 1
    assert pl.concat(map(port.rows, port.partitions())).height == 61
