"""Columns that are never as they were: dates, ids and counters. That they move on is no news, and so no drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.usual import BLOCK, Rows

if TYPE_CHECKING:
    from monitoring.counted import Floats
    from monitoring.drift import Compared, Side

MIDDLE = (0.25, 0.75)  # quantiles
BLOCKS = 4  # of the reference, from which growth is believed
OWN = 0.9  # share of values found in no other block, from which a category is an identifier

GROWS = "it only ever grows, as dates and counters do: not judged"
IDENTIFIES = "nearly every value is a new one, as of an identifier: not judged"


def growth(reference: Side, current: Side, columns: Sequence[Compared]) -> dict[Compared, str | None]:
    """Why each column is not judged; None if it is.

    Args:
        reference: how they were.
        current: how they are.
        columns: which ones.
    """
    grow = only_grow(reference, current, [c.name for c in columns if c.kind != "category"])
    found: dict[Compared, str | None] = {}
    for column in columns:
        if column.kind == "category":
            rows = Rows(reference.values[column.name], reference.block)
            found[column] = IDENTIFIES if len(rows.values) and own_share(rows) >= OWN else None
        else:
            found[column] = GROWS if column.name in grow else None
    return found


def only_grow(reference: Side, current: Side, names: Sequence[str]) -> set[str]:
    """The columns of which the middle half of each block's numbers lies above that of the block before."""
    arrived = _middles(current, names)
    rising = [name for name, middles in arrived.items() if _rise(*middles)]  # few rows, and most are done with here
    known = _middles(reference, rising)
    blocks = len(np.unique(reference.block))
    both = {name: np.hstack([known[name], arrived[name]]) for name in rising}
    return {
        name
        for name, (low, high) in both.items()
        if blocks >= BLOCKS and len(low) > BLOCKS and _rise(low, high) and low[-1] > high[0]
    }


def _rise(low: Floats, high: Floats) -> bool:
    """Whether none begins below the end of the one before."""
    return bool((low[1:] >= high[:-1]).all())


def _middles(side: Side, names: Sequence[str]) -> dict[str, Floats]:
    """The quartiles of each block's numbers, oldest first, shape (2, blocks); blocks without a number are left out."""
    import polars as pl

    if not names:
        return {}
    values = {name: pl.col(name).cast(pl.Float64).fill_nan(None) for name in names}
    quartiles = [value.quantile(share).alias(f"{name}/{share}") for name, value in values.items() for share in MIDDLE]
    blocks = side.values.with_columns(pl.Series(BLOCK, np.asarray(side.block))).group_by(BLOCK)
    found = blocks.agg(*quartiles).sort(BLOCK)
    by_name = {name: np.stack([found[f"{name}/{share}"].to_numpy() for share in MIDDLE]) for name in names}
    return {name: middles[:, ~np.isnan(middles).any(axis=0)] for name, middles in by_name.items()}


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
