"""Columns that are broken: so far off that no world moves like that, so something on the way here is at fault.

The rules know no chance and no setting. Each compares with what the reference's own time blocks were like at their
oddest, so that what a column does now and then is no fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from monitoring.counted import Floats, numbers, texts

if TYPE_CHECKING:
    import polars as pl

ENOUGH = 30  # values, below which nothing is called broken
SPOKEN = 10  # rows of a time block, from which it says something
MORE = 0.25  # of the rows, beyond the oddest block: without a value, or with one that was never seen
UNLIKELY = 1e-6  # chance of a constant, were each row drawn as in the block that is most like one
FEW, HALF = 20, 0.5  # of fewer blocks, none may have had one value in most of its rows: a dry week is no fault
TIMES = 100  # as large, or as small, as in the oddest block: another unit
WIDTH = (0.001, 0.999)  # quantiles between which nearly all values of the reference lie


@dataclass(frozen=True)
class Rows:
    """A column of one side, with the number of each row's time block."""

    values: pl.Series
    block: NDArray[np.int64]

    def by_block(self, figure: pl.Expr) -> Floats:
        """A figure of the column `value`, of each block that says something; of all rows if none does."""
        import polars as pl

        frame = pl.DataFrame({"value": self.values, "block": self.block})
        found = frame.group_by("block").agg(figure.alias("figure"), rows=pl.len()).filter(pl.col("rows") >= SPOKEN)
        figures = numbers(found["figure"] if len(found) else frame.select(figure.alias("figure"))["figure"])
        return figures[np.isfinite(figures)]


def fault(  # noqa: PLR0913 - the last two by name
    kind: str, role: str, reference: Rows, current: Rows, *, grows: bool = False, whole: bool = True
) -> str | None:
    """What is wrong with the current values of a column, as the end of a sentence; None if nothing is.

    Args:
        kind: "number" or "category".
        role: a label that is not known yet is no fault of a "target". That a "prediction" or a "feature" moved far is
            what a retrain is for, and so is a prediction that is always the same: of these, only silence is a fault.
        reference: how the column was.
        current: how it is.
        grows: whether it only ever grows: then it lies outside of all that was there, sooner or later.
        whole: whether what arrived is about a time block or more. An hour has one hour, and a day is one weekday: of
            less than a block, or of rows without blocks, that all values are the same says nothing.
    """
    import polars as pl

    if kind == "number":
        infinite = int(current.values.cast(pl.Float64).is_infinite().sum())
        if infinite and not reference.values.cast(pl.Float64).is_infinite().any():
            return f"{infinite:,} of its values are infinite"
    one, other = (Rows(_values(rows.values, kind), rows.block) for rows in (reference, current))
    if role == "prediction":
        silent = len(other.values) >= ENOUGH and not other.values.count() and one.values.count()
        return "all of its values are missing" if silent else None
    missing = None if role == "target" else _missing(one, other)
    if missing or min(one.values.count(), other.values.count()) < ENOUGH:
        return missing
    constant = _constant(one, other) if whole else None
    if constant or role == "feature":
        return constant
    return _another_scale(one, other, grows=grows) if kind == "number" else _unseen(one, other)


def _values(values: pl.Series, kind: str) -> pl.Series:
    """Null where there is no value, or none that is finite."""
    import polars as pl

    return pl.Series(numbers(values)).fill_nan(None) if kind == "number" else texts(values)


def _missing(reference: Rows, current: Rows) -> str | None:
    """Many rows have no value, beyond the block of the reference that had fewest."""
    import polars as pl

    usual = float(reference.by_block(pl.col("value").is_null().mean()).max(initial=0))
    share = current.values.null_count() / len(current.values)
    if len(current.values) < ENOUGH or share < usual + MORE:
        return None
    return f"{share:.0%} of its values are missing, and at most {usual:.0%} of a block's were"


def _constant(reference: Rows, current: Rows) -> str | None:
    """All rows have one value, and no block of the reference came near that."""
    import polars as pl

    known = pl.col("value").drop_nulls()
    if current.values.n_unique() - (current.values.null_count() > 0) > 1:
        return None
    shares = reference.by_block(known.unique_counts().max() / known.len())
    usual = float(shares.max(initial=1e-9))
    if usual ** current.values.count() >= UNLIKELY or (len(shares) < FEW and usual > HALF):
        return None
    return f"all of its {current.values.count():,} values are the same, and at most {usual:.0%} of a block's were"


def _another_scale(reference: Rows, current: Rows, *, grows: bool) -> str | None:
    """Values are of another unit, or lie far outside of all that was there."""
    import polars as pl

    sizes = pl.col("value").filter(pl.col("value") != 0).abs().median()
    usual = reference.by_block(sizes)
    size = current.values.filter(current.values != 0).abs().median()
    if len(usual) and isinstance(size, float):
        if size > TIMES * usual.max():
            return f"its values are {size / float(usual.max()):,.0f} times as large as they ever were"
        if size < usual.min() / TIMES:
            return f"its values are {float(usual.min()) / size:,.0f} times as small as they ever were"
    if grows:
        return None
    known, now = (np.asarray(rows.values.drop_nulls().to_numpy(), dtype=float) for rows in (reference, current))
    low, high = np.quantile(known, WIDTH)
    if high == low:
        low, high = known.min(), known.max()
    outside = float(np.maximum(np.maximum(now - high, low - now), 0).mean())
    # Where most values are one value, as in dry days, the width of the others says little.
    mostly_one = float(np.unique(known, return_counts=True)[1].max()) > HALF * len(known)
    if high == low or outside < (TIMES if mostly_one else 1) * (high - low):
        return None
    widths = outside / float(high - low)
    return f"its values lie, on average, {widths:,.1f} times the width of all earlier values outside of them"


def _unseen(reference: Rows, current: Rows) -> str | None:
    """Many rows have categories that are new, beyond what was ever new in a block of the reference."""
    known = current.values.drop_nulls()
    share = float(np.mean(~known.is_in(reference.values.drop_nulls().unique().implode()).to_numpy()))
    usual = new_share(reference)
    if share < usual + MORE:
        return None
    return f"{share:.0%} of its values are categories never seen before, and at most {usual:.0%} of a block's were"


def new_share(rows: Rows) -> float:
    """The largest share of a block's values that no block before it had; of a single block, of those found once.

    The latter is Good's estimate (1953) of how often the next value is a new one. A month as a category is all new in
    the first days of each month, and so are products where they turn over: that is how such a column is.
    """
    import polars as pl

    frame = pl.DataFrame({"value": rows.values, "block": rows.block}).drop_nulls("value")
    if frame["block"].n_unique() <= 1:
        new = frame.select(pl.len().over("value") == 1).to_series()
    else:
        first = pl.col("block") == pl.col("block").min().over("value")
        frame = frame.with_columns(new=first).filter(pl.col("block") > pl.col("block").min())
        new = frame["new"]
    return float(Rows(new.alias("value"), frame["block"].to_numpy()).by_block(pl.col("value").mean()).max(initial=0))
