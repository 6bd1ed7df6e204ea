"""Times as ISO 8601 has them, and as seconds or milliseconds: which instant each one is, or that it is none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from arrivals.times import parse_times
from errors import InvalidSpec
from learning.source import Source

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
PLAIN = "2024-05-01T10:00:00Z"


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-01T00:00:00Z", "2024-01-01T00:00Z", "2024-01-01 00:00", "2024-01-01", "20240101", "20240101T000000Z",
        "20240101T0000", "20240101T00Z", "2024-01-01t00:00:00z", "  2024-01-01T00:00:00Z\t", "2024-01-01T02:00:00+02",
        "2024-01-01T02:00+0200", "2023-12-31T19:00:00\u221205:00", "2023-12-31T24:00Z", "2023-12-31T23:59:60Z",
        "2024-01-01T00:00:00,000Z", "2024-01-01T00:00:00.000000999Z", "2024-001", "2024-W01-1", "2024W011T000000Z",
        "2024-01-01 00:00:00 UTC", "2024-1-1 0:00:00", "2024-01-01T00:00:00 +00:00", "2023-12-31T24,0Z",
        "2024-01-01T00:00:00-00:00", "2024-01-01T00:30:00+00:30",
    ],
)  # fmt: skip
def test_one_instant_however_it_is_written(written: str) -> None:
    """Alone in its column, and among others that are written in the plain way."""
    assert parse_times(pl.Series([written])).to_list() == [NEW_YEAR]
    among = parse_times(pl.Series([PLAIN, written, None, PLAIN])).to_list()
    assert among[1:3] == [NEW_YEAR, None]
    assert among[0] == among[3] == datetime(2024, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "after"),
    [("T10,5Z", 37_800), ("T10:30.25Z", 37_815), ("T10:30:00,125Z", 37_800.125), ("T103000.125Z", 37_800.125)],
)
def test_a_fraction_is_of_the_last_unit_that_is_written(written: str, after: float) -> None:
    """Of hours, minutes or seconds, with a comma or a point."""
    assert parse_times(pl.Series([f"2024-01-01{written}"])).to_list() == [NEW_YEAR + timedelta(seconds=after)]


@pytest.mark.parametrize(
    "written",
    [
        "", "x", "2024", "2024-01", "2024-02-30", "20241301", "2023-366", "2024-W53-1", "2024-01-01T",
        "2024-01-01T25:00", "2024-01-01T24:00:01Z", "2024-01-01T10:60", "2024-01-01T10:00:61Z", "2024-01-01T000Z",
        "2024-01-01T10:00+99:00", "2024-01-01T10:00+10:75", "2024-01-01T00:00:00.Z",
        "01/31/2024", "1704067200", "2024001", "0000-01-01",
        "9999-12-31T24:00Z", "0001-01-01T00:00+14:00", "+12024-01-01", "2024-01-01T00:00:00ZZ",
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(written: str) -> None:
    """Alone, and among times."""
    assert parse_times(pl.Series([written])).to_list() == [None]
    assert parse_times(pl.Series([PLAIN, written])).to_list()[1] is None


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_of_any_unit_and_zone(unit: str, zone: str | None) -> None:
    """What lies outside the years 1 to 9999 is none; nothing of it panics."""
    ticks = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit] * int(NEW_YEAR.timestamp())
    raw = pl.Series([ticks, None] + ([] if unit == "ns" else [2**62, -(2**62)])).cast(pl.Datetime(unit, zone))  # type: ignore[arg-type]
    assert parse_times(raw, "UTC").to_list() == [NEW_YEAR] + [None] * (len(raw) - 1)


def test_days_of_any_year() -> None:
    """A day is its first moment in the source's zone; one outside the years 1 to 9999 is none."""
    raw = pl.Series([19_723, 2**31 - 1, -(2**31)], dtype=pl.Int32).cast(pl.Date)
    assert raw[:1].to_list() == [date(2024, 1, 1)]
    assert parse_times(raw, "Europe/Rome").to_list() == [NEW_YEAR - timedelta(hours=1), None, None]


@pytest.mark.parametrize(("written", "per_second"), [("epoch_s", 1), ("epoch_ms", 1_000)])
@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt64, pl.Float64, pl.String, pl.Decimal(20, 2)])
def test_numbers_count_from_1970(written: str, per_second: int, kind: pl.DataType) -> None:
    """Where the source says so, in any type; a real time is taken as it is."""
    raw = pl.Series([1_704_067_200 * per_second]).cast(kind)
    assert parse_times(raw, "Europe/Rome", written).to_list() == [NEW_YEAR]
    assert parse_times(raw).to_list() == [None]
    assert parse_times(pl.Series([NEW_YEAR]), "UTC", written).to_list() == [NEW_YEAR]


def test_odd_numbers_count_nothing() -> None:
    """NaN, infinity, numbers beyond the year 9999 and words are no times; a fraction counts to the microsecond."""
    raw = pl.Series([float("nan"), float("inf"), 1e300, -1e15, 1_704_067_200.000001])
    assert parse_times(raw, "UTC", "epoch_s").to_list() == [None] * 4 + [NEW_YEAR + timedelta(microseconds=1)]
    words = pl.Series(["", "now", "2024-01-01", " 1704067200 "])
    assert parse_times(words, "UTC", "epoch_s").to_list() == [None] * 3 + [NEW_YEAR]


@pytest.mark.parametrize(
    ("written", "steps", "moments"),
    [
        ("day", [0, 19_723], [date(1970, 1, 1), date(2024, 1, 1)]),
        ("week", [0, 1, -1], [date(1970, 1, 5), date(1970, 1, 12), date(1969, 12, 29)]),
        ("month", [13, 648], [date(1971, 2, 1), date(2024, 1, 1)]),
        ("year", [2024, 1, 9999], [date(2024, 1, 1), date(1, 1, 1), date(9999, 1, 1)]),
    ],
)
def test_steps_are_the_moments_at_which_they_begin(written: str, steps: list[int], moments: list[date]) -> None:
    """As whole numbers, as floats and as text; what is none, or lies far off, is no time."""
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in moments]
    for values in (pl.Series(steps), pl.Series(steps).cast(pl.Float64), pl.Series([f" {step} " for step in steps])):
        assert parse_times(values, written=written).to_list() == midnights
    assert parse_times(pl.Series([0.5, 1e300, float("nan"), None]), written=written).to_list() == [None] * 4


def test_a_pattern_that_reads_nothing_is_refused_at_once() -> None:
    """Hours up to twelve are none without their half of the day."""
    assert Source("small", time_format="%m/%d/%Y %I:%M %p")
    for pattern in ("%m/%d/%Y %I:%M", "%m/%Y %H:%M", "%m"):
        with pytest.raises(InvalidSpec, match="time_format"):
            Source("small", time_format=pattern)


def test_months_begin_on_their_first_day() -> None:
    """In the source's zone, by numbers and by names."""
    rome = datetime(2026, 1, 31, 23, tzinfo=UTC)
    for text, pattern in (("2026-02", "%Y-%m"), ("Feb 2026", "%b %Y"), (" 02/26", "%m/%y")):
        assert Source("small", time_format=pattern)
        assert parse_times(pl.Series([text, "2026-13", ""]), "Europe/Rome", pattern).to_list() == [rome, None, None]
