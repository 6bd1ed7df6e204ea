"""Corrections: another row of a known key takes the place of the one that was taken, wherever rows are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from arriving import Port, line

from arrivals.newest import NewestRows
from db.arrival_records import Superseded

LABELS = "id,at,late"


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A landing folder whose later rows replace earlier ones, with another one for labels."""
    return Port(tmp_path).with_source(labels="labels", corrections="replace")


def label(number: int, late: str) -> str:
    """A label for the row of `line(number)`."""
    return f"{number},2024-01-01T00:00:{number % 60:02}Z,{late}"


def newest_rows(port: Port) -> NewestRows:
    """What a run reads partitions through."""
    return NewestRows(port.spec, port.registry, port.store, port.home / "cache")


def newest(port: Port) -> list[tuple[str, float, float]]:
    """Id, speed and label of every labelled row that counts."""
    frames = [pl.read_parquet(path) for _, path in newest_rows(port).files(port.partitions())]
    return sorted(pl.concat(frames).drop_nulls("late").select("id", "speed", "late").rows())


def kinds(port: Port) -> list[tuple[str, int]]:
    """Kind and rows of each partition, in the order of arrival."""
    return [
        (p.kind, p.rows)
        for p in sorted(
            port.partitions(), key=lambda p: [e.digest for e in port.registry.ledger("small")].index(p.digest)
        )
    ]


def test_a_corrected_row_takes_the_place_of_the_older_one(port: Port) -> None:
    """It is stored again, counted as taken, and nothing reads the older one any more; what was stored stays."""
    port.land("a.csv", line(1), line(2), line(3))
    [first] = port.ingest().partitions
    port.land("b.csv", line(1), line(2, speed="20"), line(4))
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts, arrived.attention) == (1, 0, [])
    assert kinds(port) == [("rows", 3), ("rows", 1), ("corrections", 1)]
    assert newest(port) == [("1", 10.0, 1.0), ("2", 20.0, 1.0), ("3", 10.0, 1.0), ("4", 10.0, 1.0)]
    assert port.rows(first).height == 3
    assert port.registry.superseded("small") == (Superseded(first.digest, arrived.partitions[1].digest, 1),)


@pytest.mark.parametrize("batch", [100, 2, 1])
def test_within_one_file_the_last_row_of_a_key_counts(port: Port, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """However the file is cut into batches, and also if it is read once more."""
    monkeypatch.setattr("arrivals.intake.Intake.batch_rows", batch)
    rows = [line(1), line(1, speed="11"), line(2), line(1, speed="12"), line(2, late="0"), line(3), line(3)]
    port.land("a.csv", *rows)
    port.ingest()
    expected = [("1", 12.0, 1.0), ("2", 10.0, 0.0), ("3", 10.0, 1.0)]
    assert newest(port) == expected
    port.land("a.csv", *rows, line(4))
    port.ingest()
    assert newest(port) == [*expected, ("4", 10.0, 1.0)]


def test_old_rows_that_come_again_correct_nothing(port: Port) -> None:
    """Else a file that grows would bring back what has been corrected since."""
    port.land("a.csv", line(1), line(2))
    port.ingest()
    port.land("b.csv", line(1, speed="11"))
    port.ingest()
    port.land("a.csv", line(1), line(2), line(3))
    arrived = port.ingest()
    assert (arrived.duplicates, [p.kind for p in arrived.partitions]) == (2, ["rows"])
    assert newest(port)[0] == ("1", 11.0, 1.0)


def test_a_correction_keeps_the_label_that_it_does_not_bring(port: Port) -> None:
    """A row without label says nothing about it, whether the label came with the row, later, or comes in this batch."""
    port.land("a.csv", line(1, late=""), line(2, late="0"), line(3, late=""))
    port.land("../labels/l.csv", label(1, "1"), header=LABELS)
    port.ingest()
    port.land("b.csv", *(line(n, speed="20", late="") for n in (1, 2)), line(3, late="0"), line(3, speed="20", late=""))
    port.ingest()
    assert newest(port) == [("1", 20.0, 1.0), ("2", 20.0, 0.0), ("3", 20.0, 0.0)]


def test_a_label_that_comes_after_a_correction_is_for_the_corrected_row(port: Port) -> None:
    """Also if the file that brings it has the older features."""
    port.land("a.csv", line(1, late=""), line(2, late=""))
    port.ingest()
    port.land("b.csv", line(1, speed="20", late=""), line(2, speed="20", late=""))
    port.ingest()
    port.land("../labels/l.csv", label(1, "1"), header=LABELS)
    port.land("c.csv", line(2, late="0"))
    port.ingest()
    assert newest(port) == [("1", 20.0, 1.0), ("2", 20.0, 0.0)]


def test_a_corrected_label_takes_the_place_of_the_older_one(port: Port) -> None:
    """The row as it was taken, with the new label; a label whose row is not there waits, the last one counts."""
    port.land("a.csv", line(1, late=""), line(2, late="0"))
    port.land("../labels/l.csv", label(1, "0"), label(3, "0"), label(3, "1"), header=LABELS)
    assert port.ingest().waiting == 2
    port.land("../labels/m.csv", label(1, "1"), label(2, "1"), header=LABELS)
    assert port.ingest().conflicts == 0
    assert newest(port) == [("1", 10.0, 1.0), ("2", 10.0, 1.0)]
    port.land("b.csv", line(3, late=""))
    assert port.ingest().waiting == 0
    assert newest(port)[2:] == [("3", 10.0, 1.0)]
    port.land("../labels/l.csv", label(1, "0"), label(3, "0"), label(3, "1"), label(3, "1"), header=LABELS)
    assert port.ingest().partitions == ()


def test_a_recalled_correction_brings_the_older_row_back(port: Port) -> None:
    """Of a correction of a correction too; recalling the older partition leaves the newer one."""
    port.land("a.csv", line(1), line(2))
    [first] = port.ingest().partitions
    found = []
    for speed in ("11", "12"):
        port.land(f"{speed}.csv", line(1, speed=speed))
        found += port.ingest().partitions
    assert newest(port) == [("1", 12.0, 1.0), ("2", 10.0, 1.0)]
    port.registry.recall("small", found[1].digest, reason="wrong", actor="a person")
    assert newest(port) == [("1", 11.0, 1.0), ("2", 10.0, 1.0)]
    port.registry.recall("small", found[0].digest, reason="wrong", actor="a person")
    assert newest(port) == [("1", 10.0, 1.0), ("2", 10.0, 1.0)]
    port.land("13.csv", line(1, speed="13"))
    port.ingest()
    port.registry.recall("small", first.digest, reason="wrong", actor="a person")
    assert newest(port) == [("1", 13.0, 1.0)]


def test_a_corrected_row_stays_on_its_side_of_the_holdout(port: Port) -> None:
    """The hash of the key decides, and the key is the same."""
    port.land("a.csv", *(line(n) for n in range(50)))
    [first] = port.ingest().partitions
    port.land("b.csv", *(line(n, speed="20") for n in range(50)))
    [second] = port.ingest().partitions
    sides = [dict(port.rows(partition).select("id", "holdout").rows()) for partition in (first, second)]
    assert sides[0] == sides[1]
    assert 0 < second.holdout_rows < 50


def test_a_correction_of_a_late_row_is_kept_out_of_training_like_it(port: Port) -> None:
    """Late rows that are only kept stay apart, whatever becomes of them."""
    keep = port.with_source(late="keep")
    keep.land("a.csv", line(1, day=9))
    keep.land("b.csv", line(2, day=2))
    keep.ingest()
    keep.land(
        "c.csv", line(1, day=9, speed="20"), line(2, day=2, speed="20"), line(3, day=3), line(3, day=3, speed="20")
    )
    found = [(p.kind, p.late, p.rows) for p in keep.ingest().partitions]
    assert found == [("rows", True, 1), ("corrections", False, 1), ("corrections", True, 2)]


def test_what_one_partition_has_left_is_counted(port: Port) -> None:
    """A partition of which nothing is left is not pending any more."""
    port.land("a.csv", line(1), line(2))
    port.land("b.csv", line(3), line(4, late=""))
    port.ingest()
    port.land("c.csv", line(1, speed="20"), line(2, speed="20"), line(4, speed="20", late=""))
    port.ingest()
    counted = newest_rows(port).counted(port.registry.pending("small"))
    assert sorted((p.kind, p.rows, p.labelled_rows) for p in counted) == [("corrections", 3, 2), ("rows", 1, 1)]


def test_the_file_without_corrected_rows_is_made_once_and_verified(port: Port) -> None:
    """It lies in the cache under a digest of its own; changed or deleted, it is made again."""
    port.land("a.csv", line(1), line(2))
    port.ingest()
    port.land("b.csv", line(1, speed="20"))
    port.ingest()
    before = port.registry.partitions("small")
    files = list(newest_rows(port).files(before))
    assert [digest == partition.digest for (digest, _), partition in zip(files, before, strict=True)] == [False, True]
    path = files[0][1]
    made = path.stat().st_mtime_ns
    assert list(newest_rows(port).files(before)) == files
    assert path.stat().st_mtime_ns == made
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + b"X" + whole[-8:])
    assert newest(port) == [("1", 20.0, 1.0), ("2", 10.0, 1.0)]
    shutil.rmtree(port.home / "cache")
    assert newest(port) == [("1", 20.0, 1.0), ("2", 10.0, 1.0)]


def test_conflicts_are_taken_once_they_may_replace(tmp_path: Path) -> None:
    """A file of conflicts is read again when the source's policy changes; what was kept stays."""
    refusing = Port(tmp_path)
    refusing.land("a.csv", line(1))
    refusing.land("b.csv", line(1, speed="20"))
    assert refusing.ingest().conflicts == 1
    replacing = refusing.with_source(corrections="replace")
    assert replacing.ingest().conflicts == 0
    assert newest(replacing) == [("1", 20.0, 1.0)]
    assert len(replacing.registry.refusals("small")) == 1
