"""A column of both sides as small whole numbers, so that a resample of its rows is a row of a matrix of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.floating[Any]]

QUANTILES, EXTREMES = 192, 32  # bins of a number: about equally many rows in each, and each extreme value by itself
MISSING = -1
LARGEST = 1e100  # a larger number is as good as this one, and its square is one


@dataclass(frozen=True)
class Counted:
    """A column, first the reference's rows, then the current ones.

    Args:
        bins: number of each row's bin, MISSING where it has no value; shape (rows,).
        values: the mean of each bin's numbers, which grow; of a category, one name-less place for each.
        ordered: whether it is a number.
    """

    bins: NDArray[np.int64]
    values: Floats
    ordered: bool

    @property
    def count(self) -> int:
        """How many bins there are."""
        return len(self.values)


def counted(reference: pl.Series, current: pl.Series, kind: str) -> Counted:
    """A column of both sides, counted.

    Example:
        >>> import polars as pl
        >>> column = counted(pl.Series([1.0, 5.0, None]), pl.Series([5.0, float("nan")]), "number")
        >>> column.bins.tolist(), column.values.tolist()
        ([0, 1, -1, 1, -1], [1.0, 5.0])
    """
    if kind == "category":
        return _categories(reference, current)
    return _numbers(np.concatenate([numbers(reference), numbers(current)]))


def numbers(column: pl.Series) -> Floats:
    """A column's values, NaN where there is none, or none that is finite."""
    import polars as pl

    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)


def texts(column: pl.Series) -> pl.Series:
    """A column's categories as texts."""
    import polars as pl

    return column.cast(pl.String)


def _categories(reference: pl.Series, current: pl.Series) -> Counted:
    import polars as pl

    both = pl.concat([texts(reference), texts(current)]).rank("dense")
    bins = both.cast(pl.Int64).fill_null(0).to_numpy() - 1
    return Counted(bins, np.zeros(int(bins.max(initial=MISSING)) + 1), ordered=False)


def _numbers(values: Floats) -> Counted:
    """Bins between quantiles, and the largest and smallest values each by itself: they weigh most in a distance."""
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    if len(distinct) > QUANTILES + 2 * EXTREMES:
        middle = np.quantile(values[known], np.linspace(0, 1, QUANTILES + 1), method="lower")
        distinct = np.unique(np.concatenate([distinct[:EXTREMES], middle, distinct[-EXTREMES:]]))
    bins = np.full(len(values), MISSING)
    bins[known] = np.searchsorted(distinct, values[known], side="right") - 1
    rows = np.bincount(bins[known], minlength=len(distinct))
    # Differences from the bin's edge are small where the values are large and alike.
    rest = np.bincount(bins[known], weights=values[known] - distinct[bins[known]], minlength=len(distinct))
    return Counted(bins, distinct + rest / np.maximum(rows, 1), ordered=True)
