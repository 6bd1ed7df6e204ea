"""Which old rows are mixed in with the new ones, so that learning the new does not wipe out the old."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from learning.data import Selection
from learning.spec import Replay


def draw(replay: Replay, old: Sequence[Selection], new_rows: int, seed: int) -> list[Selection]:
    """Draw old rows without repeats; the same rows for the same seed.

    Args:
        replay: how many, and what they are balanced over.
        old: labelled training rows of the past, one selection a partition.
        new_rows: rows that they are mixed with.
        seed: decides which rows.
    """
    budget = replay.rows if replay.rows is not None else round(replay.share * new_rows)
    strata = _strata(old, by_class=replay.balance == "classes")
    quota = even_shares([len(rows) for rows in strata], budget)
    random = np.random.default_rng([seed, len(strata)])
    chosen = [random.choice(rows, count, replace=False) for rows, count in zip(strata, quota, strict=True)]
    drawn = np.sort(np.concatenate([np.empty(0, "int64"), *chosen]).astype("int64"))
    starts = np.cumsum([0, *(len(selection.rows) for selection in old)])[:-1]
    parts = np.split(drawn, np.searchsorted(drawn, starts[1:]))
    return [
        selection.take(rows - start) for selection, rows, start in zip(old, parts, starts, strict=False) if len(rows)
    ]


def even_shares(sizes: Sequence[int], budget: int) -> list[int]:
    """Split a budget as evenly as the sizes allow; what a small one leaves over goes to the larger ones.

    Example:
        >>> even_shares([100, 2, 100], 30)
        [14, 2, 14]
    """
    shares = [0] * len(sizes)
    left = min(budget, sum(sizes))
    for open_strata, place in zip(
        range(len(sizes), 0, -1), sorted(range(len(sizes)), key=sizes.__getitem__), strict=True
    ):
        shares[place] = min(sizes[place], left // open_strata)
        left -= shares[place]
    return shares


def _strata(old: Sequence[Selection], *, by_class: bool) -> list[NDArray[np.int64]]:
    """Groups of positions, counted through all selections: one an era (a partition) or one a class."""
    ends = np.cumsum([0, *(len(selection.rows) for selection in old)])
    if not by_class:
        return [np.arange(start, end) for start, end in pairwise(ends)]
    targets = np.concatenate([np.empty(0), *(selection.target for selection in old)])
    return [np.flatnonzero(targets == value) for value in np.unique(targets)]
