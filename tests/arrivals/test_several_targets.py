"""Rows with a label for each of several outputs: typed, refused and counted label by label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from arriving import HEADER, SPEC, Port, line

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
    assert told == ["late is outside 0 to 1", "minutes is no number", "mode is none of the classes"]


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
