"""Pairs of frames between which nothing happened: made rows, flights by day, River's streams without their switch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl

from benchmarks.streams import river_week
from demo.flights import WEATHER, flights

Pair = tuple[pl.DataFrame, pl.DataFrame]
Draw = Callable[[np.random.Generator], Pair]

DAY = "day"
ROWS = 5_000  # of a side, for flights
NUMBERS = ("distance", "dep_hour", "arr_hour", "departures", *WEATHER, "late")
CATEGORIES = ("carrier", "origin", "dest")


def made(rows: int, *, weather: float = 0.0) -> Draw:
    """Sixty days and seven others, of every kind of column; days may have a weather of their own."""

    def drawn(draw: np.random.Generator) -> Pair:
        days = np.concatenate([np.arange(6_000) * 60 // 6_000, 60 + np.arange(rows) * 7 // rows])
        level = draw.normal(0, weather, 67)[days] if weather else np.zeros(len(days))
        many = draw.geometric(0.03, len(days)) % 100
        frame = pl.DataFrame(
            {
                DAY: days,
                "normal": level + draw.normal(size=len(days)),
                "heavy": np.exp(level + 2 * draw.normal(size=len(days))),
                "zeros": np.where(draw.random(len(days)) < 0.95, 0.0, draw.exponential(size=len(days))),
                "whole": np.floor(draw.exponential(size=len(days))),
                "few": draw.choice(["a", "b", "c"], len(days)),
                "many": [f"c{number}" for number in many],
                "holes": np.where(draw.random(len(days)) < 0.2, np.nan, level),
                "text": [f"{row:05x} " * length for row, length in enumerate(1 + draw.poisson(8, len(days)))],
            }
        )
        return frame[:6_000], frame[6_000:]

    return drawn


@cache
def year() -> pl.DataFrame:
    """The flights, with the day in New York."""
    day = pl.col("ts").dt.convert_time_zone("America/New_York").dt.ordinal_day().cast(pl.Int64).alias(DAY)
    return flights().select(day, "week", *CATEGORIES, *NUMBERS)


def some(frame: pl.DataFrame, rows: int, draw: np.random.Generator) -> pl.DataFrame:
    """At most so many rows, in their order."""
    if len(frame) <= rows:
        return frame
    return frame[np.sort(draw.choice(len(frame), rows, replace=False))]


def days(reference: int, current: int) -> Draw:
    """Random days of the year against other random days."""

    def drawn(draw: np.random.Generator) -> Pair:
        order = draw.permutation(np.arange(1, 365))
        new, old = order[:current], order[current : current + reference]
        frame = year().drop("week")
        one, other = (frame.filter(pl.col(DAY).is_in(part.tolist())) for part in (old, new))
        return some(one, 2 * ROWS, draw), some(other, ROWS, draw)

    return drawn


def halves(*, shuffled: bool) -> Draw:
    """The days of one week, in two halves: as they came, or at random."""

    def drawn(draw: np.random.Generator) -> Pair:
        week = year().filter(pl.col("week") == draw.integers(1, 52)).drop("week")
        order = week[DAY].unique().sort().to_numpy()
        order = draw.permutation(order) if shuffled else order
        one, other = (week.filter(pl.col(DAY).is_in(part.tolist())) for part in (order[:4], order[4:]))
        return one, other

    return drawn


def shuffled(rows: int) -> Draw:
    """Rows of the year, whatever their day."""

    def drawn(draw: np.random.Generator) -> Pair:
        frame = some(year().drop("week"), rows + ROWS, draw)
        frame = frame[draw.permutation(len(frame))]
        return frame[rows:], frame[:rows]

    return drawn


def river(kind: Callable[[int, int], object]) -> Draw:
    """Eight weeks of a stream and one other, none of them after its switch."""
    weeks = [river_week(lambda _, seed: kind(1, seed))(number) for number in range(40)]  # type: ignore[arg-type, return-value]

    def drawn(draw: np.random.Generator) -> Pair:
        chosen = draw.permutation(len(weeks))[:9]
        frames = [
            weeks[week].drop("at", "id").with_columns(((pl.int_range(pl.len()) * 7 // pl.len()) + 7 * place).alias(DAY))
            for place, week in enumerate(chosen)
        ]
        whole = pl.concat(frames)
        return whole.filter(pl.col(DAY) < 56), whole.filter(pl.col(DAY) >= 56)

    return drawn
