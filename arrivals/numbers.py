"""Numbers in whatever type they arrive, or way they are written, as float64."""

from __future__ import annotations

from itertools import product

import polars as pl

NO_NUMBER = ("", "nan", "na", "null", "none")
MARKS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}  # typeset ones too
PLAIN = (".", "")
WRITINGS = tuple((decimal, thousands) for thousands, decimal in product(MARKS, (".", ",")) if decimal != thousands)
Writing = tuple[str, str]
"""What separates a number's decimals, and what its thousands."""


def is_number(kind: pl.DataType) -> bool:
    """Whether values of this type may be numbers; text may be."""
    return kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Null)


def to_float(column: str, kind: pl.DataType, writing: Writing) -> pl.Expr:
    """The column as float64, null where it holds no number; Polars does this side by side on all cores."""
    value = pl.col(column)
    return (unmarked(value, writing) if kind == pl.String else value).cast(pl.Float64, strict=False)


def unmarked(text: pl.Expr, writing: Writing) -> pl.Expr:
    """Numbers in text as Polars reads them; null where they are written in another way."""
    if writing == PLAIN:
        return text
    decimal, thousands = (MARKS[mark] for mark in writing)
    groups = rf"|\d{{1,3}}(?:{thousands}\d{{3}})+" if thousands else ""
    whole = text.str.contains(rf"^\s*[+-]?(?:\d*{groups})(?:{decimal}\d+)?(?:[eE][+-]?\d+)?\s*$")
    bare = text.str.strip_chars()
    bare = bare.str.replace_all(thousands, "") if thousands else bare
    return pl.when(whole).then(bare.str.replace(decimal, "."))


def settled(raw: pl.Series, numbers: pl.Series, writing: Writing) -> pl.Series:
    """Numbers as cast; text that could not be is looked at again: true and false are 1 and 0, spaces do not count."""
    if raw.dtype != pl.String or numbers.null_count() == raw.null_count():
        return numbers
    left = (numbers.is_null() & raw.is_not_null()).arg_true()
    words = raw[left].str.strip_chars().str.to_lowercase().to_frame()
    flags = words.to_series().replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    again = words.select(to_float(raw.name, raw.dtype, writing).fill_nan(None)).to_series()
    return numbers.scatter(left, flags.fill_null(again))


def missing(raw: pl.Series) -> pl.Series:
    """Where no number was meant."""
    if raw.dtype.is_float():
        return raw.is_null() | raw.is_nan().fill_null(False)
    if raw.dtype == pl.String:
        return raw.is_null() | raw.str.strip_chars().str.to_lowercase().is_in(NO_NUMBER).fill_null(False)
    return raw.is_null()


def readings(text: pl.Series, writing: Writing) -> dict[str, pl.Series]:
    """Which of these texts would be numbers under other options of the Source, by those options."""
    others = {_options(other): other for other in WRITINGS if other != writing}
    read = [to_float(text.name, text.dtype, other).is_not_null().alias(options) for options, other in others.items()]
    return {column.name: column for column in text.to_frame().select(read)}


def _options(writing: Writing) -> str:
    decimal, thousands = writing
    return f'decimal="{decimal}"' + (f', thousands="{thousands}"' if thousands else "")


def inexact(numbers: pl.Series) -> list[tuple[str, pl.Series]]:
    """Floats so large that two whole numbers would be one key: the fault in words, and the rows that have it."""
    if not numbers.dtype.is_float():
        return []
    why = f"{numbers.name} is a number of 2**{exact_bits(numbers)} or more, which is not exact as a float"
    return [(f"{why}: a key of so many digits must be text", numbers.abs() >= 2.0 ** exact_bits(numbers))]


def exact_bits(numbers: pl.Series) -> int:
    """How many binary digits a whole number may have that is told apart from all others as such a float."""
    return 24 if numbers.dtype == pl.Float32 else 53
