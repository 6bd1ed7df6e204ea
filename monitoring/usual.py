"""What a column was like in the reference: in each respect, what its oddest time block was like."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from monitoring.counted import LARGEST, Floats, numbers

if TYPE_CHECKING:
    import polars as pl

    from monitoring.drift import Compared

BLOCK, ROWS = "/block", "/rows"  # no column that is compared is called so
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
        return by_block(self.values.alias("value").to_frame(), self.block, {"figure": figure})["figure"]


def by_block(values: pl.DataFrame, block: NDArray[np.int64], figures: Mapping[str, pl.Expr]) -> dict[str, Floats]:
    """Figures of some columns, of each block that says something, as far as they are finite; of all rows if none does.

    All of them are asked at once: one by one, most of the time goes into the asking.
    """
    import polars as pl

    blocks = values.with_columns(pl.Series(BLOCK, block)).group_by(BLOCK)
    named = [figure.alias(name) for name, figure in figures.items()]
    found = blocks.agg(pl.len().alias(ROWS), *named).filter(pl.col(ROWS) >= SPOKEN)
    if not len(found):
        found = values.select(named)
    by_name = {name: numbers(found[name]) for name in figures}
    return {name: figure[np.isfinite(figure)] for name, figure in by_name.items()}


@dataclass(frozen=True)
class Column:
    """A column of the reference, however it is cut.

    Args:
        values: without what is not finite.
        kind: "number" or "category".
        role: a label that is not known yet is no fault of a "target". That a "prediction" or a "feature" moved far is
            what a retrain is for, and so is a prediction that is always the same: of these, only silence is a fault.
        infinite: whether a value was infinite.
    """

    values: pl.Series
    kind: str
    role: str
    infinite: bool

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Between which nearly all values lie."""
        known = np.asarray(self.values.drop_nulls().to_numpy(), dtype=float)
        low, high = np.quantile(known, WIDTH) if len(known) else (math.nan, math.nan)
        return (float(low), float(high)) if high != low else (known.min(), known.max())

    @cached_property
    def mostly_one(self) -> bool:
        """Whether most values are one value, as in dry days: then the width of the others says little."""
        counts = self.values.drop_nulls().unique_counts()
        return float(counts.max() or 0) > HALF * float(counts.sum())  # type: ignore[arg-type]

    @cached_property
    def seen(self) -> pl.Series:
        """All of its values, as one list."""
        return self.values.drop_nulls().unique().implode()


@dataclass(frozen=True)
class Usual:
    """A column as the reference had it: what its oddest time block was like, in each respect.

    Args:
        column: its values.
        among: all columns, and how they are cut.
        grows: whether it only ever grows: then it lies outside of all that was there, sooner or later.
    """

    column: Column
    among: KnownColumns
    grows: bool

    @property
    def rows(self) -> Rows:
        """Its values, piece by piece."""
        return Rows(self.column.values, self.among.block)

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

    @property
    def sizes(self) -> Floats:
        """Of each block, the median of the absolute values that are not 0."""
        return self.among.sizes[self.column.values.name]

    @cached_property
    def outside(self) -> float:
        """How far outside of the ends the values of a block lay, on average, at most."""
        import polars as pl

        outside = outside_of(pl.col("value"), *self.column.ends).mean()
        return float(self.rows.by_block(outside).max(initial=0))

    @cached_property
    def new(self) -> float:
        """The largest share of a block's values that no block before it had."""
        return new_share(self.rows)


@dataclass(frozen=True)
class KnownColumns:
    """All columns of the reference, cut into time blocks, or into other pieces.

    Args:
        values: as `as_values` gives them.
        columns: the same by their names.
        block: number of each row's piece, shape (rows,).
        growing: names of those that only ever grow.
    """

    values: pl.DataFrame
    columns: Mapping[str, Column]
    block: NDArray[np.int64]
    growing: frozenset[str]

    def cut(self, piece: NDArray[np.int64], growing: frozenset[str]) -> KnownColumns:
        """The same columns in other pieces; as it is if these are its blocks, of which much may be known by now."""
        same = piece is self.block and growing == self.growing
        return self if same else replace(self, block=piece, growing=growing)

    @cached_property
    def usual(self) -> dict[str, Usual]:
        """How each column was."""
        return {name: Usual(column, self, name in self.growing) for name, column in self.columns.items()}

    @cached_property
    def sizes(self) -> dict[str, Floats]:
        """Of each number and each block, the median of the absolute values that are not 0."""
        import polars as pl

        names = [name for name, column in self.columns.items() if column.kind == "number"]
        sized = {name: pl.col(name).filter(pl.col(name) != 0).abs().median() for name in names}
        return by_block(self.values, self.block, sized)


def known_columns(
    columns: Sequence[Compared], values: pl.DataFrame, block: NDArray[np.int64], growing: Collection[str] = ()
) -> KnownColumns:
    """What is known of some columns of the reference, by their rows and the number of each row's time block."""
    found, infinite = as_values(columns, values), infinite_values(columns, values)
    gone = {column.name for column in infinite if column.any()}
    by_name = {c.name: Column(found[c.name], c.kind, c.role, infinite=c.name in gone) for c in columns}
    return KnownColumns(found, by_name, block, frozenset(growing))


def as_values(columns: Sequence[Compared], values: pl.DataFrame) -> pl.DataFrame:
    """Columns as numbers and as texts, null where there is no value, or none that is finite."""
    import polars as pl

    def converted(column: Compared) -> pl.Expr:
        if column.kind != "number":
            return pl.col(column.name).cast(pl.String)
        number = pl.col(column.name).cast(pl.Float64)
        return pl.when(number.is_finite()).then(number.clip(-LARGEST, LARGEST)).alias(column.name)

    return values.select(map(converted, columns))


def infinite_values(columns: Sequence[Compared], values: pl.DataFrame) -> pl.DataFrame:
    """Which values of the numbers are infinite; a missing one is not."""
    import polars as pl

    names = [column.name for column in columns if column.kind == "number"]
    return values.select(pl.col(names).cast(pl.Float64).is_infinite().fill_null(value=False))


def outside_of(value: pl.Expr, low: float, high: float) -> pl.Expr:
    """How far each value lies outside of two ends."""
    import polars as pl

    return pl.when(value.is_not_null()).then(pl.max_horizontal(value - high, low - value, 0.0))


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
