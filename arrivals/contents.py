"""What a row says beside its key, in numbers: enough to tell a repeated row from another one of the same key.

Known keys are kept with these numbers, so that no partition is opened to compare rows. They are the same on every
platform, in every order of columns and however a row arrived; unlike the key's hash they are written down nowhere else,
and may change with what `meaning` says.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from polars_hash import NonCryptographicHashingNameSpace

from arrivals.keys import HIGH, LOW, ROW, TIME, key_hashes
from arrivals.times import INSTANT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.spec import Schema

    Bits = NDArray[np.uint64]

FEATURES, LABEL = "features hash", "label bits"
NULL = 0x6E756C6C6E756C6C  # stands for what is missing, also for a whole column that older partitions do not have
METHOD = "float32, microseconds or XXH3-64, each times a factor, in sum"


def feature_names(schema: Schema) -> tuple[str, ...]:
    """The columns beside key and first target: another output's label comes with its row again, like a feature."""
    return tuple(name for name in schema.arriving if name not in (*schema.key, schema.target))


def meaning(schema: Schema) -> str:
    """What the numbers of a model's rows depend on, beside the rows."""
    words = (schema.classes,) if schema.classes else ()  # a label's number is its word's place among them
    return repr((METHOD, schema.key, schema.target, sorted(feature_names(schema)), *words))


def described(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """HIGH, LOW, FEATURES and LABEL of each row: its key, its features, and its label or null."""
    known = schema.target in rows.columns  # rows that were taken under another schema may have none
    target = (
        rows.select(schema.label()).to_series() if known else pl.repeat(None, rows.height, dtype=pl.Float64, eager=True)
    )
    label = pl.Series(LABEL, (target.to_numpy().astype(np.float64) + 0.0).view(np.uint64))
    if target.null_count():
        label = label.set(target.is_null(), None)
    return key_hashes(rows, schema.key).with_columns(_features(rows, schema), label)


def asked_rows(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The same with TIME and ROW, sorted by key and then by row; where only labels come, TIME may be null."""
    keyed = described(rows, schema).with_columns(
        pl.int_range(rows.height).alias(ROW),
        (rows[schema.event_time] if schema.event_time in rows.columns else pl.lit(None, INSTANT)).alias(TIME),
    )
    keyed = keyed.sort(HIGH, maintain_order=True)
    if not (keyed[HIGH] == keyed[HIGH].shift()).any():  # as nearly always; sorting by all three costs much more
        return keyed
    return keyed.sort(HIGH, LOW, ROW)


def label_of(bits: pl.Expr) -> pl.Expr:
    """The label's number again."""
    return bits.reinterpret(dtype=pl.Float64)


def _features(rows: pl.DataFrame, schema: Schema) -> pl.Series:
    """A number for all features of a row: the sum of one for each, times a factor that its column's name gives."""
    total = [pl.repeat(0, pl.len(), dtype=pl.UInt64)]
    for name in feature_names(schema):
        factor = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") | 1
        bits = _bits(rows[name]) if name in rows.columns else pl.lit(None, pl.UInt64)
        total.append(bits.fill_null(NULL) * pl.lit(factor, pl.UInt64))
    return rows.select(pl.sum_horizontal(total).alias(FEATURES)).to_series()


def _bits(column: pl.Series) -> pl.Expr:
    """A number for each value: a hash of text, a time's microseconds, the bits of a float32; sums of these in tensors.

    A float32 is what a model sees of a number: files of another format may hold it with more digits, or with fewer.
    """
    value = pl.col(column.name)
    if isinstance(kind := column.dtype, pl.Array):
        return pl.lit(pl.Series(_tensors(column, kind)))
    if kind == pl.String:
        return NonCryptographicHashingNameSpace(value).xxh3_64()
    if kind.is_temporal():
        return value.to_physical().reinterpret(dtype=pl.UInt64)
    number = value.cast(pl.Float32)
    one_zero = pl.when(number == 0).then(pl.lit(0, pl.Float32)).otherwise(number)  # Polars takes "+ 0" away
    return one_zero.reinterpret(dtype=pl.UInt32).cast(pl.UInt64)


def _tensors(column: pl.Series, kind: pl.Array) -> Bits:
    """A number for each tensor: the bits of its float32, each times a factor of its place, in sum."""
    known = column.is_not_null().to_numpy()
    flat = column.drop_nulls().explode().to_numpy() + np.float32(0)
    bits = flat.view(np.uint32).reshape(int(known.sum()), kind.size)
    factors = np.random.PCG64(NULL).random_raw(kind.size) | np.uint64(1)
    values = np.full(len(column), NULL, np.uint64)
    values[known] = np.einsum("ij,j->i", bits, factors, dtype=np.uint64, casting="unsafe")
    return values
