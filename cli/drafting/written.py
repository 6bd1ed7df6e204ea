"""How a CSV file writes its numbers and times, where that is not as programs do: `1.051,15`, `31.01.2026`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from arrivals.numbers import NO_NUMBER, PLAIN, WRITINGS, Writing, to_float
from arrivals.times import MONTHS, PATTERNS, parse_times
from cli.drafting.sample import typed

SHARE = 0.99  # of values that must be written so
FIRST = 1_000  # values that say how a file writes
MARKED = r"^\s*[+-]?\d[\d.,'\u2019 \u00a0\u202f]*$"  # digits, and marks between them
MAY_BE_THOUSANDS = r"^\s*[+-]?(0|[1-9]\d{0,2}(\.\d{3})*)\s*$"
LIKE_A_DAY = r"^\s*(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|\d{1,2}\.? \w{3,9} \d{4})\b"
LIKE_A_MONTH = r"^\s*((19|20)\d\d[-/](0[1-9]|1[0-2])|(0?[1-9]|1[0-2])/(19|20)\d\d)\s*$"
LIKE_A_TIME = f"{LIKE_A_DAY}|{LIKE_A_MONTH}"


@dataclass(frozen=True)
class Written:
    """How a file writes what it holds.

    Args:
        numbers: what separates decimals, and thousands.
        times: column to the pattern by which its times are read.
        unread: columns that seem to hold times, and no pattern reads them.
        doubts: what a person should look at, in sentences.
    """

    numbers: Writing = PLAIN
    times: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def options(self, time: str | None) -> str:
        """What a Source must say to read it, as further arguments; "" if nothing.

        Example:
            >>> Written((",", "."), {"Datum": "%d.%m.%Y"}).options("Datum")
            ', decimal=",", thousands=".", time_format="%d.%m.%Y"'
        """
        decimal, thousands = self.numbers
        said = {
            "decimal": decimal * (decimal != "."),
            "thousands": thousands,
            "time_format": self.times.get(time or ""),
        }
        return "".join(f', {option}="{value}"' for option, value in said.items() if value)


PLAINLY = Written()


def as_typed(rows: pl.DataFrame) -> tuple[pl.DataFrame, Written]:
    """Rows with the types that landing would make of their columns, and how the file writes these."""
    texts = [_known(column) for column in rows.iter_columns() if column.dtype == pl.String]
    writing = _writing(texts)
    columns = {column.name: typed(column, writing) for column in rows.iter_columns()}
    left = [column for column in texts if columns[column.name].dtype == pl.String]
    times = {column.name: pattern for column in left if (pattern := _pattern(column))}
    days = {name: pattern for name, pattern in times.items() if pattern not in MONTHS}
    if days or any(column.dtype.is_temporal() for column in columns.values()):
        times = days  # beside these a month is what a row is of, as a cohort or a season, and not when it came
    columns |= {column.name: parse_times(column, written=times[column.name]) for column in left if column.name in times}
    left = [column for column in left if column.name not in times]
    unread = tuple(column.name for column in left if _all(column, column.str.contains(LIKE_A_DAY)))
    found = pl.DataFrame(columns)
    kinds = {column.name: column for column in texts if found[column.name].dtype.is_numeric()}
    numbers = _example(kinds, found, writing) if writing != PLAIN else _thousands(kinds, found)
    doubts = (*numbers, *_unread_numbers(left, writing), *_time_doubts(pl.DataFrame(texts), found, times, unread))
    return found, Written(writing, times, unread, doubts)


def _known(column: pl.Series) -> pl.Series:
    """Text without the words that say that there is none."""
    return column.set(column.str.strip_chars().str.to_lowercase().is_in(NO_NUMBER).fill_null(False), None)


def _writing(texts: Iterable[pl.Series]) -> Writing:
    """The way of writing numbers by which most columns are numbers; the plain one where it is as good.

    Of `987`, `1,234` and `52,500` nobody can tell whether the comma parts thousands or decimals; far more often it is
    thousands, unless a zero stands before it.
    """
    marked = _marked(texts)
    if all(_reads(column, PLAIN) for column in marked):
        return PLAIN
    zeros = any(column.str.contains(r"^\s*[+-]?0[.,]").any() for column in marked)

    def good(writing: Writing) -> tuple[int, int, bool, bool]:
        read = [column for column in marked if _reads(column, writing)]
        values = sum(int(_numbers(column, writing).is_not_null().sum()) for column in read)
        parted = bool(writing[1]) and any(column.str.contains(writing[1], literal=True).any() for column in read)
        return len(read), values, writing == PLAIN, parted and not zeros

    return max((PLAIN, *WRITINGS), key=good)


def _marked(texts: Iterable[pl.Series]) -> list[pl.Series]:
    """The first values of columns that seem to hold numbers."""
    firsts = [column.drop_nulls().head(FIRST) for column in texts]
    return [column for column in firsts if len(column) and _all(column, column.str.contains(MARKED))]


def _numbers(column: pl.Series, writing: Writing) -> pl.Series:
    return column.to_frame().select(to_float(column.name, column.dtype, writing)).to_series()


def _reads(column: pl.Series, writing: Writing) -> bool:
    return _all(column, _numbers(column, writing).is_not_null())


def _pattern(column: pl.Series) -> str:
    """The pattern by which text is read as times; "" if none is."""
    first = column.drop_nulls().head(FIRST)
    if not len(first) or not _all(first, first.str.contains(LIKE_A_TIME)):
        return ""
    found = (pattern for pattern in PATTERNS if _all(first, parse_times(first, written=pattern).is_not_null()))
    return next((one for one in found if _all(column, parse_times(column, written=one).is_not_null())), "")


def _all(column: pl.Series, good: pl.Series) -> bool:
    """Whether nearly all values that are there are good ones."""
    known = len(column) - column.null_count()
    return bool(known) and (good.sum() or 0) >= SHARE * known


def _example(texts: Mapping[str, pl.Series], found: pl.DataFrame, writing: Writing) -> Iterator[str]:
    """An example of a number that is read in another than the plain way; of both ways where either may be right."""
    other = (writing[1], "")
    unsure = other in WRITINGS and all(_reads(column, other) for column in texts.values())
    for name, column in texts.items():
        there = column.str.contains(r"\d\D+\d" if unsure else r"\D").fill_null(False)
        if there.any():
            at = there.arg_true()[0]
            also = f"; but {_numbers(column, other)[at]} by {_source(other)}" if unsure else ""
            yield f"numbers: {name} '{column[at]}' is {found[name][at]}, by {_source(writing)}{also}"
            return


def _thousands(texts: Mapping[str, pl.Series], found: pl.DataFrame) -> Iterator[str]:
    """An example of numbers with a point that may part thousands: three digits behind each, and no zero before."""
    for name, column in texts.items():
        known, points = column.drop_nulls(), column.str.contains(".", literal=True).fill_null(False)
        if points.any() and known.str.contains(MAY_BE_THOUSANDS).all():
            at = points.arg_true()[0]
            also = f"{_numbers(column, (',', '.'))[at]} by {_source((',', '.'))}"
            yield f"numbers: {name} '{column[at]}' is {found[name][at]}; but {also}"
            return


def _source(writing: Writing) -> str:
    return f"Source({Written(writing).options(None).removeprefix(', ')})"


def _unread_numbers(texts: Iterable[pl.Series], writing: Writing) -> Iterator[str]:
    """An example of each column of numbers that are written otherwise than those of the other columns."""
    for column in _marked(texts):
        if not _reads(column, writing) and any(_reads(column, other) for other in WRITINGS):
            example = column.filter(_numbers(column, writing).is_null())[0]
            why = "that are written otherwise than the file's others, and not read as such"
            yield f"numbers: {column.name} seems to hold numbers, as '{example}', {why}"


def _time_doubts(
    rows: pl.DataFrame, found: pl.DataFrame, times: Mapping[str, str], unread: Iterable[str]
) -> Iterator[str]:
    """An example of each column of times that are not written in ISO 8601."""
    for name, pattern in times.items():
        at = found[name].is_not_null().arg_true()[0]
        read = f"{found[name][at]:%Y-%m-%d %H:%M}"
        yield f"time: {name} '{rows[name][at]}' is {read}, by Source(time_format=\"{pattern}\"), in UTC"
    for name in unread:
        example = rows[name].drop_nulls()[0]
        yield f"time: {name} seems to hold times, as '{example}', that nothing reads; write them in ISO 8601"
