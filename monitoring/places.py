"""Places drawn among rows that stand block after block: evenly, the same ones every time, of all blocks if they can."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEED = 20130101  # of the places that are drawn: the same ones every time
FEW = 2  # rows that a time block is to be expected to have in a sample; of one with fewer, a row is added if need be


def drawn_places(lengths: NDArray[np.uint32], most: int) -> NDArray[np.int64]:
    """Which rows are drawn of blocks of these lengths, ascending, counted block after block."""
    ends = lengths.cumsum(dtype=np.int64)
    total = int(ends[-1])
    if total <= most:
        return np.arange(total)
    rare = np.flatnonzero(lengths * float(most) < FEW * total)
    spare = min(len(rare), most // 2)
    drawn = even_places(total, most - spare)
    missed = np.setdiff1d(rare, block_of_places(drawn, lengths))
    if not len(missed) or not spare:
        return drawn
    firsts = ends - lengths
    return np.unique(np.concatenate([drawn, firsts[missed[even_places(len(missed), spare)]]]))


def block_of_places(place: NDArray[np.int64], lengths: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The number of the block of each place, counted block after block."""
    return lengths.cumsum(dtype=np.int64).searchsorted(place, side="right")


def even_places(total: int, wanted: int) -> NDArray[np.int64]:
    """Ascending places among so many: one at random from each of as many equal stretches as are wanted, or all.

    Example:
        >>> even_places(3, 5).tolist(), len(even_places(1_000, 10))
        ([0, 1, 2], 10)
    """
    if total <= wanted:
        return np.arange(total)
    random = np.random.default_rng(SEED).random(wanted)
    return np.minimum(((np.arange(wanted) + random) * (total / wanted)).astype(np.int64), total - 1)
