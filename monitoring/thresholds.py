"""What chance explains: how far apart do samples lie between which nothing happened?"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.counted import Counted, Floats
from monitoring.distances import Samples, distances

Whole = NDArray[np.integer[Any]]

DRAWS = 1_000
MOST_UNITS = 50
MOST_ROWS = 5_000
FEWEST = 4
DENSE = 1_000_000
CELLS = 2_000_000


@dataclass(frozen=True)
class Draws:
    """Pairs of samples; the first is the pair that was observed.

    Args:
        chosen: which units each draws for its current side, shape (draws, units).
        unit: of each row.
        as_current: whether a row belongs to its unit where it is drawn for the current side.
        as_reference: whether it does where its unit stays on the other.
        few: whether they're too few for a rank, so that Student's t takes its place
    """

    chosen: NDArray[np.bool_]
    unit: Whole
    as_current: NDArray[np.bool_]
    as_reference: NDArray[np.bool_]
    few: bool = False


def units_of(reference: Whole, current: Whole, merged: int) -> tuple[Whole, int, int]:
    one, other = (np.unique(side, return_inverse=True)[1] // merged for side in (reference, current))
    left = int(one.max()) + 1
    return np.concatenate([one, other + left]), left, int(other.max()) + 1


def draw(reference: Whole, current: Whole, alpha: float, generator: np.random.Generator, scheme="runs") -> Draws | None:
    merged = max(1, len(np.unique(current)) // MOST_UNITS)
    unit, left, right = units_of(reference, current, merged)
    sizes = np.bincount(unit)
    kish = max(1, int(sizes[left:].sum() ** 2 / (sizes[left:].astype(float) ** 2).sum() + 1e-9))
    rows = int(np.ceil(min(sizes[left:].sum(), MOST_ROWS) / kish))
    as_current = cut(unit, np.full(len(sizes), rows), generator)
    per = int(np.ceil(sizes[:left].mean()))
    as_reference = cut(unit, np.where(np.arange(len(sizes)) < left, sizes, per), generator)
    actual = np.arange(left + right) >= left
    total = left + right
    if scheme == "runs" and int(alpha * total) >= 1:
        chosen = runs(total, left, kish, generator)
    elif scheme == "random" and comb(total, kish) * alpha >= 1:
        chosen = scattered(total, kish, generator)
    else:
        return None
    chosen[0] = actual
    return Draws(chosen, unit, as_current, as_reference)


def runs(total, left, size, generator):
    starts = (left + np.arange(total)) % total
    if total > DRAWS:
        starts = np.concatenate([starts[:1], generator.choice(starts[1:], DRAWS - 1, replace=False)])
    chosen = np.zeros((len(starts), total), bool)
    for offset in range(size):
        chosen[np.arange(len(starts)), (starts + offset) % total] = True
    return chosen


def scattered(total, size, generator):
    order = generator.random((DRAWS, total)).argpartition(size - 1, axis=1)[:, :size]
    chosen = np.zeros((DRAWS, total), bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def cut(unit: Whole, sizes: Whole, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Mark at most so many rows of each unit, at random."""
    order = np.lexsort((generator.random(len(unit)), unit))
    begins = np.searchsorted(unit[order], np.arange(len(sizes)))
    kept = np.zeros(len(unit), dtype=bool)
    kept[order] = np.arange(len(unit)) - begins[unit[order]] < sizes[unit[order]]
    return kept


def apart(column: Counted, draws: Draws) -> dict[str, Floats]:
    """Each measure of a column for each draw."""
    from scipy.sparse import csr_array

    shape = (draws.chosen.shape[1], column.count + 1)  # the first column counts rows without a value
    chosen: Any = draws.chosen.astype(np.float32)
    sides: list[Any] = []
    for kept in (draws.as_reference, draws.as_current):
        ones = np.ones(int(kept.sum()), dtype=np.float32)
        counts = csr_array((ones, (draws.unit[kept], column.bins[kept] + 1)), shape=shape)
        sides.append(counts.toarray() if shape[0] * shape[1] <= DENSE else counts)
    if not isinstance(sides[0], np.ndarray):
        chosen = csr_array(chosen)
    total = sides[0].sum(axis=0)
    step = max(1, CELLS // shape[1])
    parts = []
    for begin in range(0, len(draws.chosen), step):
        some = chosen[begin : begin + step]
        current, reference = (_dense(some @ side).astype(float) for side in sides[::-1])
        reference = total - reference
        parts.append(
            distances(column, Samples(reference[:, 1:], reference[:, 0]), Samples(current[:, 1:], current[:, 0]))
        )
    return {method: np.concatenate([part[method] for part in parts]) for method in parts[0]}


def _dense(matrix: Any) -> Floats:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def thresholds(apart: Floats, floors: Floats, alpha: float) -> Floats:
    """shape (draws, measures)"""
    usual = np.maximum(np.median(apart, axis=0), floors)
    excess = np.maximum(apart - usual, 0)
    total = excess.sum(axis=0)
    worst = (excess / np.where(total > 0, total, 1)).max(axis=1)
    rank = int(alpha * len(worst) + 1e-9)
    reached = np.sort(worst)[::-1][rank]
    odds = reached / (1 - reached) if reached < 1 else np.inf
    with np.errstate(invalid="ignore"):
        found = usual + odds * (total - excess[0])
    return np.where(np.isnan(found), np.inf, found) * (1 + 1e-9)


def few_thresholds(apart: Floats, floors: Floats, alpha: float) -> Floats:
    from scipy.special import stdtrit

    logs = np.log(np.maximum(apart, floors))
    count, measures = apart.shape
    reach = stdtrit(count - 1, 1 - alpha / measures) * np.sqrt(1 + 1 / count)
    return np.exp(logs.mean(axis=0) + reach * logs.std(axis=0, ddof=1))


def singles(reference, current, generator):
    """leave one out of the longer side"""
    sides = [np.unique(s, return_inverse=True)[1] for s in (reference, current)]
    longer = sides[0] if sides[0].max() >= sides[1].max() else sides[1]
    count = longer.max() + 1
    if count < FEWEST: return None
    rows = np.zeros(len(reference) + len(current), bool)
    if longer is sides[0]:
        rows[: len(reference)] = True
    else:
        rows[len(reference):] = True
    unit = np.zeros(len(rows), int); unit[rows] = longer
    size = min(len(reference), len(current))
    as_current = cut(unit, np.full(count, size), generator) & rows
    return Draws(np.eye(count, dtype=bool), unit, as_current, rows, few=True)
