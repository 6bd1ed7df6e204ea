"""Rows that figures are of, in many groups at once: their weighted means, and their ranking by what was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Groups = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Judged:
    """Targets and predictions of some rows, divided into groups; every figure is one number for each group.

    Args:
        target: shape (rows,).
        prediction: shape (rows, outputs); of one output also (rows,).
        weight: how much each row counts, 0 or more, shape (rows,); None where all count alike.
        group: the group of each row, 0 to groups - 1, shape (rows,); None where all are one group.
        groups: how many there are.

    Example:
        >>> rows = Judged(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.6]), group=np.array([0, 1, 1]), groups=2)
        >>> print(rows.mean(rows.target))
        [0. 1.]
    """

    target: Floats
    prediction: Floats
    weight: Floats | None = None
    group: Groups | None = None
    groups: int = 1

    @cached_property
    def flat(self) -> Floats:
        """The only output of each row, shape (rows,)."""
        return self.prediction.reshape(len(self.target)).astype("float64", copy=False)

    @cached_property
    def positive(self) -> NDArray[np.bool_]:
        """Which rows are of the event."""
        return self.target > 0.5

    @cached_property
    def chances(self) -> Floats:
        """The probability of each class, shape (rows, classes); one output is that of the event, class 1."""
        if self.prediction.ndim > 1 and self.prediction.shape[1] > 1:
            return self.prediction
        return np.stack([1 - self.flat, self.flat], axis=1)

    @cached_property
    def decided(self) -> NDArray[np.intp]:
        """The class that is predicted; of one output, the event above one half."""
        if self.prediction.ndim > 1 and self.prediction.shape[1] > 1:
            return np.asarray(self.prediction.argmax(axis=1))
        return (self.flat > 0.5).astype("intp")

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether that is the class."""
        return np.asarray(self.decided == self.target)

    @cached_property
    def mass(self) -> Floats:
        """The weight of each group."""
        return self.sum(np.ones(len(self.target)))

    def sum(self, values: Floats | NDArray[np.bool_]) -> Floats:
        """The weighted sum of each group."""
        weighted = np.asarray(values, "float64") if self.weight is None else values * self.weight
        if self.group is None:
            return np.array([weighted.sum()])
        return np.bincount(self.group, weights=weighted, minlength=self.groups).astype("float64")

    def mean(self, values: Floats | NDArray[np.bool_]) -> Floats:
        """The weighted mean of each group; NaN of a group that weighs nothing."""
        return share(self.sum(values), self.mass)

    def where(self, positive: NDArray[np.bool_], score: Floats) -> Judged:
        """The same rows, with another event and its probability."""
        return Judged(positive.astype("float64"), score, self.weight, self.group, self.groups)

    @cached_property
    def ranked(self) -> Ranked:
        """The rows from the highest prediction to the lowest, group after group."""
        order = np.argsort(-self.flat)
        if self.group is None:
            group = np.zeros(len(order), "uint16")
        else:
            small = self.group.astype("uint16" if self.groups <= 2**16 else "int64")
            order = order[np.argsort(small[order], kind="stable")]  # small whole numbers are sorted in one pass
            group = small[order]
        weight = np.ones(len(order)) if self.weight is None else self.weight[order]
        return Ranked(order, group.astype("intp"), self.flat[order], weight, weight * self.positive[order], self.groups)


@dataclass(frozen=True)
class Ranked:
    """Rows from the highest score to the lowest, group after group; rows of one score are told apart by nobody.

    Args:
        order: place of each row before.
        group: its group.
        score: what was predicted.
        weight: how much it counts.
        hit: the same, and 0 unless it is of the event.
        groups: how many there are.
    """

    order: NDArray[np.intp]
    group: NDArray[np.intp]
    score: Floats
    weight: Floats
    hit: Floats
    groups: int

    @cached_property
    def ends(self) -> NDArray[np.intp]:
        """Where scores change: the last row of each score, in each group."""
        changes = (np.diff(self.score) != 0) | (np.diff(self.group) != 0)
        return np.append(np.flatnonzero(changes), len(self.score) - 1) if len(self.score) else np.empty(0, "intp")

    @cached_property
    def at(self) -> NDArray[np.intp]:
        """The group of each of these ends."""
        return self.group[self.ends]

    @cached_property
    def seen(self) -> Steps:
        """The weight of all rows down to each end."""
        return self._steps(self.weight)

    @cached_property
    def hits(self) -> Steps:
        """The weight of the events among them."""
        return self._steps(self.hit)

    def _steps(self, weights: Floats) -> Steps:
        """Running sums at the ends, each group from 0 on."""
        sums = np.cumsum(weights)[self.ends]
        earlier = np.concatenate([[0.0], sums[:-1]])
        first = np.diff(self.at, prepend=-1) != 0
        start = np.zeros(self.groups)
        start[self.at[first]] = earlier[first]
        base = start[self.at]
        here, before = sums - base, earlier - base
        total = np.zeros(self.groups)
        last = np.append(first[1:], [True])[: len(first)]
        total[self.at[last]] = here[last]
        return Steps(here, before, total)

    def add(self, values: Floats) -> Floats:
        """The sum over the ends of each group."""
        return np.bincount(self.at, weights=values, minlength=self.groups).astype("float64")


@dataclass(frozen=True)
class Steps:
    """Running sums at each end, those at the end before, and the total of each group."""

    here: Floats
    before: Floats
    total: Floats

    @cached_property
    def step(self) -> Floats:
        """What each end adds."""
        return self.here - self.before


def share(part: Floats, whole: Floats) -> Floats:
    """One by the other; NaN of nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
