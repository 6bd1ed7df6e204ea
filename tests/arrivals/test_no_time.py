"""Rows that bring no time: theirs is when their file was written, and all else is as ever."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from arriving import SPEC, Port
from sqlalchemy import create_engine

from errors import InvalidSpec
from learning.schema import ARRIVED, Schema
from learning.source import Source

SCHEMA = Schema(time=None, key=("id",), target="late", numeric=("speed",), holdout=0.2)
HEADER = "id,speed,late"
WRITTEN = [datetime(2024, 1, day, 12, 30, 15, 250_000, tzinfo=UTC) for day in (3, 1, 2)]


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A model whose rows have a key, a number and a label."""
    return Port(tmp_path, replace(SPEC, schema=SCHEMA))


def land(port: Port, name: str, *lines: str, at: datetime = WRITTEN[0]) -> Path:
    """Land a file that was written at this moment."""
    path = port.land(name, *lines, header=HEADER)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def test_a_row_has_the_time_of_its_file(port: Port) -> None:
    """To the microsecond; of two files that are taken together, each has its own, and neither is late."""
    for place, moment in enumerate(WRITTEN):
        land(port, f"{place}.csv", f"{place},1,0", f"{place}x,1,1", at=moment)
    result = port.ingest()
    times = {p.source_uri[-5]: (p.time_from, p.time_to) for p in port.partitions()}
    assert times == {str(place): (moment, moment) for place, moment in enumerate(WRITTEN)}
    assert result.late == 0


def test_a_file_that_is_taken_again_has_the_same_time(port: Port) -> None:
    """Of two registries, as after a crash that lost one, both know the same rows by the same digest."""
    land(port, "a.csv", "1,1,0")
    port.ingest()
    port.registry.close()
    other = Port(port.home / "other", port.spec)
    port.land("a.csv", "1,1,0", header=HEADER)
    os.link(port.folder / "a.csv", other.folder / "a.csv")
    other.ingest()
    assert [p.digest for p in other.partitions()] == [p.digest for p in Port(port.home, port.spec).partitions()]


def test_the_same_rows_at_another_time_are_duplicates_and_others_conflicts(port: Port) -> None:
    """When a row arrived is none of its values, and no difference that anybody is told of."""
    land(port, "a.csv", "1,1,0", "2,1,0")
    port.ingest()
    land(port, "b.csv", "1,1,0", "2,5,0", "3,1,0", at=WRITTEN[1])
    result = port.ingest()
    assert (result.duplicates, result.conflicts, sum(p.rows for p in result.partitions)) == (1, 1, 1)
    assert [r.reason for r in port.registry.refusals("small")] == ["taken before with other values of speed (1 rows)"]


def test_recalled_rows_do_not_come_back_with_a_younger_file(port: Port) -> None:
    """The same rows are the same partition, whenever they arrive."""
    land(port, "a.csv", "1,1,0", "2,1,1")
    port.ingest()
    port.registry.recall("small", port.partitions()[0].digest, reason="wrong", actor="me")
    land(port, "b.csv", "1,1,0", "2,1,1", at=WRITTEN[1])
    port.ingest()
    assert port.partitions() == ()


def test_a_late_label_leaves_its_row_the_time_at_which_it_came(port: Port) -> None:
    """The row is the old one; only the label is new."""
    labelled = port.with_source(labels="labels")
    land(labelled, "a.csv", "1,1,")
    labelled.ingest()
    (labelled.home / "landing" / "labels" / "l.csv").write_text("id,late\n1,1\n")
    labelled.ingest()
    again = next(p for p in labelled.partitions() if p.kind == "labels")
    assert labelled.rows(again)[ARRIVED].to_list() == [WRITTEN[0]]


def test_a_time_that_has_not_come_yet_is_now(port: Port) -> None:
    """A clock that is ahead costs no row."""
    land(port, "a.csv", "1,1,0", at=datetime(2099, 1, 1, tzinfo=UTC))
    assert port.ingest().refused == 0
    assert abs((datetime.now(UTC) - port.partitions()[0].time_to).total_seconds()) < 100


def test_a_bad_row_is_kept_as_it_came(port: Port) -> None:
    """Without the time that it did not bring."""
    land(port, "a.csv", "1,fast,0", "2,1,1")
    port.ingest()
    assert ARRIVED not in port.registry.refusals("small")[0].reason
    uri = port.registry.refusals("small")[0].uri or ""
    assert ARRIVED not in pl.read_parquet(port.home / "artifacts" / uri).columns


def test_rows_of_a_query_have_the_time_at_which_they_were_read(tmp_path: Path) -> None:
    """What was read with an overlap stays as it was."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with create_engine(url).begin() as shop:
        shop.exec_driver_sql("CREATE TABLE rides (id TEXT, speed REAL, late REAL, n INTEGER)")
        shop.exec_driver_sql("INSERT INTO rides VALUES ('1', 1, 0, 1), ('2', 'fast', 1, 2)")
    source = Source(url, query="rides", cursor="n", overlap=5, max_bad_share=1.0)
    port = Port(tmp_path / "port", replace(SPEC, schema=SCHEMA, source=source))
    before = datetime.now(UTC)
    assert port.ingest().refused == 1
    with create_engine(url).begin() as shop:
        shop.exec_driver_sql("INSERT INTO rides VALUES ('3', 1, 0, 3)")
    assert (port.ingest().refused, len(port.partitions())) == (0, 2)
    assert before <= port.partitions()[0].time_from < port.partitions()[1].time_from <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("schema", "source"),
    [
        ({"key": (ARRIVED,)}, {}),
        ({"time": "at", "block": "arrival"}, {}),
        ({}, {"late": "keep"}),
    ],
)
def test_what_does_not_go_together_is_refused(schema: dict[str, object], source: dict[str, object]) -> None:
    """A column of that name, blocks of arrivals beside a time, and rows that are late of no time."""
    with pytest.raises(InvalidSpec):
        replace(SPEC, schema=replace(SCHEMA, **schema), source=replace(SPEC.source, **source))
