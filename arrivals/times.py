"""Event times in whatever way they were written, as instants in UTC."""

from __future__ import annotations

from itertools import islice

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # the years 1 to 9999, in days since 1970
MICROSECONDS_A_DAY = 86_400_000_000
SAMPLE = 100

# What has a fixed width, Z and +00:00 are written out first: Polars reads such formats several times faster.
FRACTIONS = ("", ".%6f", ".%3f", "%.f")
IN_UTC = ("Z", "+00:00")
WITH_ZONE = tuple(
    f"%Y-%m-%d{between}%H:%M:%S{fraction}{zone}"
    for zone in (*IN_UTC, "%#z")
    for fraction in FRACTIONS
    for between in ("T", " ")
)
WITHOUT_ZONE = (
    *(f"%Y-%m-%d{between}%H:%M:%S{fraction}" for fraction in FRACTIONS for between in ("T", " ")),
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
)


def parse_times(raw: pl.Series, zone: str = "UTC") -> pl.Series:
    """Instants in UTC, to the microsecond; null where there is none.

    Text is ISO 8601, each row with its own offset or none. A local time that does not exist, or exists twice,
    because clocks changed is none: nobody can say which instant was meant.

    Args:
        raw: dates, datetimes or text.
        zone: of times without an offset.
    """
    if isinstance(raw.dtype, pl.Datetime):
        times = _local(raw, zone) if raw.dtype.time_zone is None else raw.dt.convert_time_zone("UTC")
    elif raw.dtype == pl.Date:
        times = _local(raw.cast(pl.Datetime("us")), zone)
    elif raw.dtype == pl.String:
        times = _from_text(raw, zone)
    else:
        times = nothing(raw, INSTANT)
    times = times.cast(INSTANT, strict=False)
    days = times.to_physical() // MICROSECONDS_A_DAY
    return times.set(~days.is_between(FIRST_DAY, LAST_DAY), None) if len(times) else times


def nothing(raw: pl.Series, kind: pl.DataType) -> pl.Series:
    """A null for each row."""
    return pl.Series(raw.name, [None], kind).new_from_index(0, len(raw))


def _from_text(raw: pl.Series, zone: str) -> pl.Series:
    """Read a column in the way its first rows are written, then what is left in every other way."""
    sample = raw.drop_nulls().head(SAMPLE)
    fits = (way for way in (*WITH_ZONE, *WITHOUT_ZONE) if not _read(sample, way, zone).null_count())
    times = nothing(raw, INSTANT)
    for way in (*islice(fits, 1), *WITH_ZONE, *WITHOUT_ZONE, "%Y-%m-%d"):
        left = (times.is_null() & raw.is_not_null()).arg_true()
        if not len(left):
            break
        times = _read(raw, way, zone) if len(left) == len(raw) else times.scatter(left, _read(raw[left], way, zone))
    return times


def _read(text: pl.Series, way: str, zone: str) -> pl.Series:
    """The times written in one way, in UTC; null where the text is written in another."""
    if way == "%Y-%m-%d":
        return _local(text.str.to_date(way, strict=False).cast(pl.Datetime("us")), zone)
    if way in WITHOUT_ZONE:
        return _local(text.str.to_datetime(way, time_unit="us", strict=False, cache=False), zone)
    if way.endswith(IN_UTC):
        return text.str.to_datetime(way, time_unit="us", strict=False, cache=False).dt.replace_time_zone("UTC")
    return text.str.to_datetime(way, time_unit="us", time_zone="UTC", strict=False)


def _local(times: pl.Series, zone: str) -> pl.Series:
    """Wall-clock times of a zone, in UTC."""
    placed = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return placed.dt.convert_time_zone("UTC")
