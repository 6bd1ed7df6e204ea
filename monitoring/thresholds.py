"""What chance explains: how far apart do samples of time blocks lie between which nothing happened?

Rows of one block share their weather, so blocks are drawn, not rows: as many as arrived, and as many rows of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.counted import Counted, Floats
from monitoring.distances import Samples, distances

Whole = NDArray[np.integer[Any]]

DRAWS = 1_000  # pairs of samples, at most
ORDERED = 2  # runs that are as rare as alpha, from which runs are drawn
TAIL = 0.1  # share of them through which the tail is drawn
BLOCKS = 50  # blocks of what arrived that are drawn one by one; of more, neighbours are drawn together
ROWS = 5_000  # rows of a drawn sample; more change no threshold by as much as an effect worth calling drift
CELLS = 2_000_000  # of the largest matrix


@dataclass(frozen=True)
class Draws:
    """Pairs of samples, the observed one first.

    Args:
        chosen: the blocks that a draw takes for what arrived; the others are its reference. Shape (draws, blocks).
        block: number of each row's block, of the reference's rows and then of the current ones.
        as_current: whether a row belongs to its block where that is drawn as current: blocks are cut to equal sizes.
        as_reference: the same, where it is drawn as reference.
    """

    chosen: NDArray[np.bool_]
    block: Whole
    as_current: NDArray[np.bool_]
    as_reference: NDArray[np.bool_]


def draws(reference: Whole, current: Whole, alpha: float, generator: np.random.Generator) -> list[Draws]:
    """Draw pairs of samples of blocks, in one way or two: then the larger threshold counts.

    What arrived is a run of blocks, and neighbouring days are alike. So where the reference has enough blocks, runs of
    as many are drawn from it, round a circle (Politis and Romano, "A circular block-resampling procedure for stationary
    data", 1992). Where fewer of them lie side by side than 1 / alpha, they say too little alone. Then, and where there
    are none, any blocks of both sides are drawn, as if neighbours were not alike: a permutation test, which is right
    for few blocks too (Good, "Permutation, Parametric, and Bootstrap Tests of Hypotheses", 2005).

    Args:
        reference: block of each row of the reference, in an order of time.
        current: of each current row.
        alpha: chance of an alarm.
        generator: draws.

    Returns:
        Nothing where the blocks are so few that the rarest pair is no rarer than alpha.
    """
    together = max(1, len(np.unique(current)) // BLOCKS)
    one, other = (np.unique(side, return_inverse=True)[1] // together for side in (reference, current))
    before = int(one.max()) + 1
    block = np.concatenate([one, other + before])
    rows = np.bincount(block)
    arrived = rows[before:].astype(float)
    # As many blocks of one size as say no more than these of different sizes do (Kish, 1965).
    size = max(1, int(arrived.sum() ** 2 / (arrived**2).sum() + 1e-9))
    arriving = np.arange(len(rows)) >= before
    each = max(1, int(min(arrived.sum(), ROWS) / size))
    as_current = _cut(block, np.full(len(rows), each), generator)

    def drawn(chosen: NDArray[np.bool_], most: int) -> Draws:
        """With the observed pair, once; and so many rows of a current block where it is drawn as reference."""
        every = np.zeros((len(chosen) + 1, len(rows)), dtype=bool)
        every[0], every[1:, : chosen.shape[1]] = arriving, chosen
        every = every[np.r_[True, (every[1:] != arriving).any(axis=1)]]
        return Draws(every, block, as_current, _cut(block, np.where(arriving, most, rows), generator))

    found = []
    if alpha * (before - size) >= ORDERED:
        found.append(drawn(_runs(before, size, generator), 0))
    if alpha * before / size < 1 and alpha * comb(len(rows), size) >= 1:
        found.append(drawn(_any(len(rows), size, generator), int(np.ceil(rows[:before].mean()))))
    return found


def _runs(blocks: int, size: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of so many blocks, from each block on."""
    starts = generator.permutation(blocks)[:DRAWS]
    return _marked((starts[:, None] + np.arange(size)) % blocks, blocks)


def _any(blocks: int, size: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """So many blocks, wherever they stand: in every way there is, or in many."""
    if comb(blocks, size) <= DRAWS:
        return _marked(np.array(list(combinations(range(blocks), size))), blocks)
    return _marked(generator.random((DRAWS, blocks)).argsort(axis=1)[:, :size], blocks)


def _marked(places: Whole, blocks: int) -> NDArray[np.bool_]:
    """Which of all blocks are among these, shape (draws, blocks)."""
    chosen = np.zeros((len(places), blocks), dtype=bool)
    np.put_along_axis(chosen, places, values=True, axis=1)
    return chosen


def _cut(block: Whole, sizes: Whole, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Mark at most so many rows of each block, at random."""
    order = np.lexsort((generator.random(len(block)), block))
    begins = np.searchsorted(block[order], np.arange(len(sizes)))
    kept = np.zeros(len(block), dtype=bool)
    kept[order] = np.arange(len(block)) - begins[block[order]] < sizes[block[order]]
    return kept


def apart(column: Counted, drawn: Draws) -> dict[str, Floats]:
    """Each measure of a column, for each pair of samples."""
    from scipy.sparse import csr_array

    shape = (drawn.chosen.shape[1], column.count + 1)  # the first column counts rows without a value
    chosen: Any = drawn.chosen.astype(np.float32)
    sides: list[Any] = []
    for kept in (drawn.as_reference, drawn.as_current):
        one = np.ones(int(kept.sum()), dtype=np.float32)
        sides.append(csr_array((one, (drawn.block[kept], column.bins[kept] + 1)), shape=shape))
    if shape[0] * shape[1] <= CELLS:
        sides = [side.toarray() for side in sides]
    else:
        chosen = csr_array(chosen)
    total = np.asarray(sides[0].sum(axis=0))
    parts = []
    for begin in range(0, len(drawn.chosen), step := max(1, CELLS // shape[1])):
        reference, current = (_dense(chosen[begin : begin + step] @ side) for side in sides)
        parts.append(distances(column, Samples.of(total - reference), Samples.of(current)))
    return {method: np.concatenate([part[method] for part in parts]) for method in parts[0]}


def _dense(matrix: Any) -> Floats:
    """A matrix as numpy has it."""
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), dtype=float)


def thresholds(found: Floats, floors: Floats, alpha: float) -> Floats:
    """Distances from which each measure counts as drifted, so that all of them together alarm with chance alpha.

    Each draw is reduced to its most extraordinary measure, and the observed one must be more extraordinary than all but
    alpha of the draws are (Westfall and Young, "Resampling-Based Multiple Testing", 1993). How extraordinary a distance
    is, its chance among the draws says; where these run out, an exponential through the tail of the others goes on
    (Knijnenburg et al., "Fewer permutations, more accurate P-values", 2009).

    Args:
        found: each measure of each draw, the observed one first; shape (draws, measures).
        floors: of each measure, the smallest that is worth calling drift.
        alpha: the chance.
    """
    begin = np.maximum(np.quantile(found, 1 - TAIL, axis=0), floors)
    excess = np.maximum(found - begin, 0)
    beyond = excess > 0
    others = beyond.sum(axis=0) - beyond
    # One more draw, as far out as the smallest effect worth telling, where the others say little or nothing.
    mean_excess = (excess.sum(axis=0) - excess + floors) / (others + 1)
    rarity = -np.log((others + 1) / len(found))
    extraordinary = np.where(beyond, rarity + excess / mean_excess, 0).max(axis=1)
    rank = int(alpha * len(found) + 1e-9)  # so many draws may be as extraordinary as the observed one
    needed = np.sort(extraordinary)[::-1][rank]
    return np.asarray((begin + mean_excess[0] * np.maximum(needed - rarity[0], 0)) * (1 + 1e-9))


def chance(columns: Sequence[Counted], drawn: Draws, floors: dict[str, float], alpha: float) -> list[dict[str, float]]:
    """The threshold of each measure of each column.

    Args:
        columns: to compare.
        drawn: pairs of samples.
        floors: of each measure, the smallest that is worth calling drift.
        alpha: chance that any of all these thresholds is reached though nothing happened.
    """
    if not columns:
        return []
    found = [apart(column, drawn) for column in columns]
    every = np.stack([values for one in found for values in one.values()], axis=1)
    least = np.array([floors[method] for one in found for method in one])
    told = iter(thresholds(every, least, alpha).tolist())
    return [{method: next(told) for method in one} for one in found]
