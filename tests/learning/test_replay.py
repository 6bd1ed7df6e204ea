"""Replay: which old rows come back."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.data import PartitionFile, Selection
from learning.plans import Replay
from learning.replay import draw, even_shares


def past(*sizes: int) -> list[Selection]:
    """Selections of the past; a tenth of the targets are 1."""
    return [
        Selection(PartitionFile(f"p{place}", Path()), np.arange(size) * 2, (np.arange(size) % 10 == 0).astype(float))
        for place, size in enumerate(sizes)
    ]


def test_eras_are_drawn_from_evenly_whatever_their_size() -> None:
    """A small era is not drowned by a large one; what it lacks, the larger ones give."""
    drawn = draw(Replay(share=1.0, recent=0.0), past(1000, 10, 1000), new_rows=110, seed=0)
    assert [len(part.rows) for part in drawn] == [50, 10, 50]


def test_classes_are_drawn_from_evenly() -> None:
    """Rare labels come back as often as frequent ones."""
    drawn = draw(Replay(share=1.0, balance="classes"), past(500, 500), new_rows=100, seed=0)
    assert np.concatenate([part.target for part in drawn]).mean() == 0.5


def test_a_share_comes_from_the_newest_of_the_past() -> None:
    """With 100 new rows half are from the 400 newest, which are in the last four partitions; the others from all."""
    old = past(*[100] * 20)
    counts = {
        recent: [len(part.rows) for part in draw(Replay(rows=80, recent=recent), old, new_rows=100, seed=0)]
        for recent in (0.0, 0.5, 1.0)
    }
    assert counts == {0.0: [4] * 20, 0.5: [2] * 16 + [12] * 4, 1.0: [20] * 4}


@pytest.mark.parametrize("balance", ["eras", "classes"])
def test_a_row_that_was_drawn_as_a_recent_one_is_not_drawn_again(balance: Literal["eras", "classes"]) -> None:
    """Where there are fewer rows than wanted, each comes once."""
    drawn = draw(Replay(rows=500, balance=balance), past(100, 100), new_rows=10, seed=0)
    assert [len(np.unique(part.rows)) for part in drawn] == [len(part.rows) for part in drawn] == [100, 100]


def test_time_says_what_is_new_where_rows_have_blocks() -> None:
    """What arrived last may be old: here the first partition's days are the latest."""
    old = [
        replace(part, block=np.full(len(part.rows), np.datetime64(day, "us")))
        for part, day in zip(past(100, 100), ("2024-02-02", "2024-01-01"), strict=True)
    ]
    (part,) = draw(Replay(recent=1.0), old, new_rows=20, seed=0)
    assert part.partition.digest == "p0"


def test_rows_keep_their_targets_and_come_once() -> None:
    """A drawn row brings its own label, and nobody is drawn twice."""
    (part,) = draw(Replay(rows=50), past(100), new_rows=7, seed=3)
    assert len(np.unique(part.rows)) == 50
    assert np.array_equal(part.target, (part.rows // 2 % 10 == 0).astype(float))


def test_the_same_seed_draws_the_same_and_another_seed_others() -> None:
    """A retrain can be repeated."""
    one, two, other = (draw(Replay(), past(100), new_rows=10, seed=seed)[0].rows for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_nothing_is_drawn_from_nothing() -> None:
    """A first fine-tuning without a past, or with an empty one, replays nothing."""
    assert draw(Replay(), [], new_rows=10, seed=0) == []
    assert draw(Replay(), past(0), new_rows=10, seed=0) == []


@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 200))
def test_shares_use_the_whole_budget_and_no_era_gives_more_than_it_has(sizes: list[int], budget: int) -> None:
    """The budget is met wherever there are enough rows, and shares differ by one where sizes allow."""
    shares = even_shares(sizes, budget)
    assert sum(shares) == min(budget, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    full = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not full or max(shares) - min(full) <= 1
