"""Event times in whatever way they were written, as instants in UTC."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # the years 1 to 9999, in days since 1970
MICROSECONDS_A_DAY = 86_400_000_000
TICKS = {"ns": 1_000 * MICROSECONDS_A_DAY, "us": MICROSECONDS_A_DAY, "ms": MICROSECONDS_A_DAY // 1_000}  # of a day
STEPS = {  # from where on whole numbers count, in which unit; the first and last that lie in the years 1 to 9999
    "day": (date(1970, 1, 1), "d", FIRST_DAY, LAST_DAY),
    "week": (date(1970, 1, 5), "w", FIRST_DAY // 7 + 1, LAST_DAY // 7 - 1),
    "month": (date(1970, 1, 1), "mo", -1969 * 12, 8030 * 12 - 1),
    "year": (date(1970, 1, 1), "y", 1, 9999),
}
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}  # microseconds in what a number counts
SAMPLE = 100

# Polars reads one way of writing several times faster than `_standard` reads all of them, most so where it has a fixed
# width and Z or +00:00 is written out.
IN_UTC = ("Z", "+00:00")
WAYS = (
    *(
        f"%Y-%m-%d{between}{clock}{zone}"
        for zone in (*IN_UTC, "%#z", "")
        for clock in ("%H:%M:%S", "%H:%M:%S.%6f", "%H:%M:%S.%3f", "%H:%M:%S%.f", "%H:%M")
        for between in ("T", " ")
    ),
    "%Y-%m-%d",
)
MONTHS = "%Y-%m", "%Y/%m", "%m/%Y"
# What people and spreadsheets write. Two digits of a year are tried first, as four digits hold what two do.
PATTERNS = (
    *(
        f"{day}{clock}"
        for day in ("%d.%m.%y", "%d.%m.%Y", "%m/%d/%y", "%m/%d/%Y", "%d/%m/%y", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d")
        for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
    ),
    *MONTHS,
)
EARLIEST = 1000  # a year of fewer digits was written with two
# Days as calendar, ordinal and week dates. Short fields, blanks, UTC and GMT are more than the standard allows.
DAYS = ("%Y-%m-%d", "%Y%m%d", "%Y-%j", "%G-W%V-%u", "%GW%V%u")
STANDARD = (
    r"^(?P<day>\d{4}-\d{1,2}-\d{1,2}|\d{8}|\d{4}-\d{3}|\d{4}-W\d\d-\d|\d{4}W\d{3})"
    r"(?:[T ](?P<clock>\d{1,2}(?::\d{1,2}){0,2}|\d{4}|\d{6})(?P<fraction>[.,]\d+)?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?[0-5]\d)?)?)?$"
)
FIELDS = r"^(?P<hour>\d\d?)(?::?(?P<minute>\d\d?))?(?::?(?P<second>\d\d?))?$"


def parse_times(raw: pl.Series, zone: str = "UTC", written: str = "iso") -> pl.Series:
    """Instants in UTC, to the microsecond; null where there is none.

    Text is ISO 8601, each row with its own offset or none. A local time that does not exist, or exists twice,
    because clocks changed is none: nobody can say which instant was meant.

    Args:
        raw: dates, datetimes, text or numbers.
        zone: of times without an offset.
        written: "iso", or "epoch_s" or "epoch_ms" where numbers, also as text, count from 1970 on, or one of STEPS; or
            a pattern as strptime has it.

    Example:
        >>> str(parse_times(pl.Series(["31.01.2026 17:05", "31.02.2026 17:05"]), "Europe/Rome", "%d.%m.%Y %H:%M")[0])
        '2026-01-31 16:05:00+00:00'
        >>> str(parse_times(pl.Series(["2026-02", "2026-13"]), written="%Y-%m")[0])
        '2026-02-01 00:00:00+00:00'
    """
    if isinstance(raw.dtype, pl.Datetime | pl.Date):
        times = _from_typed(raw, zone)
    elif written in EPOCHS and (raw.dtype.is_numeric() or raw.dtype == pl.String):
        text = raw.str.strip_chars() if raw.dtype == pl.String else raw
        counted = text.cast(pl.Float64, strict=False) * EPOCHS[written]
        times = counted.round().cast(pl.Int64, strict=False).cast(INSTANT)
    elif written in STEPS and (raw.dtype.is_numeric() or raw.dtype == pl.String):
        times = _from_steps(raw, written)
    elif "%" in written and raw.dtype == pl.String:
        times = _from_pattern(raw, written, zone)
    elif written == "iso" and raw.dtype == pl.String:
        times = _from_text(raw, zone)
    else:
        times = nothing(raw, INSTANT)
    return within_years(times)


def _from_steps(raw: pl.Series, written: str) -> pl.Series:
    """Steps as the moments at which they begin, in UTC; null where there is no whole number, or a far one."""
    origin, unit, first, last = STEPS[written]
    text = raw.str.strip_chars() if raw.dtype == pl.String else raw
    number = text.cast(pl.Float64, strict=False)
    steps = number.set(~(number.is_between(first, last) & (number == number.round())), None).cast(pl.Int64)
    since = pl.col(raw.name) - (origin.year if unit == "y" else 0)
    by = pl.concat_str(since.cast(pl.String), pl.lit(unit))
    start = pl.lit(datetime(origin.year, origin.month, origin.day), pl.Datetime("us"))  # noqa: DTZ001 - of UTC, below
    moments = pl.when(pl.col(raw.name).is_not_null()).then(start.dt.offset_by(by))
    return steps.to_frame().select(moments.dt.replace_time_zone("UTC").alias(raw.name)).to_series()


def _from_pattern(raw: pl.Series, written: str, zone: str) -> pl.Series:
    """Text of one pattern as instants: of days, so that a clock alone is none, or of months, whose first counts."""
    text, zoned = raw.str.strip_chars(), "%z" in written
    if "%d" not in written:
        text, written = text + " 1", f"{written} %d"
    try:
        times = text.str.to_datetime(written, time_unit="us", strict=False, time_zone="UTC" if zoned else None)
    except pl.exceptions.PolarsError:  # not one value, or another pattern than Polars knows
        return nothing(raw, INSTANT)
    times = times.set(times.dt.year() < EARLIEST, None)
    return times if zoned else _local(times, zone)


def nothing(raw: pl.Series, kind: pl.DataType) -> pl.Series:
    """A null for each row."""
    return pl.Series(raw.name, [None], kind).new_from_index(0, len(raw))


def within_years(times: pl.Series) -> pl.Series:
    """Dates or datetimes; null where they lie outside the years 1 to 9999, and Polars would panic later on."""
    ticks = TICKS[times.dtype.time_unit] if isinstance(times.dtype, pl.Datetime) else 1
    first, last = FIRST_DAY * ticks, (LAST_DAY + 1) * ticks - 1
    counted = times.to_physical()
    if ticks > TICKS["us"] or not len(times):  # nanoseconds reach from 1677 to 2262
        return times
    inside = counted.is_between(first, last)
    # A null keeps the value that was there before, and Polars may panic at that too.
    return times if inside.all() else counted.clip(first, last).cast(times.dtype).set(~inside, None)


def _from_typed(raw: pl.Series, zone: str) -> pl.Series:
    """Dates and datetimes of any unit and zone."""
    times = within_years(raw).cast(pl.Datetime("us", getattr(raw.dtype, "time_zone", None)))
    return _local(times, zone) if times.dtype == pl.Datetime("us") else times.dt.convert_time_zone("UTC")


def _from_text(raw: pl.Series, zone: str) -> pl.Series:
    """Read a column in the way its first rows are written, then what is left in any way of the standard."""
    sample = raw.drop_nulls().head(SAMPLE)
    way = next((way for way in WAYS if not _read(sample, way, zone).null_count()), None)
    times = _read(raw, way, zone) if way else nothing(raw, INSTANT)
    left = (times.is_null() & raw.is_not_null()).arg_true()
    return times.scatter(left, _standard(raw[left], zone)) if len(left) else times


def _read(text: pl.Series, way: str, zone: str) -> pl.Series:
    """The times written in one way, in UTC; null where the text is written in another."""
    if way == "%Y-%m-%d":
        return _local(text.str.to_date(way, strict=False).cast(pl.Datetime("us")), zone)
    if way.endswith("%#z"):
        return text.str.to_datetime(way, time_unit="us", time_zone="UTC", strict=False)
    times = text.str.to_datetime(way, time_unit="us", strict=False, cache=False)
    return times.dt.replace_time_zone("UTC") if way.endswith(IN_UTC) else _local(times, zone)


def _standard(text: pl.Series, zone: str) -> pl.Series:
    """Times in any way that ISO 8601 has, in UTC; null where the text is none."""
    plain = text.str.strip_chars().str.to_uppercase().str.replace("\u2212", "-", literal=True)  # the standard's minus
    parts = plain.str.extract_groups(STANDARD).struct.unnest()
    fields = parts["clock"].str.extract_groups(FIELDS).struct.unnest().cast(pl.Int64)
    parts = parts.hstack(fields)
    days = pl.coalesce(pl.col("day").str.to_date(way, strict=False) for way in DAYS).cast(pl.Datetime("us"))
    clock = pl.when(pl.col("clock").is_null()).then(0).otherwise(_clock())
    moments = parts.select(days + pl.duration(microseconds=clock - _ahead())).to_series()
    there = parts["zone"].is_not_null()
    return moments.dt.replace_time_zone("UTC").zip_with(there, _local(moments, zone)).alias(text.name)


def _clock() -> pl.Expr:
    """Microseconds since midnight; a fraction belongs to the last of hours, minutes and seconds that is written."""
    hour, minute, second = (pl.col(name) for name in ("hour", "minute", "second"))
    step = pl.when(minute.is_null()).then(3_600).when(second.is_null()).then(60).otherwise(1)
    fraction = pl.col("fraction").str.slice(1, 6).str.pad_end(6, "0").cast(pl.Int64) * step
    minute, second = minute.fill_null(0), second.fill_null(0)
    micros = (hour * 3_600 + minute * 60 + second) * 1_000_000 + fraction.fill_null(0)
    end = (hour == 24) & (micros == MICROSECONDS_A_DAY)  # 24:00 is the end of a day
    return pl.when((minute < 60) & (second <= 60) & ((hour < 24) | end)).then(micros)


def _ahead() -> pl.Expr:
    """Microseconds by which the row's clock is ahead of UTC."""
    digits = pl.col("zone").str.replace(":", "").str.strip_prefix("-").str.strip_prefix("+").str.pad_end(4, "0")
    minutes = digits.str.head(2).cast(pl.Int64, strict=False) * 60 + digits.str.tail(2).cast(pl.Int64, strict=False)
    sign = pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1)
    ahead = pl.when(pl.col("zone").str.contains(r"\d")).then(sign * minutes).otherwise(0)
    return pl.when(ahead.abs() < 24 * 60).then(ahead * 60_000_000)


def _local(times: pl.Series, zone: str) -> pl.Series:
    """Wall-clock times of a zone, in UTC."""
    placed = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return placed.dt.convert_time_zone("UTC")
