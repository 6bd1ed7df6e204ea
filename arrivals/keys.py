"""What a row is known by: a documented hash of its key, and a digest of a partition's rows.

The hash is fixed for ever (docs/arrivals.md gives it in words): it decides which rows are held out, so another
platform, library version or order of arrival must give the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

if TYPE_CHECKING:
    from learning.spec import Schema

HIGH, LOW = "key hash", "key hash, low half"  # names that no schema column is likely to have
ROW, TIME, SEQUENCE = "row", "time", "sequence"
HOLDOUT = "holdout"
SAID = 32  # digits of a partition's digest that say what its rows said, whatever was built of them
FOLD = 0x9E3779B97F4A7C15


def text(column: str, dtype: pl.DataType) -> pl.Expr:
    """The text that a value is hashed as, the same however it arrived.

    A time is its microseconds since 1970 in UTC, a number the bits of its float64 read as a whole number (zero has
    one sign only); both in decimal digits. A string is itself.
    """
    value = pl.col(column)
    if dtype == pl.String:
        return value
    if dtype.is_float():
        value = pl.when(value == 0).then(0.0).otherwise(value).reinterpret(dtype=pl.Int64)
    return value.to_physical().cast(pl.String)


def texts(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The texts that some columns' values are hashed as."""
    return rows.select(text(name, rows.schema[name]).alias(name) for name in columns)


def row_hash(columns: Sequence[str], seed: int = 0) -> pl.Expr:
    """64 bits that name a row by the texts of these columns: XXH3-64 of each column's text, folded from left to right.

    `h = xxh3(first)`, then for each further column `h = h * 0x9E3779B97F4A7C15 + xxh3(column)` modulo 2**64.
    XXH3: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
    """
    first, *rest = (NonCryptographicHashingNameSpace(pl.col(name)).xxh3_64(seed=seed) for name in columns)
    folded: pl.Expr = first
    for further in rest:
        folded = folded * pl.lit(FOLD, dtype=pl.UInt64) + further
    return folded


def key_hashes(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The 128 bits that name each row by its key, in two columns: the hash with seed 0, and with seed 1."""
    return texts(rows, key).select(row_hash(key).alias(HIGH), row_hash(key, seed=1).alias(LOW))


def held_out(rows: pl.DataFrame, key_hash: pl.Series, schema: Schema) -> pl.Series:
    """Whether each row is held out: whether the hash of its entity is in the lowest share of all hashes.

    Args:
        rows: the rows.
        key_hash: their keys' hashes, which are the entities' where the schema names no other entity.
        schema: says what the entity is, and which share is held out.
    """
    named = schema.entity and schema.entity != schema.key
    entity = texts(rows, schema.entity).select(row_hash(schema.entity)).to_series() if named else key_hash
    lowest = pl.Series([int(schema.holdout * 2**64)], dtype=pl.UInt64)
    return (entity < lowest).alias(HOLDOUT)


def content_digest(rows: pl.DataFrame) -> str:
    """SHA-256 over the rows' values, column by column: two files of the same rows have the same digest.

    Each column gives its name and length, which values are null, and its values: numbers, flags and times as
    little-endian bytes (zero for null), strings as their lengths in bytes and their UTF-8 text.
    """
    digest = hashlib.sha256()
    for values in rows.iter_columns():
        digest.update(f"{values.name}:{len(values)}:{values.null_count()};".encode())
        if values.null_count():
            digest.update(_bytes(values.is_null()))
        column = values.explode() if getattr(values.dtype, "inner", None) == pl.String else values  # windows of words
        if column.dtype == pl.String:
            digest.update(_bytes(column.str.len_bytes().cast(pl.UInt32).fill_null(0)))
            digest.update(column.str.join("").item().encode())
        else:
            flat = column.explode() if isinstance(column.dtype, pl.Array) else column
            flat = flat.to_physical() if flat.dtype.is_temporal() else flat
            if flat.null_count():  # of a few rows one would feel that Polars looks
                flat = flat.fill_null(False if flat.dtype == pl.Boolean else 0)
            digest.update(_bytes(flat))
    return digest.hexdigest()


def partition_digest(rows: pl.DataFrame, built: Sequence[str]) -> str:
    """The digest of a partition; where something was built of its rows, one half is of what they said themselves.

    Args:
        rows: the rows.
        built: columns that depend on what had arrived before.
    """
    said = content_digest(rows.drop(built))
    return said[:SAID] + content_digest(rows.select(built))[SAID:] if built else said


def _bytes(values: pl.Series) -> bytes | memoryview:
    """The values as little-endian bytes, one each for flags."""
    numbers = values.cast(pl.UInt8) if values.dtype == pl.Boolean else values
    array = numbers.to_numpy()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).data.cast("B")
