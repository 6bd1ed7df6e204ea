"""The confidence interval of a mean whose rows belong together, by time block and by entity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Groups = NDArray[np.intp]


@dataclass(frozen=True)
class Interval:
    """A mean and what is known of it.

    Args:
        mean: of the rows.
        low: lower end of the interval.
        high: upper end.
        error: standard error of the mean.
        clusters: how many groups of rows count as observations: of two ways of grouping, the fewer.
        effective_rows: how many independent rows would say as much, at most as many as there are.
    """

    mean: float
    low: float
    high: float
    error: float
    clusters: int
    effective_rows: float

    def from_at_least(self, least: float) -> Interval:
        """The same interval, of what cannot lie lower: a loss of 0 or more falls by all of it at most.

        It goes on holding its mean, also one that lies lower all the same.

        Example:
            >>> Interval(-0.9, -1.5, -0.3, 0.3, 5, 100.0).from_at_least(-1.0).low
            -1.0
        """
        return replace(self, low=max(self.low, min(least, self.mean)))


def mean_interval(
    values: Floats, clusters: Sequence[NDArray[Any]], confidence: float, weight: Floats | None = None
) -> Interval | None:
    """The interval of a mean of rows that are alike within a cluster; None of fewer than two clusters.

    Of rows grouped in two ways, by block and by entity, the variance is that of Cameron, Gelbach and Miller, "Robust
    inference with multiway clustering" (2011): V_block + V_entity - V_both, and never less than either alone, as
    MacKinnon, Nielsen and Webb (2024) advise. Each of these is the bias-reduced one (CR2) of Bell and McCaffrey (2002),
    with their degrees of freedom, which Imbens and Kolesar (2016) recommend where clusters are few or uneven; of two
    ways the fewer degrees. Without clusters, or with a cluster for each row, it is Student's interval.

    Args:
        values: shape (rows,).
        clusters: for each way of grouping, what names the group of each row, shape (rows,); at most two ways.
        confidence: for example 0.9.
        weight: how much each row counts, shape (rows,); None where all count alike.

    Example:
        >>> days = np.repeat([1, 2, 3, 4], 100)
        >>> found = mean_interval(np.repeat([0.1, 0.3, 0.2, 0.2], 100), [days], 0.9)
        >>> f"{found.mean:.2f}, between {found.low:.2f} and {found.high:.2f}, worth {found.effective_rows:.0f} rows"
        '0.20, between 0.10 and 0.30, worth 4 rows'
    """
    from scipy.special import stdtrit  # scipy.stats imports ten times as long

    groups = [_numbered(names) for names in clusters] or [np.arange(len(values))]
    fewest = min(int(group.max(initial=-1)) + 1 for group in groups)
    if fewest < 2:
        return None
    mean = float(np.average(values, weights=weight))
    deviations = values - mean if weight is None else (values - mean) * weight / weight.mean()
    ways = [_clustered(deviations, group, weight) for group in groups]
    variance = max(way[0] for way in ways)
    if len(groups) == 2:
        both, _ = _clustered(deviations, _numbered(groups[0] * len(values) + groups[1]), weight)
        variance = max(variance, ways[0][0] + ways[1][0] - both)
    error = float(np.sqrt(variance))
    reach = float(stdtrit(min(degrees for _, degrees in ways), 0.5 + confidence / 2)) * error
    rows = float(len(values))
    effective = min(rows, 1 + float(values.var()) / variance) if variance > 0 else rows
    return Interval(mean, mean - reach, mean + reach, error, fewest, effective)


def _numbered(names: NDArray[Any]) -> Groups:
    """Groups as 0, 1, 2 and so on."""
    return np.unique(names, return_inverse=True)[1]


def _clustered(deviations: Floats, group: Groups, weight: Floats | None) -> tuple[float, float]:
    """The variance of the mean by CR2, and its degrees of freedom, in closed form: the only regressor is a constant."""
    rows = len(deviations)
    sizes = np.bincount(group, weights=weight).astype("float64")
    share = sizes / (rows if weight is None else sizes.sum())
    sums = np.bincount(group, weights=deviations)
    variance = float(np.sum(sums**2 / (1 - share))) / rows**2
    pull = share**2 / (1 - share)
    degrees = 1 / float(np.sum(share**2) + np.sum(pull) ** 2 - np.sum(pull**2))
    return variance, degrees
