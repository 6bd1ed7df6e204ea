"""Losses of blocks where rows weigh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np

from learning.prediction import Predictions
from tasks.score_champion import by_block, weighing
from tiny import TINY

DAYS = np.array(["2013-01-01", "2013-01-01", "2013-01-02", "2013-01-03"], "datetime64[us]")


def test_a_block_is_the_weighted_mean_of_its_rows() -> None:
    """A row that weighs nothing is not there, and without a weight column all weigh alike."""
    weight, losses = np.array([3, 1, 2, 0]), np.array([1.0, 5.0, 7.0, 9.0])
    found = Predictions(losses, losses[:, None].astype("float32"), weight * 0, weight, {"w": weight}, DAYS)
    schema, partitions = replace(TINY.schema, weight="w"), [SimpleNamespace(digest="p", time_from=None)]
    kept = weighing(schema, found)
    assert weighing(TINY.schema, found) is found
    places: Any = partitions
    blocks = [(one.block, one.rows, one.loss) for one in by_block(kept, losses[:3], places, schema)]
    assert blocks == [(datetime(2013, 1, 1, tzinfo=UTC), 2, 2.0), (datetime(2013, 1, 2, tzinfo=UTC), 1, 7.0)]
    alike = [one.loss for one in by_block(found, losses, places, TINY.schema)]
    assert alike == [3.0, 7.0, 9.0]
