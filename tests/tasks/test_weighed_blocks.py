"""Losses of blocks where rows weigh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from db.verdict_records import rare_of
from learning.objectives import Binary, Multiclass, Regression
from learning.prediction import Predictions
from tasks.score_champion import by_block

DAYS = np.array(["2013-01-01", "2013-01-01", "2013-01-02", "2013-01-03"], "datetime64[us]")


def test_a_block_is_the_weighted_mean_of_its_rows() -> None:
    """A block in which no row weighs anything is not there, and without a weight column all weigh alike."""
    weight, losses = np.array([3.0, 1.0, 0.0, 0.0]), np.array([1.0, 5.0, 7.0, 9.0])
    place = np.zeros(4, "int64")
    found = Predictions(losses, losses[:, None].astype("float32"), place, np.arange(4), {}, DAYS, weight)
    partitions: Any = [SimpleNamespace(digest="p", time_from=None)]
    (block,) = by_block(Regression(), found, losses, partitions)
    assert (block.block, block.rows, block.loss) == (datetime(2013, 1, 1, tzinfo=UTC), 2, 2.0)
    assert rare_of([block]) is None  # numbers have no classes
    alike = [one.loss for one in by_block(Regression(), replace(found, weight=None), losses, partitions)]
    assert alike == [3.0, 7.0, 9.0]


def test_a_block_knows_how_many_of_its_rows_are_rare() -> None:
    """Of another class than is expected most: that came, and by its chances; a row of weight 0 is no evidence."""
    target, losses = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 0.0]), np.ones(6)
    days, chances = np.repeat(DAYS[[0, 2, 3]], 2), np.array([[0.1], [0.2], [0.1], [0.6], [0.0], [0.1]], "float32")
    found = Predictions(target, chances, np.zeros(6, "int64"), np.arange(6), {}, days)
    partitions: Any = [SimpleNamespace(digest="p", time_from=None)]

    def known(found: Predictions, objective: Any = Binary(), usual: Any = None) -> list[tuple[float, ...]]:
        return [(one.rare, round(one.expected, 6)) for one in by_block(objective, found, losses, partitions, usual)]

    assert known(found) == [(1, 0.3), (2, 0.7), (0, 0.1)]
    assert known(replace(found, prediction=1 - chances)) == [(1, 0.3), (0, 0.7), (2, 0.1)]
    assert known(replace(found, weight=np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0]))) == [(1, 0.3), (1, 0.6), (0, 0.1)]
    chances = np.tile(np.array([[0.2, 0.2, 0.6]], "float32"), (6, 1))
    assert known(replace(found, target=np.arange(6) % 3.0, prediction=chances), Multiclass(3)) == [
        (2, 0.8),
        (1, 0.8),
        (1, 0.8),
    ]
    late = replace(found, target=np.ones(6), prediction=np.full((6, 1), 0.9))  # labels of one class, that came alone
    assert known(late) == [(0, 0.2)] * 3
    assert known(late, usual=np.array([0.01])) == [(2, 1.8)] * 3
    for unknown in (np.nan, -np.inf):
        assert known(replace(found, prediction=np.full((6, 1), unknown, "float32"))) == [(1, 0), (2, 0), (0, 0)]
