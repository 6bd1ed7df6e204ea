"""Windows over the last rows of an entity, built when a row is taken and kept in its partition (docs/adr/0031).

Rows of one entity are in order by time; of the same time, those that came with an earlier partition are first, and of
one partition those with the smaller hash of their key. A window holds its row and those right before it in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.schema import Schema
    from learning.window import Window

STEPS, PLACE, FROM = "window/rows", "window/place", "window/from"  # as learning/window.py names these columns
COUNT = "count"  # of an entity's rows so far; no column of a schema stands beside it, all of which are renamed
FIRST = "first"


def narrow(rows: pl.DataFrame, schema: Schema, sequence: int) -> pl.DataFrame:
    """What later windows need of a partition's rows, in their order; null of a column that they do not have.

    Args:
        rows: of a partition, whose PLACE is known.
        schema: names the columns.
        sequence: number of the partition.
    """
    kinds = {**dict.fromkeys(schema.numeric, pl.Float64), **dict.fromkeys(schema.categorical, pl.String)}
    columns = [pl.col(name).alias(f"by {place}") for place, name in enumerate(_window(schema).by)]
    values = [
        (pl.col(name) if rows.schema.get(name) == kind else pl.lit(None, kind)).alias(f"of {name}")
        for name, kind in kinds.items()
    ]
    number = pl.lit(sequence, pl.UInt32).alias(FROM)
    return rows.select(*columns, pl.col(schema.event_time).alias("time"), *values, number, pl.col(PLACE).alias(COUNT))


def by_of(schema: Schema) -> list[str]:
    """The columns that name an entity, as `narrow` names them."""
    return [f"by {place}" for place in range(len(_window(schema).by))]


def newest(rows: pl.DataFrame, schema: Schema, most: int) -> pl.DataFrame:
    """The newest rows of each entity, at most so many; each knows how many rows its entity had so far.

    Args:
        rows: in the order in which they arrived.
        schema: names the columns.
        most: rows of an entity that are kept.
    """
    by = by_of(schema)
    in_order = rows.with_columns(pl.col(COUNT).max().over(by)).sort(*by, "time", maintain_order=True)
    behind = pl.len().over(by) - pl.int_range(pl.len()).over(by)
    return in_order.filter(behind <= most)


def nearest(rows: pl.DataFrame, asked: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """What of some rows may be in windows of others: the last ones before each of these.

    Args:
        rows: in the order in which they arrived.
        asked: the entity and time of those whose windows are to be built.
        schema: names the columns.
    """
    by, most = by_of(schema), _window(schema).length - 1
    asked = asked.select(*by, "time").unique().sort("time").with_columns(pl.col("time").alias(FIRST))
    in_order = rows.sort("time", maintain_order=True)
    matched = in_order.join_asof(asked, on="time", by=by, strategy="forward", check_sortedness=False)
    stretch = [*by, FIRST]  # between two rows that are asked for
    behind = pl.len().over(stretch) - pl.int_range(pl.len()).over(stretch)
    return matched.filter(pl.col(FIRST).is_not_null() & (behind <= most)).drop(FIRST)


def placed(rows: pl.DataFrame, earlier: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Rows of a partition with PLACE: each is the how manieth of its entity, as they arrive.

    Args:
        rows: in the partition's order.
        earlier: earlier rows of these entities, as `newest` gives them.
        schema: names the columns.
    """
    by, names = by_of(schema), list(_window(schema).by)
    counts = earlier.group_by(by).agg(pl.col(COUNT).max())
    found = rows.select(names).join(counts, left_on=names, right_on=by, how="left", maintain_order="left")
    place = found.select(pl.col(COUNT).fill_null(0) + pl.int_range(1, pl.len() + 1).over(names)).to_series()
    return rows.with_columns(place.cast(pl.Int64).alias(PLACE))


def windowed(rows: pl.DataFrame, earlier: pl.DataFrame, schema: Schema, sequence: int) -> pl.DataFrame:
    """Rows of a partition with the columns that keep their windows.

    Args:
        rows: in the partition's order, with PLACE.
        earlier: rows of earlier partitions, in the order in which they arrived.
        schema: names the columns.
        sequence: number that the partition will have.
    """
    both = pl.concat([earlier, narrow(rows, schema, sequence)])
    places, steps = _places(both, rows.height, schema)
    sources = both[FROM].append(pl.Series([0], dtype=pl.UInt32))
    kinds = schema.window_kinds()
    kept = [pl.Series(STEPS, steps, kinds[STEPS]), _taken(sources, places).alias(FROM)]
    for name in schema.numeric:
        numbers = both[f"of {name}"].cast(pl.Float32).fill_null(float("nan")).append(pl.Series([0], dtype=pl.Float32))
        kept.append(_taken(numbers, places).alias(schema.kept_window(name)))
    for name in schema.categorical:
        words = both[f"of {name}"].fill_null("").append(pl.Series([""]))
        kept.append(_taken(words, places).alias(schema.kept_window(name)))
    return rows.with_columns(kept).select(*rows.columns, *(name for name in kinds if name not in rows.columns))


def _places(both: pl.DataFrame, new: int, schema: Schema) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the rows of each window are, oldest first, for the last `new` of these rows; and how many it holds.

    Padding is where one more row would be.
    """
    by, length = by_of(schema), _window(schema).length
    in_order = both.select(*by, "time").with_row_index("at").sort(*by, "time", maintain_order=True)
    order = in_order["at"].cast(pl.Int64).to_numpy()
    begin = (
        in_order.with_row_index("place").select(pl.col("place").first().over(by).cast(pl.Int64)).to_series().to_numpy()
    )
    mine = np.empty(len(order), np.int64)
    mine[order] = np.arange(len(order))
    mine = mine[len(order) - new :]
    wanted = mine[:, None] + np.arange(1 - length, 1)
    there = wanted >= begin[mine][:, None]
    return np.where(there, order[np.maximum(wanted, 0)], len(order)), there.sum(axis=1)


def _taken(values: pl.Series, places: NDArray[np.int64]) -> pl.Series:
    """The values at these places, as many a row as a window is long."""
    return values.gather(places.ravel()).reshape(places.shape)


def reaching(partition: pl.Series, recalled: Sequence[int]) -> pl.Series:
    """Which rows have windows that hold rows of one of these partitions, by a partition's FROM."""
    size = partition.dtype.size if isinstance(partition.dtype, pl.Array) else 1
    found = np.isin(partition.explode().to_numpy().reshape(len(partition), size), list(recalled))
    return pl.Series(found.any(axis=1))


def _window(schema: Schema) -> Window:
    if schema.window is None:
        raise ValueError("a schema without a window")
    return schema.window
