"""Rows with a label for each of several outputs: typed, refused and counted label by label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from arriving import HEADER, SPEC, Port, line

from arrivals.newest import NewestRows
from learning.spec import Binary, Multiclass, MultiOutput, Output, Regression, Source

THREE = MultiOutput(
    (
        Output("late", Binary(), "late"),
        Output("delay", Regression(), "minutes"),
        Output("mode", Multiclass(classes=("bus", "tram")), "mode"),
    )
)
ALL = f"{HEADER},minutes,mode"


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A landing folder for rows with three labels, whose later rows replace earlier ones."""
    source = Source("small", settle=0.0, max_bad_share=1.0, corrections="replace")
    return Port(tmp_path, replace(SPEC, objective=THREE, source=source))


def test_each_label_is_typed_and_checked_by_its_own_objective(port: Port) -> None:
    """A number of no class, text for a number, and a word that is none of the classes; each with its reason."""
    good, wrong = f"{line(1)},-3.5,tram", (f"{line(2, late='2')},1,bus", f"{line(3)},soon,bus", f"{line(4)},1,boat")
    port.land("a.csv", good, *wrong, header=ALL)
    arrived = port.ingest()
    (partition,) = arrived.partitions
    assert port.rows(partition).select("late", "minutes", "mode").rows() == [(1.0, -3.5, "tram")]
    told = sorted(refused.reason for refused in port.registry.refusals("small"))
    assert told == ["late is outside 0 to 1", "minutes is no number", "mode is none of the classes bus, tram"]


def test_labels_that_were_missing_come_with_the_whole_row_again(port: Port) -> None:
    """A row counts as labelled once all are there; the later one takes its place, whichever label it lacked."""
    port.land("a.csv", f"{line(1)},5,bus", f"{line(2)},,bus", f"{line(3, late='')},7,tram", header=ALL)
    (first,) = port.ingest().partitions
    assert (first.rows, first.labelled_rows) == (3, 1)
    port.land("b.csv", f"{line(1)},5,bus", f"{line(2)},6,bus", f"{line(3)},7,tram", header=ALL)
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts) == (1, 0)
    assert sum(p.labelled_rows for p in arrived.partitions) == 2
    again = pl.concat([port.rows(p) for p in arrived.partitions]).sort("id")
    assert again.select("late", "minutes", "mode").rows() == [(1.0, 6.0, "bus"), (1.0, 7.0, "tram")]


def newest(port: Port) -> list[tuple[float | str | None, ...]]:
    """Id, speed and labels of every row that counts."""
    rows = NewestRows(port.spec, port.registry, port.store, port.home / "cache")
    frames = [pl.read_parquet(path) for _, path in rows.files(port.partitions())]
    return sorted(pl.concat(frames).select("id", "speed", "late", "minutes", "mode").rows())


FULL, WITHOUT = f"{line(1)},5,bus", (f"{line(1)},,bus", f"{line(1)},5,", f"{line(1, late='')},,")


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("replace_old", [False, True])
@pytest.mark.parametrize("gap", WITHOUT)
def test_a_row_without_a_label_takes_none_away(port: Port, gap: str, *, replace_old: bool, together: bool) -> None:
    """Whichever label it lacks: it says nothing new, so it is a duplicate, as it is of one output."""
    port = port.with_source(corrections="replace" if replace_old else "refuse")
    port.land("a.csv", FULL, *[gap] * together, header=ALL)
    first = port.ingest()
    port.land("b.csv", gap, FULL, gap, header=ALL)
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts, arrived.partitions) == (3, 0, ())
    assert (first.duplicates, first.conflicts) == (int(together), 0)
    assert newest(port) == [("1", 10.0, 1.0, 5.0, "bus")]


@pytest.mark.parametrize("batch", [100, 1])
def test_a_correction_without_a_label_keeps_the_one_that_is_known(
    port: Port, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Also the label of a row before it in the same file; and a row as it was before changes nothing."""
    monkeypatch.setattr("arrivals.intake.Intake.batch_rows", batch)
    port.land("a.csv", FULL, f"{line(2)},,tram", header=ALL)
    port.ingest()
    port.land("b.csv", f"{line(1, speed='20')},,", f"{line(2)},7,", f"{line(2, speed='30')},,tram", header=ALL)
    port.ingest()
    expected = [("1", 20.0, 1.0, 5.0, "bus"), ("2", 30.0, 1.0, 7.0, "tram")]
    assert newest(port) == expected
    port.land("c.csv", f"{line(1)},,bus", f"{line(2)},,tram", f"{line(2, speed='30')},,", header=ALL)
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts) == (3, 0)
    assert newest(port) == expected


def test_a_conflict_does_not_name_a_label_that_its_row_lacks(port: Port) -> None:
    """It is kept as it arrived, and a label that comes later for a gap of its own output is another value."""
    port = port.with_source(corrections="refuse")
    port.land("a.csv", FULL, f"{line(2)},,tram", header=ALL)
    port.ingest()
    port.land("b.csv", f"{line(1, speed='20')},,", f"{line(2)},7,", header=ALL)
    arrived = port.ingest()
    assert arrived.conflicts == 2
    [refusal] = port.registry.refusals("small")
    assert refusal.reason == "taken before with other values of speed (1 rows), minutes (1 rows)"
    kept = pl.read_parquet(port.home / "artifacts" / refusal.uri) if refusal.uri else pl.DataFrame()
    arrived_rows = kept.filter(pl.col("this is the row") == "as it arrived").sort("id")
    assert arrived_rows.select("minutes", "mode").rows() == [(None, None), (7.0, None)]
