"""Losses of blocks where rows weigh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from learning.prediction import Predictions
from tasks.score_champion import by_block

DAYS = np.array(["2013-01-01", "2013-01-01", "2013-01-02", "2013-01-03"], "datetime64[us]")


def test_a_block_is_the_weighted_mean_of_its_rows() -> None:
    """A block in which no row weighs anything is not there, and without a weight column all weigh alike."""
    weight, losses = np.array([3.0, 1.0, 0.0, 0.0]), np.array([1.0, 5.0, 7.0, 9.0])
    place = np.zeros(4, "int64")
    found = Predictions(losses, losses[:, None].astype("float32"), place, np.arange(4), {}, DAYS, weight)
    partitions: Any = [SimpleNamespace(digest="p", time_from=None)]
    blocks = [(one.block, one.rows, one.loss) for one in by_block(found, losses, partitions)]
    assert blocks == [(datetime(2013, 1, 1, tzinfo=UTC), 2, 2.0)]
    alike = [one.loss for one in by_block(replace(found, weight=None), losses, partitions)]
    assert alike == [3.0, 7.0, 9.0]
