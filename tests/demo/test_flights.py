"""The demo's landing folder."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from demo.demos import FLIGHTS
from demo.flights import COLUMNS, flights, flights_week
from errors import UnreadableFile


def test_a_year_of_flights_with_an_outcome_is_in_52_weeks() -> None:
    """Every week has its few thousand flights, each known by carrier, number, time and origin; nothing is null."""
    year = flights()
    sizes = year.group_by("week").len()["len"]
    assert (len(sizes), sizes.sum()) == (52, 327_346)
    assert sizes.is_between(5_000, 6_800).all()
    assert year.select(pl.struct("carrier", "flight", "ts", "origin").is_unique().all()).item()
    assert year.null_count().sum_horizontal().item() == 0


def test_weeks_follow_each_other() -> None:
    """No flight of a week is older than one of the week before."""
    spans = flights().group_by("week").agg(first=pl.col("ts").min(), last=pl.col("ts").max()).sort("week")
    assert (spans["first"][1:] > spans["last"][:-1]).all()


def test_instants_are_utc_on_both_sides_of_daylight_saving() -> None:
    """A 06:00 departure is at 11:00 UTC in winter and at 10:00 in summer."""
    at_six = flights_week(10).filter(pl.col("dep_hour") == 6.0)["ts"].unique().sort()
    assert at_six[0] == datetime(2013, 3, 5, 11, tzinfo=UTC)
    assert at_six[-1] == datetime(2013, 3, 11, 10, tzinfo=UTC)


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    """The same week has the same bytes, wherever and however often it is written."""
    [first] = FLIGHTS.write(tmp_path / "a", [3])
    [second] = FLIGHTS.write(tmp_path / "b", range(3, 4))
    before = first.stat()
    assert FLIGHTS.write(tmp_path / "a", [3]) == (first,)
    assert first.stat() == before
    assert first.read_bytes() == second.read_bytes()
    assert sorted(first.parent.iterdir()) == [first]
    assert pl.read_csv(first).columns == list(COLUMNS)


def test_a_week_that_never_was_is_refused() -> None:
    """Week 53 belongs to week 52."""
    with pytest.raises(UnreadableFile, match="choose 1 to 52"):
        flights_week(53)
