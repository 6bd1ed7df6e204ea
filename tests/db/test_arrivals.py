"""Recording what arrived: all or nothing, and only on top of what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from arriving import new_registry
from sqlalchemy.exc import IntegrityError

from db.arrival_records import NewArrival, NewLandedFile, NewPartition, NewRefusal, Superseded
from db.registry import ModelRegistry
from errors import ArrivalConflict

DAY = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    """A registry that knows one model."""
    with new_registry(tmp_path / "registry.db") as registry:
        registry.add_model("small")
        yield registry


def new(digest: str, day: int = 1) -> NewPartition:
    """A partition of one row."""
    at = DAY.replace(day=day)
    return NewPartition("small", digest, "a.csv", f"partition/{digest}", "0" * 64, 1, 1, 0, 1, at, at)


def arrival(seen: int, stamp: str, *digests: str) -> NewArrival:
    """A file of some partitions and one bad row."""
    landed = NewLandedFile("a.csv", stamp, "rules", "ingest", rows=len(digests) + 1, taken=len(digests), refused=1)
    bad = NewRefusal(1, "speed is missing", "refused/x")
    return NewArrival("small", seen, landed, tuple(map(new, digests)), (bad,))


def test_a_file_is_recorded_with_its_partitions(registry: ModelRegistry) -> None:
    """Partitions are numbered on, refused rows are there with their reason."""
    registry.record_arrival(arrival(0, "one", "a", "b"))
    registry.record_arrival(arrival(2, "two", "c"))
    assert [entry.digest for entry in registry.ledger("small")] == ["a", "b", "c"]
    assert [entry.digest for entry in registry.ledger("small", after=2)] == ["c"]
    assert [r.reason for r in registry.refusals("small")] == ["speed is missing"] * 2


@pytest.mark.parametrize("late", [arrival(0, "two", "b"), arrival(1, "one", "b"), arrival(1, "two", "a")])
def test_who_did_not_see_the_newest_partition_records_nothing(registry: ModelRegistry, late: NewArrival) -> None:
    """A number that is taken, a file that is recorded, a digest that is known: each undoes the whole."""
    registry.record_arrival(arrival(0, "one", "a"))
    with pytest.raises(ArrivalConflict):
        registry.record_arrival(late)
    assert len(registry.landed_files("small")) == 1
    assert len(registry.refusals("small")) == 1


def test_several_files_are_recorded_together_or_not_at_all(registry: ModelRegistry) -> None:
    """Their partitions are numbered on through all of them; one file that is known undoes the whole."""
    recorded = registry.record_arrivals([arrival(0, "one", "a", "b"), arrival(0, "two"), arrival(0, "three", "c")])
    assert [partition.digest for partition in recorded] == ["a", "b", "c"]
    assert [entry.digest for entry in registry.ledger("small")] == ["a", "b", "c"]
    assert len(registry.refusals("small")) == 3
    with pytest.raises(ArrivalConflict):
        registry.record_arrivals([arrival(3, "four", "d"), arrival(3, "two", "e")])
    assert len(registry.landed_files("small")) == len(registry.ledger("small")) == 3


def test_the_watermark_forgets_what_was_recalled(registry: ModelRegistry) -> None:
    """The newest event time is that of the rows that count."""
    registry.record_arrival(
        NewArrival(
            "small",
            0,
            NewLandedFile("a.csv", "one", "rules", "ingest", rows=2, taken=2),
            (new("a", day=3), new("b", day=9)),
        )
    )
    assert registry.watermark("small") == DAY.replace(day=9)
    registry.recall("small", "b", reason="wrong", actor="a person")
    assert registry.watermark("small") == DAY.replace(day=3)
    assert registry.recalled("small") == {2}


def test_counts_that_do_not_add_up_are_refused(registry: ModelRegistry) -> None:
    """The database itself insists: rows = taken + duplicates + conflicts + refused + waiting."""
    landing = NewLandedFile("a.csv", "one", "rules", "ingest", rows=5, taken=1)
    with pytest.raises(IntegrityError, match="adds_up"):
        registry.record_arrival(NewArrival("small", 0, landing))


def test_a_recalled_correction_supersedes_nothing(registry: ModelRegistry) -> None:
    """What it took the place of counts again; the rest is as it was recorded."""
    registry.record_arrival(arrival(0, "one", "a"))
    newer = replace(arrival(1, "two", "b", "c"), superseded=(Superseded("a", "b", 1), Superseded("b", "c", 1)))
    registry.record_arrival(newer)
    assert registry.superseded("small") == newer.superseded
    registry.recall("small", "c", reason="wrong", actor="a person")
    assert registry.superseded("small") == newer.superseded[:1]
