"""What a column was like in the reference: in each respect, what its oddest time block was like."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from monitoring.counted import Floats, numbers, texts

if TYPE_CHECKING:
    import polars as pl

SPOKEN = 10  # rows of a time block, from which it says something
HALF = 0.5  # of the rows: with more of one value, that of the others says little
WIDTH = (0.001, 0.999)  # quantiles between which nearly all values of the reference lie


@dataclass(frozen=True)
class Rows:
    """A column of one side, with the number of each row's time block, or of another piece."""

    values: pl.Series
    block: NDArray[np.int64]

    def by_block(self, figure: pl.Expr) -> Floats:
        """A figure of the column `value`, of each block that says something; of all rows if none does."""
        import polars as pl

        frame = pl.DataFrame({"value": self.values, "block": self.block})
        found = frame.group_by("block").agg(figure.alias("figure"), rows=pl.len()).filter(pl.col("rows") >= SPOKEN)
        figures = numbers(found["figure"] if len(found) else frame.select(figure.alias("figure"))["figure"])
        return figures[np.isfinite(figures)]

    def as_values(self, kind: str) -> Rows:
        """Null where there is no value, or none that is finite."""
        import polars as pl

        if kind != "number":
            return Rows(texts(self.values), self.block)
        return Rows(pl.Series(numbers(self.values), dtype=pl.Float64).fill_nan(None), self.block)


@dataclass(frozen=True)
class Usual:
    """A column as the reference had it: what its oddest time block was like, in each respect.

    Args:
        rows: the reference's, without what is not finite.
        kind: "number" or "category".
        role: a label that is not known yet is no fault of a "target". That a "prediction" or a "feature" moved far is
            what a retrain is for, and so is a prediction that is always the same: of these, only silence is a fault.
        grows: whether it only ever grows: then it lies outside of all that was there, sooner or later.
        infinite: whether a value was infinite.
    """

    rows: Rows
    kind: str
    role: str
    grows: bool
    infinite: bool

    def cut(self, piece: NDArray[np.int64], *, grows: bool) -> Usual:
        """The same column in other pieces; as it is if these are its blocks, of which much may be known by now."""
        if piece is self.rows.block and grows == self.grows:
            return self
        return replace(self, rows=Rows(self.rows.values, piece), grows=grows)

    @cached_property
    def missing(self) -> float:
        """The largest share of rows without a value."""
        import polars as pl

        return float(self.rows.by_block(pl.col("value").is_null().mean()).max(initial=0))

    @cached_property
    def same(self) -> Floats:
        """Of each block, the share of its most frequent value."""
        import polars as pl

        known = pl.col("value").drop_nulls()
        return self.rows.by_block(known.unique_counts().max() / known.len())

    @cached_property
    def sizes(self) -> Floats:
        """Of each block, the median of the absolute values that are not 0."""
        import polars as pl

        return self.rows.by_block(pl.col("value").filter(pl.col("value") != 0).abs().median())

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Between which nearly all values lie."""
        known = np.asarray(self.rows.values.drop_nulls().to_numpy(), dtype=float)
        low, high = np.quantile(known, WIDTH) if len(known) else (math.nan, math.nan)
        return (float(low), float(high)) if high != low else (known.min(), known.max())

    @cached_property
    def outside(self) -> float:
        """How far outside of these ends the values of a block lay, on average, at most."""
        return float(self.rows.by_block(outside_of(*self.ends).mean()).max(initial=0))

    @cached_property
    def mostly_one(self) -> bool:
        """Whether most values are one value, as in dry days: then the width of the others says little."""
        counts = self.rows.values.drop_nulls().unique_counts()
        return float(counts.max() or 0) > HALF * float(counts.sum())  # type: ignore[arg-type]

    @cached_property
    def seen(self) -> pl.Series:
        """All of its values, as one list."""
        return self.rows.values.drop_nulls().unique().implode()

    @cached_property
    def new(self) -> float:
        """The largest share of a block's values that no block before it had."""
        return new_share(self.rows)


def usual(kind: str, role: str, reference: Rows, *, grows: bool = False) -> Usual:
    """How a column was; see Usual."""
    return Usual(reference.as_values(kind), kind, role, grows, kind == "number" and is_infinite(reference.values).any())


def is_infinite(values: pl.Series) -> pl.Series:
    """Which values are infinite; a missing one is not."""
    import polars as pl

    return values.cast(pl.Float64).is_infinite().fill_null(value=False)


def outside_of(low: float, high: float) -> pl.Expr:
    """How far each value lies outside of two ends."""
    import polars as pl

    further = pl.max_horizontal(pl.col("value") - high, low - pl.col("value"), 0.0)
    return pl.when(pl.col("value").is_not_null()).then(further)


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
