"""A made stream whose world wanders: what decides changes a little from day to day, and no two days are alike.

Rows of one day share a disturbance that their columns do not tell, as flights share their weather, and the weights that
decide go a random walk. Of a walk that stands still (`pace=0`), no challenger is better but for luck and more rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = tuple(f"x{number}" for number in range(8))
WEEKS, DAY_ROWS = 52, 300
SHARED, LASTING = 0.4, 0.5  # spread of a day's disturbance, in log odds, and how much of it is left a day later


def weeks(pace: float, seed: int) -> Callable[[int], pl.DataFrame]:
    """A function that gives what arrives in a week of a world, which the seed makes; weights walk by `pace` a week."""
    return lambda week: _year(pace, seed)[week]


@cache
def _year(pace: float, seed: int) -> dict[int, pl.DataFrame]:
    draw = np.random.default_rng(seed)
    weights, disturbed = draw.normal(0, 0.6, 2 * len(COLUMNS)), 0.0
    made = {}
    for week in range(1, WEEKS + 1):
        days = []
        for day in range(7):
            weights = weights + draw.normal(0, pace / np.sqrt(7), len(weights))
            disturbed = LASTING * disturbed + np.sqrt(1 - LASTING**2) * SHARED * draw.normal()
            rows = draw.normal(size=(DAY_ROWS, len(COLUMNS)))
            bent = np.concatenate([rows, rows * np.roll(rows, 1, axis=1)], axis=1)
            chance = 1 / (1 + np.exp(-(bent @ weights - 1 + disturbed)))
            first = START + timedelta(days=7 * (week - 1) + day)
            columns = dict(zip(COLUMNS, rows.T, strict=True))
            days.append(
                pl.DataFrame(columns).with_columns(
                    at=pl.Series([first + timedelta(days=row / DAY_ROWS) for row in range(DAY_ROWS)]),
                    id=pl.Series([f"{week}-{day}-{row}" for row in range(DAY_ROWS)]),
                    label=pl.Series((draw.random(DAY_ROWS) < chance).astype(float)),
                )
            )
        made[week] = pl.concat(days)
    return made
