"""One text for one value: keys and categories, however they arrive (docs/adr/0015)."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from arrivals.times import nothing, within_years


def as_text(raw: pl.Series) -> pl.Series:
    """Values as the text that names them; null where they have none: infinite numbers, lengths of time, lists.

    Text is itself. A number is written as JSON Lines give it: in plain digits, without an exponent or a ".0". Flags
    are true and false, bytes their hexadecimal digits.
    """
    kind = raw.dtype
    if kind == pl.String or kind.is_float():
        text = _digits(raw) if kind.is_float() else raw
        text = text.set(zeros, "0") if (zeros := text == "-0").any() else text  # zero has one sign only
        # A NUL is what Polars makes of half a surrogate pair; the whole column as one text is searched most quickly.
        return text.set(text.str.contains("\0", literal=True), None) if "\0" in text.str.join("").item() else text
    if kind == pl.Binary:
        return raw.bin.encode("hex")
    if isinstance(kind, pl.Decimal):
        text = raw.cast(pl.String)
        return text.str.strip_chars_end("0").str.strip_suffix(".") if kind.scale else text
    if kind == pl.Duration or kind.is_nested():
        return nothing(raw, pl.String())
    return (_instants(raw) if kind in (pl.Date, pl.Datetime) else raw).cast(pl.String)


def as_it_came(raw: pl.Series) -> pl.Series:
    """Values as text for a person to look at, as far as Polars can write them."""
    if raw.dtype == pl.Binary:
        return raw.bin.encode("hex")
    if raw.dtype.is_nested() and "Binary" in str(raw.dtype):  # at which Polars' JSON panics
        return pl.Series(raw.name, [None if value is None else str(value) for value in raw.to_list()], pl.String)
    if raw.dtype.is_nested():
        raw = raw.to_physical() if "Date" in str(raw.dtype) else raw  # nor can it write those of far years
        return raw.to_frame().select(pl.struct(raw.name).struct.json_encode()).to_series().alias(raw.name)
    if raw.dtype == pl.Duration:
        return raw.dt.to_string("iso")
    return (within_years(raw) if raw.dtype in (pl.Date, pl.Datetime) else raw).cast(pl.String, strict=False)


def _digits(numbers: pl.Series) -> pl.Series:
    """Finite numbers in the fewest decimal digits that name them."""
    text = numbers.set(~numbers.is_finite(), None).cast(pl.String).str.strip_suffix(".0")
    if not (exponents := text.str.contains("e", literal=True)).any():
        return text
    rows = exponents.arg_true()
    return text.scatter(rows, [format(Decimal(written), "f") for written in text[rows]])


def _instants(times: pl.Series) -> pl.Series:
    """Dates, and datetimes in microseconds and UTC where that loses nothing: one instant has one text."""
    there = within_years(times)
    if not isinstance(there.dtype, pl.Datetime):
        return there
    there = there.dt.convert_time_zone("UTC") if there.dtype.time_zone else there
    return there if (there.dt.nanosecond() % 1_000 != 0).any() else there.dt.cast_time_unit("us")
