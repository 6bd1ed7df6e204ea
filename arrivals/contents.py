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
METHOD = "splitmix64 of float32, microseconds or XXH3-64, summed over columns"


def feature_names(schema: Schema) -> tuple[str, ...]:
    """The columns that are neither key nor target."""
    return tuple(name for name in schema.columns if name not in (*schema.key, schema.target))


def meaning(schema: Schema) -> str:
    """What the numbers of a model's rows depend on, beside the rows."""
    return repr((METHOD, schema.key, schema.target, sorted(feature_names(schema))))


def described(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """HIGH, LOW, FEATURES and LABEL of each row: its key, its features, and its label or null."""
    label = _one_zero(rows[schema.target].cast(pl.Float64)).reinterpret(dtype=pl.UInt64).alias(LABEL)
    return key_hashes(rows, schema.key).with_columns(_features(rows, schema), label)


def asked_rows(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The same with TIME and ROW, sorted by key and then by row; where only labels come, TIME may be null."""
    keyed = described(rows, schema).with_columns(
        pl.int_range(rows.height).alias(ROW),
        (rows[schema.time] if schema.time in rows.columns else pl.lit(None, INSTANT)).alias(TIME),
    )
    keyed = keyed.sort(HIGH, maintain_order=True)
    if not (keyed[HIGH] == keyed[HIGH].shift()).any():  # as nearly always; sorting by all three costs much more
        return keyed
    return keyed.sort(HIGH, LOW, ROW)


def label_of(bits: pl.Expr) -> pl.Expr:
    """The label again."""
    return bits.reinterpret(dtype=pl.Float64)


def _features(rows: pl.DataFrame, schema: Schema) -> pl.Series:
    """A number for all features of a row: the sum of one for each, which knows the name of its column."""
    total = np.zeros(rows.height, np.uint64)
    for name in feature_names(schema):
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        if name not in rows.columns:
            values = np.full(rows.height, NULL, np.uint64)
        elif isinstance(kind := rows.schema[name], pl.Array):
            values = _tensor(rows[name], kind)
        else:
            values = _bits(rows, name).fill_null(NULL).to_numpy()
        total += _mixed(values, seed)
    return pl.Series(FEATURES, total)


def _bits(rows: pl.DataFrame, name: str) -> pl.Series:
    """A number for each value of a column: a hash of text, a time's microseconds, else the bits of its float32.

    That is what a model sees of a number: files of another format may hold it with more digits, or with fewer.
    """
    value, kind = rows[name], rows.schema[name]
    if kind == pl.String:
        return rows.select(NonCryptographicHashingNameSpace(pl.col(name)).xxh3_64()).to_series()
    if kind.is_temporal():
        return value.to_physical().reinterpret(dtype=pl.UInt64)
    return _one_zero(value.cast(pl.Float32)).reinterpret(dtype=pl.UInt32).cast(pl.UInt64)


def _one_zero(numbers: pl.Series) -> pl.Series:
    """Zero without its sign."""
    zero = pl.Series([0.0], dtype=numbers.dtype).new_from_index(0, len(numbers))
    return numbers.zip_with((numbers != 0).fill_null(value=True), zero)


def _tensor(column: pl.Series, kind: pl.Array) -> Bits:
    """A number for each tensor: the bits of its float32, weighted by their places, in sum."""
    known = column.is_not_null().to_numpy()
    flat = column.drop_nulls().explode().to_numpy() + np.float32(0)
    bits = flat.view(np.uint32).reshape(int(known.sum()), kind.size)
    weights = _mixed(np.arange(kind.size, dtype=np.uint64), NULL) | np.uint64(1)
    values = np.full(len(column), NULL, np.uint64)
    values[known] = np.einsum("ij,j->i", bits, weights, dtype=np.uint64, casting="unsafe")
    return values


def _mixed(bits: Bits, seed: int) -> Bits:
    """Each number stirred well, so that sums of them tell rows apart: splitmix64 (https://prng.di.unimi.it)."""
    mixed = bits + np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
