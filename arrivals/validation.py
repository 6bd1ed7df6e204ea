"""Good rows, typed as the schema says; refused rows, as they came, each with the reason.

Whole columns are judged first by their smallest, largest and missing values, which costs almost nothing; only a
column that shows a fault is looked at row by row. docs/adr/0008 has the figures beside pandera's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, cast

import polars as pl
from polars.exceptions import PanicException

from arrivals.numbers import Writing, inexact, is_number, missing, readings, settled, to_float
from arrivals.tensors import as_tensor
from arrivals.texts import as_it_came, as_text
from arrivals.times import EPOCHS, INSTANT, PATTERNS, SAMPLE, STEPS, nothing, parse_times
from clock import now
from errors import listed

if TYPE_CHECKING:
    from db.arrival_records import RefusalKind
    from learning.objectives import Binary, Multiclass, Objective
    from learning.regression import Regression
    from learning.source import Source
    from learning.spec import ModelSpec, Schema

REASON = "reason"
LARGEST = 3.4028234e38  # of a float32, which is what a base takes
RECENT = {"epoch_s": (1e8, 1e10), "epoch_ms": (1e11, 1e13)}  # the years 1973 to 2286: what a person means by a number
LONGEST_TEXT = 100_000  # of free text, that is 50 pages; a record has a million bytes at most
YEARS = (1900, 2100)  # likewise
ISO_DAY = r"^\s*\d{4}-"
FAILURES = (Exception, PanicException)  # Polars' panics are no Exceptions, and no column may stop the others


@dataclass(frozen=True)
class Batch:
    """Rows that are handled together.

    Args:
        rows: they.
        refused: further ones that are refused: as they came, as text, each with its `reason`.
        again: None, or what was kept of these rows when they were read before, by kind. They are no news then: neither
            duplicates are counted, nor refused rows and conflicts that were kept already.
        json: they came as JSON.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame | None = None
    again: Mapping[RefusalKind, pl.DataFrame] | None = None
    json: bool = False

    def arrived(self, schema: Schema, moment: datetime) -> Batch:
        """The same rows with this moment as their event time, where they bring none of their own."""
        if schema.time is not None:
            return self
        return replace(self, rows=self.rows.with_columns(pl.lit(moment, INSTANT).alias(schema.event_time)))


def with_commas(spec: ModelSpec) -> frozenset[str]:
    """The columns whose numbers have a decimal comma, where they are text."""
    kinds = Validator(spec.schema, spec.objective, spec.source).kinds if spec.source.decimal == "," else {}
    return frozenset(name for name, kind in kinds.items() if kind == pl.Float64)


@dataclass(frozen=True)
class Validator:
    """Types and checks batches of one model's rows.

    Args:
        schema: the columns.
        objective: what the target may hold: the number of a class, or any number.
        source: how times and numbers are written, and how far ahead a time may be.
        now: the time.
        json: rows come as JSON, whose times may be in ISO 8601 whatever the source says.
    """

    schema: Schema
    objective: Objective
    source: Source
    now: Callable[[], datetime] = now
    json: bool = False

    @cached_property
    def labels(self) -> Mapping[str, Binary | Multiclass | Regression]:
        """What each column of labels is for."""
        return self.objective.by_target(self.schema.target)

    @cached_property
    def kinds(self) -> dict[str, pl.DataType]:
        """The type of each column in a partition, in the schema's order."""
        schema = self.schema
        kinds: dict[str, pl.DataType] = {name: pl.String() for name in schema.columns}
        kinds |= {name: pl.Float64() for name in (*schema.numeric, schema.weight) if name is not None}
        kinds |= {name: pl.String() if one.names else pl.Float64() for name, one in self.labels.items()}
        kinds |= {name: pl.Array(pl.Float32, prod(shape)) for name, shape in schema.tensors.items()}
        kinds[schema.event_time] = INSTANT
        return {name: kinds[name] for name in schema.columns}

    @property
    def writing(self) -> Writing:
        """How numbers are written in text."""
        return self.source.decimal, self.source.thousands

    def validate(self, raw: pl.DataFrame, columns: Iterable[str] = ()) -> Batch:
        """Part rows into good ones and refused ones.

        Args:
            raw: the rows as they were read; more columns than the schema's are left out.
            columns: the columns to look at, by default all of the schema's.
        """
        names = tuple(columns) or self.schema.columns
        raw = pl.DataFrame([_unwrapped(raw[name]) for name in names])
        kinds = {name: kind for name, kind in raw.schema.items() if self.kinds[name] == pl.Float64 and is_number(kind)}
        cast = raw.select(to_float(name, kind, self.writing) for name, kind in kinds.items())  # on all cores
        cast = cast.with_columns(pl.all().fill_nan(None))  # by itself: Polars would write the cast out three times
        typed = pl.DataFrame([self._typed(raw[name], cast) for name in names])
        faults = [fault for name in names for fault in self._faults(typed[name], raw[name])]
        if not faults:
            return Batch(typed)
        reason = pl.select(pl.coalesce(pl.when(rows).then(pl.lit(text)) for text, rows in faults)).to_series()
        good = reason.is_null()
        arrived = (column for column in raw.iter_columns() if column.name in self.schema.arriving)
        refused = [_kept(column, ~good) for column in arrived]
        return Batch(typed.filter(good), pl.DataFrame([*refused, reason.drop_nulls().alias(REASON)]))

    def _typed(self, raw: pl.Series, cast: pl.DataFrame) -> pl.Series:
        """The column in its partition's type; null where a value does not fit it."""
        kind = self.kinds[raw.name]
        try:
            if isinstance(kind, pl.Datetime):
                return self._times(raw)
            if isinstance(kind, pl.Array):
                return as_tensor(raw, kind)
            if kind == pl.String:
                return as_text(raw)
            return settled(raw, cast[raw.name], self.writing) if raw.name in cast.columns else nothing(raw, kind)
        except FAILURES:
            return nothing(raw, kind)  # which is refused, with the type that it arrived in

    def _times(self, raw: pl.Series) -> pl.Series:
        """Times as the source writes them."""
        zone, written = self.source.timezone, self.source.time_format
        times = parse_times(raw, zone, written)
        if not self.json or written == "iso" or not times.null_count() or raw.dtype != pl.String:
            return times
        days = raw.set(~raw.str.contains(ISO_DAY), None)  # a number is none, although ISO 8601 has days without marks
        return times.zip_with(times.is_not_null(), parse_times(days, zone))

    def _faults(self, typed: pl.Series, raw: pl.Series) -> list[tuple[str, pl.Series]]:
        """Each fault that the column has, in words, with the rows that have it."""
        name, schema, label = typed.name, self.schema, self.labels.get(typed.name)
        nullable = label is not None or (name in schema.nullable and name not in (*schema.key, *schema.entity))
        faults: list[tuple[str, pl.Series]] = []
        if typed.null_count():
            absent = missing(raw) if typed.dtype == pl.Float64 or raw.dtype != pl.String else raw.is_null()
            if not nullable:
                faults.append((f"{name} is missing", absent))
            faults += self._unread(typed, raw, absent)
        if typed.dtype == INSTANT:
            faults += self._too_early(typed)
        if typed.dtype == pl.Float64:
            faults += self._odd_numbers(typed)
        if name in (*schema.key, *schema.entity):
            faults += inexact(raw if raw.dtype.is_float() else typed)
        if name in schema.text:
            faults.append((f"{name} is longer than {LONGEST_TEXT:,} characters", typed.str.len_chars() > LONGEST_TEXT))
        words = (label.names or None) if label else schema.allowed.get(name)
        if words is not None:
            what = "classes" if label else "allowed values"
            faults.append(
                (f"{name} is none of the {what} {listed(list(words))}", ~typed.is_in(list(words)) & typed.is_not_null())
            )
        return [(text, rows) for text, rows in faults if rows.any()]

    def _unread(self, typed: pl.Series, raw: pl.Series, absent: pl.Series) -> list[tuple[str, pl.Series]]:
        """Values that are not of the column's type; those that another option of the Source would read, with that."""
        unread = typed.is_null() & ~absent
        wanted = f"{typed.name} {_wanted(typed.dtype, self.source.time_format)}"
        if raw.dtype != pl.String and typed.null_count() == len(typed):
            wanted += f"; it arrived as {type(raw.dtype).__name__}"
        left = unread.arg_true()
        try:
            others = self._other_readings(raw[left], typed.dtype) if len(left) else {}
        except FAILURES:
            others = {}  # a hint is worth no file
        most = max((read.sum() for read in others.values()), default=0)
        if not most:
            return [(wanted, unread)]
        best = [options for options, read in others.items() if read.sum() == most]
        hinted = nothing(raw, pl.Boolean()).scatter(left, others[best[0]]).fill_null(False)
        shortest = {options[: len('decimal="."')]: options for options in reversed(best)}  # of each decimal sign
        hint = " or ".join(f"Source({options})" for options in best if options in shortest.values())
        return [(f"{wanted}, but would be with {hint}", hinted), (wanted, unread)]

    def _other_readings(self, raw: pl.Series, kind: pl.DataType) -> dict[str, pl.Series]:
        """Which values other options of the Source would read, by those options."""
        if kind == pl.Float64 and raw.dtype == pl.String:
            return readings(raw, self.writing)
        if kind == INSTANT and is_number(raw.dtype) and raw.dtype != pl.Boolean:
            numbers = raw.cast(pl.Float64, strict=False)
            others = {
                f'time_format="{way}"': numbers.is_between(*RECENT[way]).fill_null(False)
                for way in EPOCHS
                if way != self.source.time_format
            }
            iso = {'time_format="iso"': parse_times(raw).is_not_null()} if self.source.time_format != "iso" else {}
            if self.source.time_format != "year":
                iso['time_format="year"'] = numbers.is_between(*YEARS).fill_null(False) & (numbers == numbers.round())
            return others | iso | _patterns(raw)
        return {}

    def _too_early(self, times: pl.Series) -> list[tuple[str, pl.Series]]:
        """Rows from further ahead than is allowed: one of them would make every later row a late one."""
        newest, ahead = cast("datetime | None", times.max()), self.source.max_future
        if newest is None or newest - self.now() <= ahead:
            return []
        why = f"{times.name} is more than {str(ahead).removesuffix(', 0:00:00')} ahead of now"
        return [(why, times > self.now() + ahead)]

    def _odd_numbers(self, numbers: pl.Series) -> list[tuple[str, pl.Series]]:
        """Numbers that the schema or the objective does not allow."""
        name, schema, label = numbers.name, self.schema, self.labels.get(numbers.name)
        classes = label.class_count if label else None
        low, high = (0, classes - 1) if classes else schema.ranges.get(name, (-LARGEST, LARGEST))
        low = 0 if name == schema.weight else low
        faults = _out_of(low, high, numbers)
        if classes:
            faults.append((f"{name} is no whole number", numbers != numbers.round()))
        if label and label.log:
            faults.append((f"{name} is below 0, and Regression(log=True) takes its logarithm", numbers < 0))
        return faults


def _out_of(low: float, high: float, numbers: pl.Series) -> list[tuple[str, pl.Series]]:
    """Numbers outside a range; most columns are cleared by their smallest and largest value."""
    least, most = cast("float | None", numbers.min()), cast("float | None", numbers.max())
    faults = []
    if least is not None and most is not None:
        if least < -LARGEST or most > LARGEST:
            faults.append((f"{numbers.name} is too large for a float32", numbers.abs() > LARGEST))
        if least < low or most > high:
            faults.append((f"{numbers.name} is outside {low:g} to {high:g}", (numbers < low) | (numbers > high)))
    return faults


def _wanted(kind: pl.DataType, time_format: str) -> str:
    """What a value of this type must be, as the end of a sentence."""
    if isinstance(kind, pl.Datetime):
        if time_format in STEPS:
            return f"is no whole number of a {time_format}, within the years 1 to 9999"
        if time_format in EPOCHS:
            return (
                f"is no number of {'milli' * (time_format == 'epoch_ms')}seconds since 1970, within the years 1 to 9999"
            )
        if "%" in time_format:
            return f"is no time written as {time_format}, or none that exists"
        return "is no time that exists, such as 2013-01-31T17:05:00Z, within the years 1 to 9999"
    if isinstance(kind, pl.Array):
        return f"is no list of {kind.size} finite numbers"
    return "is no number" if kind == pl.Float64 else "is no text, flag or finite number"


def _patterns(raw: pl.Series) -> dict[str, pl.Series]:
    """Which times patterns would read, by the option; of a million rows the first ones say which are worth a try."""
    if raw.dtype != pl.String:
        return {}
    first = raw.head(SAMPLE)
    ways = [way for way in PATTERNS if parse_times(first, written=way).is_not_null().any()]
    return {f'time_format="{way}"': parse_times(raw, written=way).is_not_null() for way in ways}


def _unwrapped(raw: pl.Series) -> pl.Series:
    """The values themselves, where they are kept in a dictionary or as objects of Python."""
    try:
        if raw.dtype in (pl.Categorical, pl.Enum):
            return raw.cast(pl.String)
        if raw.dtype == pl.Object:  # as databases give identifiers
            return pl.Series(raw.name, [None if value is None else str(value) for value in raw], pl.String)
    except FAILURES:
        return raw  # which nothing takes
    return raw


def _kept(raw: pl.Series, refused: pl.Series) -> pl.Series:
    """Refused rows as text; null where Polars cannot write them."""
    rows = raw.filter(refused)
    try:
        return as_it_came(rows)
    except FAILURES:
        return nothing(rows, pl.String())
