"""Labels that come later: one row, one label, trained on once."""

from __future__ import annotations

from pathlib import Path

import pytest
from arriving import Port, line

LABELS = "id,at,late"


def label(number: int, late: str = "1", day: int = 1) -> str:
    """A label for the row of `line(number)`."""
    return f"{number},2024-01-{day:02}T00:00:{number % 60:02}Z,{late}"


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A landing folder with another one for labels."""
    return Port(tmp_path).with_source(labels="labels")


def test_a_label_gives_its_row_once_more_with_the_label(port: Port) -> None:
    """The row keeps the features and the side of the holdout with which it arrived."""
    port.land("a.csv", line(1, speed="7", late=""), line(2, late="0"), line(3, late=""))
    [first] = port.ingest().partitions
    port.land("../labels/l.csv", label(1), header=LABELS)
    [second] = port.ingest().partitions
    assert (first.kind, first.rows, first.labelled_rows) == ("rows", 3, 1)
    assert (second.kind, second.rows, second.labelled_rows) == ("labels", 1, 1)
    [row] = port.rows(second).to_dicts()
    [before] = [row for row in port.rows(first).to_dicts() if row["id"] == "1"]
    assert row == before | {"late": 1.0}


def test_no_row_has_two_labels(port: Port) -> None:
    """A label that comes again is a duplicate; another label for a row that has one is a conflict."""
    port.land("a.csv", line(1, late=""), line(2, late="0"))
    port.land("../labels/l.csv", label(1), label(1), label(2), header=LABELS)
    port.ingest()
    port.land("../labels/m.csv", label(1, "0"), header=LABELS)
    assert port.ingest().conflicts == 1
    labelled = port.every_row().drop_nulls("late")
    assert sorted(labelled.select("id", "late").rows()) == [("1", 1.0), ("2", 0.0)]


def test_labels_wait_for_their_rows(port: Port) -> None:
    """A label that came too early is taken when its row is there, and looked for no more."""
    port.land("../labels/l.csv", label(1), label(2), label(3), header=LABELS)
    assert port.ingest().waiting == 3
    assert port.ingest().partitions == ()
    port.land("a.csv", line(1, late=""), line(2, late=""))
    arrived = port.ingest()
    assert [(p.kind, p.rows) for p in arrived.partitions] == [("rows", 2), ("labels", 2)]
    assert arrived.waiting == 1
    port.land("b.csv", line(3, late=""))
    assert port.ingest().partitions[-1].rows == 1
    assert port.ingest().files == 0
    assert [(record.attempt, record.waiting) for record in port.landed() if "/labels/" in record.uri] == [
        (0, 3), (1, 1), (2, 0),
    ]  # fmt: skip


def test_a_row_delivered_again_with_its_label_is_a_label(port: Port) -> None:
    """With other features it is a conflict: a later delivery cannot leak what happened since."""
    port.land("a.csv", line(1, speed="7", late=""))
    port.land("b.csv", line(1, speed="99", late="1"))
    port.land("c.csv", line(1, speed="7", late="0"))
    arrived = port.ingest()
    assert (arrived.conflicts, [p.kind for p in arrived.partitions]) == (1, ["rows", "labels"])
    assert port.rows(arrived.partitions[1]).select("speed", "late").row(0) == (7.0, 0.0)


def test_one_file_may_hold_a_row_without_and_with_its_label(port: Port) -> None:
    """Of two rows of one key in one file, the labelled one is taken."""
    port.land("a.csv", line(1, late=""), line(1, late="1"))
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.partitions[0].labelled_rows) == (1, 1)


def test_files_of_rows_may_have_no_label_column(port: Port) -> None:
    """Where labels have a source of their own, the target may be missing from the rows' header."""
    port.land("a.csv", line(1).rsplit(",", 1)[0], header="at,id,speed,city")
    assert port.ingest().partitions[0].labelled_rows == 0


def test_the_label_of_a_late_row_that_is_kept_out_of_training_is_kept_out_too(port: Port) -> None:
    """Labels follow the policy of their rows."""
    keep = port.with_source(late="keep")
    keep.land("a.csv", line(1, day=9))
    keep.land("b.csv", line(2, day=2, late=""), line(3, day=10, late=""))
    keep.land("../labels/l.csv", label(2, day=2), label(3, day=10), header=LABELS)
    labels = [partition for partition in keep.ingest().partitions if partition.kind == "labels"]
    assert sorted((partition.late, partition.rows) for partition in labels) == [(False, 1), (True, 1)]
