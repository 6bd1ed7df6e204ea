"""Arrivals: each good row once, each bad row refused, counts that add up to what landed."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

import polars as pl
import pytest
from arriving import HEADER, SCHEMA, Port, line

from arrivals import listing
from errors import TooManyBadRows


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """An empty landing folder."""
    return Port(tmp_path)


def test_an_empty_landing_folder_is_no_error(port: Port) -> None:
    """Nothing has landed: nothing is taken."""
    assert port.ingest().summary == "no new files"


def test_a_file_becomes_a_partition_of_typed_rows(port: Port) -> None:
    """Columns come typed and in the schema's order, rows by time, with the holdout beside them."""
    port.land("a.csv", line(2, day=2), line(1, speed=""), line(3, day=3, late=""))
    arrived = port.ingest()
    [partition] = arrived.partitions
    rows = port.rows(partition)
    assert rows.schema == {
        "at": pl.Datetime("us", "UTC"),
        "id": pl.String,
        "speed": pl.Float64,
        "city": pl.String,
        "late": pl.Float64,
        "holdout": pl.Boolean,
    }
    assert rows["id"].to_list() == ["1", "2", "3"]
    assert rows["speed"].to_list() == [None, 10.0, 10.0]
    assert (partition.rows, partition.labelled_rows) == (3, 2)
    assert partition.time_from == datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert partition.holdout_rows == rows["holdout"].sum()
    assert tuple(rows.columns) == (*SCHEMA.columns, "holdout")


@pytest.mark.parametrize("name", ["rows[1].jsonl", "rows*.jsonl", "rows[1].csv"])
def test_a_name_with_signs_of_a_pattern_is_a_name(port: Port, name: str) -> None:
    """As browsers call a second download."""
    row = '{"at": "2024-01-01T00:00:01Z", "id": 1, "speed": 10, "city": "Oslo", "late": 1}\n'
    (port.folder / name).write_text(row if name.endswith("jsonl") else f"{HEADER}\n{line(1)}\n")
    arrived = port.ingest()
    assert (arrived.refused_files, [partition.rows for partition in arrived.partitions]) == (0, [1])


def test_a_second_ingest_finds_nothing_new(port: Port) -> None:
    """A file that was taken is not even opened again."""
    port.land("a.csv", line(1))
    port.ingest()
    assert port.ingest().files == 0
    assert len(port.landed()) == 1


def test_the_same_content_under_another_name_is_recorded_and_not_taken(port: Port) -> None:
    """A second delivery counts as duplicates and says what it repeats."""
    port.land("a.csv", line(1), line(2))
    port.ingest()
    port.land("b.csv", line(1), line(2))
    arrived = port.ingest()
    assert (arrived.rows, arrived.duplicates, arrived.partitions) == (2, 2, ())
    assert "holds what" in arrived.reasons[0]


def test_overlapping_rows_are_taken_once(port: Port) -> None:
    """Rows of a known key are not taken, in one file and across files; the first to arrive stays."""
    port.land("a.csv", line(1, speed="1"), line(1, speed="2"), line(2))
    port.land("b.csv", line(2, speed="9"), line(3))
    arrived = port.ingest()
    assert (arrived.rows, arrived.duplicates, arrived.conflicts) == (5, 0, 2)
    assert port.every_row().sort("id").select("id", "speed").rows() == [("1", 1.0), ("2", 10.0), ("3", 10.0)]


def test_a_file_that_grew_gives_its_new_rows_only(port: Port) -> None:
    """A rewrite is another content of the same file; what it repeats is not taken again."""
    port.land("a.csv", line(1), line(2))
    port.ingest()
    port.land("a.csv", line(1), line(2), line(3))
    [partition] = port.ingest().partitions
    assert port.rows(partition)["id"].to_list() == ["3"]
    assert port.landed()[-1].duplicates == 2


def test_bad_rows_are_refused_with_their_reason(port: Port) -> None:
    """Each bad row is kept as it came; the others are taken."""
    port.land(
        "a.csv", line(1), line(2, speed="fast"), line(3, speed="101"), line(4, city="Bonn"), line(5, late="0.5"),
        line(6, city=""), "2024-02-30T00:00:00Z,7,1,Oslo,1", ",8,1,Oslo,1", line(9, speed="inf"), line(10) + ",more",
    )  # fmt: skip
    arrived = port.ingest()
    assert (arrived.rows, arrived.refused) == (10, 9)
    found = {refusal.reason: refusal for refusal in port.registry.refusals("small")}
    assert sorted(found) == [
        "at is missing",
        "at is no time that exists, such as 2013-01-31T17:05:00Z, within the years 1 to 9999",
        "city is missing",
        "city is none of the allowed values Oslo, Rome",
        "late is no whole number",
        "speed is no number",
        "speed is outside 0 to 100",
        "speed is too large for a float32",
        "the row has more fields than the header (6 beside 5)",
    ]
    kept = pl.read_parquet(port.home / "artifacts" / str(found["speed is no number"].uri))
    assert kept.filter(pl.col("reason") == "speed is no number")["speed"].to_list() == ["fast"]


def test_a_file_of_other_columns_is_refused_and_the_rest_go_on(port: Port) -> None:
    """The reason lists what was expected and found, and names the nearest column."""
    port.land("a.csv", "1", header="identity")
    port.land("b.csv", line(1), header=HEADER.replace("speed", "sped"))
    port.land("c.csv", line(2))
    arrived = port.ingest()
    assert [partition.source_uri for partition in arrived.partitions] == [str(port.folder / "c.csv")]
    assert arrived.refused_files == 2
    assert "it has no 'speed' (did you mean 'sped'?)" in arrived.reasons[1]
    assert (
        "expected 'at', 'id', 'speed', 'city', 'late', found 'at', 'id', 'sped', 'city', 'late'" in arrived.reasons[1]
    )
    assert port.ingest().files == 0


def test_a_refused_file_is_taken_when_the_schema_fits(port: Port) -> None:
    """What one schema refuses, another may take."""
    port.land("a.csv", line(1) + ",x", header=HEADER + ",extra")
    assert port.ingest().refused_files == 1
    assert port.with_source(ignore=("extra",)).ingest().rows == 1


def test_a_file_that_cannot_be_read_for_now_waits_and_the_rest_go_on(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost mount is not the file's fault: nothing is recorded of it, and the next run takes it."""

    def refused(stream: BufferedReader, digest: str) -> object:
        if Path(stream.name).name == "a.csv":
            raise OSError(5, "Input/output error", stream.name)
        return file_digest(stream, digest)

    file_digest = hashlib.file_digest
    port.land("a.csv", line(1))
    port.land("b.csv", line(2))
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", refused)
        arrived = port.ingest()
    assert (arrived.rows, arrived.refused_files) == (1, 0)
    assert "cannot be read at the moment" in arrived.reasons[0]
    assert [Path(file.uri).name for file in port.landed()] == ["b.csv"]
    assert port.ingest().rows == 1


def test_a_file_that_changes_while_it_is_read_is_read_again(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the old and half of the new file is nothing that anyone landed."""
    file = port.land("a.csv", line(1))

    def rewritten(file_read: listing.ListedFile) -> bool:
        port.land("a.csv", line(2), line(3))
        os.utime(file, (1, 1))
        return listing.still_same(file_read)

    with monkeypatch.context() as patch:
        patch.setattr("arrivals.sources.still_same", rewritten)
        arrived = port.ingest()
    assert arrived.rows == 0
    assert "changed while it was read" in arrived.reasons[0]
    assert port.partitions() == ()
    assert port.ingest().rows == 2
    assert sorted(port.every_row()["id"]) == ["2", "3"]


def test_too_many_bad_rows_stop_the_run_after_everything_is_recorded(port: Port) -> None:
    """The refusal stands when the run is started again, until better rows arrive."""
    strict = port.with_source(max_bad_share=0.4)
    port.land("a.csv", line(1), line(2, speed="fast"))
    for _ in range(2):
        with pytest.raises(TooManyBadRows, match=r"1 of 2 rows were refused \(50.0%\), more than the 40.0% allowed"):
            strict.ingest()
    assert [partition.rows for partition in port.partitions()] == [1]
    port.land("b.csv", line(3), line(4))
    assert strict.ingest().rows == 2


def test_the_refusal_ends_when_the_bad_rows_are_recalled(port: Port) -> None:
    """Recalling what came with the bad rows is an answer too."""
    strict = port.with_source(max_bad_share=0.4)
    port.land("a.csv", line(1), line(2, speed="fast"))
    with pytest.raises(TooManyBadRows):
        strict.ingest()
    [partition] = port.partitions()
    port.registry.recall("small", partition.digest, reason="half of it is broken", actor="a person")
    assert strict.ingest().files == 0


def test_rows_of_a_recalled_partition_may_arrive_again(port: Port) -> None:
    """A corrected delivery is taken; the very rows that were recalled are not."""
    port.land("a.csv", line(1), line(2))
    [bad] = port.ingest().partitions
    port.registry.recall("small", bad.digest, reason="wrong speeds", actor="a person")
    port.land("again.csv", line(2), line(1))
    assert port.ingest().partitions == ()
    port.land("mended.csv", line(1, speed="50"), line(2, speed="60"))
    assert port.ingest().partitions[0].rows == 2
    assert port.every_row()["speed"].to_list() == [50.0, 60.0]


def test_late_rows_are_taken_marked_and_counted(port: Port) -> None:
    """A row older than what was seen is late; a file's own rows are not late for each other."""
    port.land("a.csv", line(1, day=9), line(2, day=5))
    port.land("b.csv", line(3, day=4), line(4, day=10))
    arrived = port.ingest()
    assert arrived.late == 1
    assert [partition.late for partition in arrived.partitions] == [False, True]


def test_late_rows_can_be_kept_by_themselves(port: Port) -> None:
    """Where late rows are not to be trained on, they are partitions of their own."""
    port.land("a.csv", line(1, day=9))
    port.land("b.csv", line(3, day=4), line(4, day=10))
    arrived = port.with_source(late="keep").ingest()
    assert [(partition.rows, partition.late) for partition in arrived.partitions] == [(1, False)] * 2 + [(1, True)]


def test_progress_is_told(port: Port) -> None:
    """Files done, of how many, with rows and an estimate of what is left."""
    from arrivals.ingest import ingest

    port.land("a.csv", line(1))
    told = []
    ingest(
        port.spec,
        port.registry,
        port.store,
        landing=str(port.home / "landing"),
        cache=port.home / "cache",
        progress=lambda *what: told.append(what),
    )
    assert told[-1][:3] == ("taking files", 1, 1)
    assert told[-1][3]["rows"] == 1
