"""Columns that are never as they were: dates, ids and counters. That they move on is no news, and so no drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.usual import Rows

if TYPE_CHECKING:
    import polars as pl

BLOCKS = 4  # of the reference, from which growth is believed
OWN = 0.9  # share of values found in no other block, from which a category is an identifier

GROWS = "it only ever grows, as dates and counters do: not judged"
IDENTIFIES = "nearly every value is a new one, as of an identifier: not judged"


def growth(kind: str, reference: Rows, current: Rows) -> str | None:
    """Why a column is not judged; None if it is.

    Args:
        kind: "number" or "category".
        reference: how the column was.
        current: how it is.
    """
    if kind == "category":
        return IDENTIFIES if len(reference.values) and own_share(reference) >= OWN else None
    return GROWS if only_grows(reference, current) else None


def only_grows(reference: Rows, current: Rows) -> bool:
    """Whether the middle half of each block's numbers lies above that of the block before."""
    import polars as pl

    arrived = _middles(current)
    if not _rise(arrived):  # what arrived is few rows, and most columns are done with here
        return False
    known = _middles(reference)
    both = pl.concat([known, arrived])
    low, high = both.select("low", "high").drop_nulls().to_numpy().T
    return len(known) >= BLOCKS and len(low) > BLOCKS and _rise(both) and bool(low[-1] > high[0])


def _rise(middles: pl.DataFrame) -> bool:
    """Whether none begins below the end of the one before; those of blocks without a number are left out."""
    low, high = middles.select("low", "high").drop_nulls().to_numpy().T
    return bool((low[1:] >= high[:-1]).all())


def _middles(rows: Rows) -> pl.DataFrame:
    """The quartiles of each block, oldest first."""
    import polars as pl

    frame = pl.DataFrame({"value": rows.values.cast(pl.Float64).fill_nan(None), "block": np.asarray(rows.block)})
    quartiles = {"low": pl.col("value").quantile(0.25), "high": pl.col("value").quantile(0.75)}
    return frame.group_by("block").agg(**quartiles).sort("block")


def own_share(rows: Rows) -> float:
    """The largest share that values found in no other block have of a block's; of a single block, those found once.

    The latter is Good's estimate (1953) of how often the next value is a new one.
    """
    import polars as pl

    frame = pl.DataFrame({"value": rows.values, "block": rows.block}).drop_nulls("value")
    column: Any = pl.col("value")
    single = frame["block"].n_unique() == 1
    own = pl.len().over("value") == 1 if single else pl.col("block").n_unique().over("value") == 1
    found = Rows(frame.select(own=own & column.is_not_null())["own"], frame["block"].to_numpy())
    return float(found.by_block(pl.col("value").mean()).max(initial=0))
