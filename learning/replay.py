"""Which old rows are mixed in with the new ones, so that learning the new does not wipe out the old."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from learning.data import Indices, Selection, blocks_of, pick, row_count
from learning.spec import Replay

POOL = 4  # recent rows are drawn from so many times the new rows: with an arrival a week, from the last four weeks


def draw(replay: Replay, old: Sequence[Selection], new_rows: int, seed: int) -> list[Selection]:
    """Draw old rows without repeats; the same rows for the same seed.

    Args:
        replay: how many, what they are balanced over, and how many of them are from the newest of the past.
        old: labelled training rows of the past, one selection a partition.
        new_rows: rows that they are mixed with.
        seed: decides which rows.
    """
    budget = replay.rows if replay.rows is not None else round(replay.share * new_rows)
    strata = _strata(old, by_class=replay.balance == "classes")
    random, newest = np.random.default_rng([seed, len(strata)]), _newest(old, POOL * new_rows)
    recent = _sample([rows[newest[rows]] for rows in strata], round(replay.recent * budget), random)
    left = np.ones(len(newest), "bool")
    left[recent] = False
    others = _sample([rows[left[rows]] for rows in strata], budget - len(recent), random)
    drawn = pick(old, np.sort(np.concatenate([recent, others])))
    return [selection for selection in drawn if len(selection.rows)]


def usual_shares(replay: Replay, old: Sequence[Selection], new_rows: int, classes: int) -> NDArray[np.float64]:
    """The share of each class among rows that would be drawn if it was not by class: recent ones, and of all.

    Args:
        replay: how many of them are from the newest of the past.
        old: labelled training rows of the past.
        new_rows: rows that they are mixed with.
        classes: how many there are.
    """
    target = np.concatenate([np.empty(0), *(selection.target for selection in old)]).astype("int64")
    newest = _newest(old, POOL * new_rows)
    parts = [(replay.recent, target[newest]), (1 - replay.recent, target)]
    counted = [share * np.bincount(rows, minlength=classes) / max(len(rows), 1) for share, rows in parts]
    return np.asarray(sum(counted), "float64")


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


def _strata(old: Sequence[Selection], *, by_class: bool) -> list[Indices]:
    """Groups of positions, counted through all selections: one an era (a partition) or one a class."""
    ends = np.cumsum([0, *(len(selection.rows) for selection in old)])
    if not by_class:
        return [np.arange(start, end) for start, end in pairwise(ends)]
    targets = np.concatenate([np.empty(0), *(selection.target for selection in old)])
    return [np.flatnonzero(targets == value) for value in np.unique(targets)]


def _sample(strata: Sequence[Indices], budget: int, random: np.random.Generator) -> Indices:
    """So many positions, as evenly from each group as the groups allow."""
    quota = even_shares([len(rows) for rows in strata], budget)
    chosen = [random.choice(rows, count, replace=False) for rows, count in zip(strata, quota, strict=True)]
    return np.concatenate([np.empty(0, "int64"), *chosen]).astype("int64")


def _newest(old: Sequence[Selection], rows: int) -> NDArray[np.bool_]:
    """Marks the newest blocks that hold so many rows; without blocks, the rows that arrived last."""
    age, blocks = np.arange(row_count(old)), blocks_of(old)
    moments = age if blocks is None else blocks
    if not 0 < rows < len(age):
        return np.full(len(age), rows > 0)
    return np.asarray(moments >= np.partition(moments, -rows)[-rows])
