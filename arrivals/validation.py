"""Good rows, typed as the schema says; refused rows, as they came, each with the reason.

Whole columns are judged first by their smallest, largest and missing values, which costs almost nothing; only a
column that shows a fault is looked at row by row. docs/adr/0008 has the figures beside pandera's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, cast

import polars as pl

from arrivals.times import INSTANT, nothing, parse_times

if TYPE_CHECKING:
    from db.arrival_records import RefusalKind
    from learning.objectives import Objective
    from learning.spec import Schema

REASON = "reason"
NO_NUMBER = ("", "nan", "na", "null", "none")
LARGEST = 3.4028234e38  # of a float32, which is what a base takes


@dataclass(frozen=True)
class Batch:
    """Rows that are handled together.

    Args:
        rows: they.
        refused: further ones that are refused: as they came, as text, each with its `reason`.
        again: None, or what was kept of these rows when they were read before, by kind. They are no news then: neither
            duplicates are counted, nor refused rows and conflicts that were kept already.
    """

    rows: pl.DataFrame
    refused: pl.DataFrame | None = None
    again: Mapping[RefusalKind, pl.DataFrame] | None = None


@dataclass(frozen=True)
class Validator:
    """Types and checks batches of one model's rows.

    Args:
        schema: the columns.
        objective: what the target may hold: the number of a class, or any number.
        timezone: zone of times without an offset.
    """

    schema: Schema
    objective: Objective
    timezone: str = "UTC"

    @cached_property
    def kinds(self) -> dict[str, pl.DataType]:
        """The type of each column in a partition, in the schema's order."""
        schema = self.schema
        kinds: dict[str, pl.DataType] = {name: pl.String() for name in schema.columns}
        kinds |= {name: pl.Float64() for name in (*schema.numeric, schema.target)}
        kinds |= {name: pl.Array(pl.Float32, prod(shape)) for name, shape in schema.tensors.items()}
        kinds[schema.time] = INSTANT
        return {name: kinds[name] for name in schema.columns}

    def validate(self, raw: pl.DataFrame, columns: Iterable[str] = ()) -> Batch:
        """Part rows into good ones and refused ones.

        Args:
            raw: the rows as they were read; more columns than the schema's are left out.
            columns: the columns to look at, by default all of the schema's.
        """
        names = tuple(columns) or self.schema.columns
        numbers = [name for name in names if self.kinds[name] == pl.Float64 and _may_be_number(raw[name].dtype)]
        cast = raw.select(pl.col(numbers).cast(pl.Float64, strict=False))  # side by side on all cores
        cast = cast.with_columns(pl.all().fill_nan(None))  # by itself: Polars would write the cast out three times
        typed = pl.DataFrame([self._typed(raw[name], cast) for name in names])
        faults = [fault for name in names for fault in self._faults(typed[name], raw[name])]
        if not faults:
            return Batch(typed)
        reason = pl.select(pl.coalesce(pl.when(rows).then(pl.lit(text)) for text, rows in faults)).to_series()
        good = reason.is_null()
        refused = [_as_text(column) for column in raw.filter(~good).iter_columns()]
        return Batch(typed.filter(good), pl.DataFrame([*refused, reason.drop_nulls().alias(REASON)]))

    def _typed(self, raw: pl.Series, cast: pl.DataFrame) -> pl.Series:
        """The column in its partition's type; null where a value does not fit it."""
        kind = self.kinds[raw.name]
        if isinstance(kind, pl.Datetime):
            return parse_times(raw, self.timezone)
        if isinstance(kind, pl.Array):
            return _tensor(raw, kind)
        if kind == pl.String:
            return _as_text(raw)
        return _number(raw, cast[raw.name]) if raw.name in cast.columns else nothing(raw, pl.Float64())

    def _faults(self, typed: pl.Series, raw: pl.Series) -> list[tuple[str, pl.Series]]:
        """Each fault that the column has, in words, with the rows that have it."""
        name, schema = typed.name, self.schema
        nullable = name == schema.target or (name in schema.nullable and name not in (*schema.key, *schema.entity))
        faults: list[tuple[str, pl.Series]] = []
        if typed.null_count():
            missing = _missing(raw) if typed.dtype == pl.Float64 else raw.is_null()
            if not nullable:
                faults.append((f"{name} is missing", missing))
            faults.append((f"{name} {_wanted(typed.dtype)}", typed.is_null() & ~missing))
        if typed.dtype == pl.Float64:
            classes = self.objective.class_count if name == schema.target else None
            low, high = (0, classes - 1) if classes else schema.ranges.get(name, (-LARGEST, LARGEST))
            faults += _out_of(low, high, typed)
            if classes:
                faults.append((f"{name} is no whole number", typed != typed.round()))
        if name in schema.allowed:
            known = typed.is_in(list(schema.allowed[name]))
            faults.append((f"{name} is none of the allowed values", ~known & typed.is_not_null()))
        return [(text, rows) for text, rows in faults if rows.any()]


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


def _wanted(kind: pl.DataType) -> str:
    """What a value of this type must be, as the end of a sentence."""
    if isinstance(kind, pl.Datetime):
        return "is no time that exists, such as 2013-01-31T17:05:00Z, within the years 1 to 9999"
    if isinstance(kind, pl.Array):
        return f"is no list of {kind.size} finite numbers"
    return "is no number" if kind == pl.Float64 else "is no text"


def _may_be_number(kind: pl.DataType) -> bool:
    return not (kind.is_nested() or kind.is_temporal() or kind == pl.Binary)


def _number(raw: pl.Series, numbers: pl.Series) -> pl.Series:
    """Numbers as cast; text that could not be is looked at again: true and false are 1 and 0, spaces do not count."""
    if raw.dtype != pl.String or numbers.null_count() == raw.null_count():
        return numbers
    left = (numbers.is_null() & raw.is_not_null()).arg_true()
    words = raw[left].str.strip_chars().str.to_lowercase()
    again = words.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    return numbers.scatter(left, again.fill_null(words.cast(pl.Float64, strict=False)).fill_nan(None))


def _missing(raw: pl.Series) -> pl.Series:
    """Where no number was meant."""
    if raw.dtype.is_float():
        return raw.is_null() | raw.is_nan().fill_null(False)
    if raw.dtype == pl.String:
        return raw.is_null() | raw.str.strip_chars().str.to_lowercase().is_in(NO_NUMBER).fill_null(False)
    return raw.is_null()


def _as_text(raw: pl.Series) -> pl.Series:
    """Values as text; whole numbers are written out, lists and structs as JSON."""
    if raw.dtype == pl.String:
        return raw
    if isinstance(raw.dtype, pl.Binary):
        return raw.bin.encode("hex")
    if raw.dtype.is_nested():
        return raw.to_frame().select(pl.struct(raw.name).struct.json_encode()).to_series().alias(raw.name)
    return raw.cast(pl.String, strict=False)


def _tensor(raw: pl.Series, kind: pl.Array) -> pl.Series:
    """Lists, nested or flat or as JSON text, as flat float32 in C order; null where the size is another."""
    nulls = nothing(raw, pl.List(pl.Float32()))
    even = pl.Series([True]).new_from_index(0, len(raw))
    lists = _lists(raw) if raw.dtype == pl.String else raw
    while isinstance(lists.dtype, pl.List | pl.Array) and isinstance(lists.dtype.inner, pl.List | pl.Array):
        lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
        inner = pl.element().list if isinstance(lists.dtype.inner, pl.List) else pl.element().arr  # type: ignore[attr-defined]
        even &= lists.list.eval((inner.len().n_unique() <= 1).fill_null(False)).list.first().fill_null(False)
        lists = lists.list.eval(pl.element().explode())
    if not isinstance(lists.dtype, pl.List | pl.Array) or not lists.dtype.inner.is_numeric():
        return nulls.cast(kind)
    lists = lists.cast(pl.List(pl.Float32), strict=False)
    finite = lists.list.eval(pl.element().is_finite().fill_null(False).all()).list.first()
    fits = even & (lists.list.len() == kind.size) & finite
    return lists.zip_with(fits.fill_null(False), nulls).cast(kind)


def _lists(text: pl.Series) -> pl.Series:
    """Flat lists of the numbers in texts such as "[1, 2]" or "[[1], [2]]"; null where it is no such text."""
    whole = text.str.contains(r"^\s*\[.*\]\s*$")
    numbers = text.str.replace_all(r"[\[\]\s]", "").str.split(",")
    numbers = numbers.list.eval(pl.element().cast(pl.Float32, strict=False))
    return numbers.zip_with(whole.fill_null(False), numbers.clear(len(numbers)))
