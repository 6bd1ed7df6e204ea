"""The confidence interval of a figure that is no mean of rows: what it comes to without each group of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Groups, Interval

Marks = NDArray[np.bool_]

MOST = 40  # groups that are left out in turn; more make the interval no better, and the figure takes a while
FEWEST = 3  # below which nobody can tell


def jackknife(
    figure: Callable[[Marks], float], rows: int, clusters: Sequence[NDArray[Any]], confidence: float
) -> Interval | None:
    """The interval of a figure of rows that are alike within a cluster; None of fewer than three clusters.

    Each cluster is left out in turn (of many, a fortieth of them: the delete-a-group jackknife of Kott 2001), with the
    pseudo-values of Busing, Meijer and van der Leeden, "Delete-m jackknife for unequal m" (1999), and Student's t. Of
    many rows a group, it holds for figures as rough as a recall among the highest ranks, too (Shao and Wu, "A general
    theory for jackknife variance estimation", 1989). Of rows grouped in two ways the variances are put together as
    those of a mean are (`intervals.mean_interval`).

    Args:
        figure: its value on the rows under a mask.
        rows: how many there are.
        clusters: for each way of grouping, what names the group of each row, shape (rows,).
        confidence: for example 0.9.

    Example:
        >>> loss = np.repeat([1.0, 2.0, 3.0, 4.0], 25)
        >>> days = np.repeat([1, 2, 3, 4], 25)
        >>> found = jackknife(lambda kept: np.sqrt(np.mean(loss[kept])), 100, [days], 0.9)
        >>> f"{found.mean:.2f}, between {found.low:.2f} and {found.high:.2f}"
        '1.58, between 1.10 and 2.06'
    """
    from scipy.special import stdtrit  # scipy.stats imports ten times as long

    ways = [np.unique(names, return_inverse=True)[1] for names in clusters]
    fewest = min((int(way.max(initial=-1)) + 1 for way in ways), default=rows)
    if fewest < FEWEST:
        return None
    # Rows of their own are put together by chance, since rows that lie near each other may be alike after all.
    ways = ways or [np.random.default_rng(0).permutation(rows) % MOST]
    value = figure(np.ones(rows, dtype=bool))
    found = [_left_out(figure, value, _few(way)) for way in ways]
    variance = max(one for one, _ in found)
    if len(ways) == 2:
        both = np.unique(_few(ways[0]) * MOST + _few(ways[1]), return_inverse=True)[1]
        variance = max(variance, found[0][0] + found[1][0] - _left_out(figure, value, both % MOST)[0])
    error = float(np.sqrt(variance))
    reach = float(stdtrit(min(degrees for _, degrees in found), 0.5 + confidence / 2)) * error
    return Interval(value, value - reach, value + reach, error, fewest, float(rows)) if np.isfinite(reach) else None


def _few(way: Groups) -> Groups:
    """At most so many groups; neighbours stay together, so that blocks do, which come in order of time."""
    count = int(way.max()) + 1
    return way if count <= MOST else way * MOST // count


def _left_out(figure: Callable[[Marks], float], value: float, group: Groups) -> tuple[float, float]:
    """The variance by leaving out each group, and its degrees of freedom; NaN where a figure without one has none."""
    sizes = np.bincount(group).astype("float64")
    groups, times = len(sizes), sizes.sum() / sizes
    without = np.array([figure(group != place) for place in range(groups)])
    mean = groups * value - np.sum((1 - 1 / times) * without)
    apart = times * value - (times - 1) * without - mean
    return float(np.mean(apart**2 / (times - 1))), max(1 / float(np.sum((1 / times) ** 2)) - 1, 1.0)
