"""Whether drift checks are quiet where nothing happened, and see what did: `python -m benchmarks.monitoring [--quick]`.

Controls: two samples between which nothing happened, of made rows of every kind of column, of the flights of 2013 by
whole days, and of River's streams without their switch. Planted: a change of known size in seven random days of
flights, against sixty others, beside Evidently's own preset, which does not know days. NannyML is not a dependency:
not run.

All settings are the policy's defaults. Thresholds and their chance are what is tried here, so that the distance is
taken from the counts they were made of: Evidently measures the same to within 2 % (tests/monitoring/test_drift.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from benchmarks.streams import agrawal, river_week, sea
from db.verdict_records import DriftColumn
from demo.flights import WEATHER, flights
from learning.spec import DriftPolicy
from monitoring.counted import counted
from monitoring.distances import observed
from monitoring.drift import Compared, Side, faults_of, limits
from monitoring.growing import growth
from monitoring.verdicts import verdict

Pair = tuple[pl.DataFrame, pl.DataFrame]
Draw = Callable[[np.random.Generator], Pair]

DAY = "day"
ROWS = 5_000  # of a side, for flights
NUMBERS = ("distance", "dep_hour", "arr_hour", "departures", *WEATHER, "late")
CATEGORIES = ("carrier", "origin", "dest")


@dataclass(frozen=True)
class Found:
    """What a check said: which columns drifted, whether that makes a drift, and which are broken."""

    columns: frozenset[str]
    drifted: bool
    broken: frozenset[str]
    told: bool


def check(pair: Pair) -> Found:
    """Judge two frames with a column `day` by default policies."""
    policy, begin = DriftPolicy(), datetime(2013, 1, 1, tzinfo=UTC)
    one, other = (Side(side.drop(DAY), side[DAY].to_numpy(), None, begin, begin, len(side)) for side in pair)
    columns = [
        Compared(name, "category" if kind == pl.String else "number", "target" if name == "late" else "input")
        for name, kind in one.values.schema.items()
    ]
    both = {c: counted(one.values[c.name], other.values[c.name], c.kind) for c in columns}
    growing = {c: growth(c.kind, one.column(c.name), other.column(c.name)) for c in columns}
    found = []
    for name, (thresholds, remark) in limits(one, other, both, policy, growing).items():
        scores = observed(next(column for c, column in both.items() if c.name == name), len(one.values))
        for method, score in scores.items():
            threshold = thresholds.get(method, float("nan"))
            found.append(DriftColumn(name, method, score, threshold, score >= threshold, remark=remark))
    drifted, _, reason = verdict(found, {c.name: c.role for c in columns}, policy, (one.window, other.window))
    broken = faults_of(one, other, growing)
    hit = frozenset(column.column for column in found if column.drifted)
    return Found(hit, drifted, frozenset(broken), "cannot tell" not in reason)


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


def controls(claims: Claims, trials: int) -> None:
    """Where nothing happened: how often any column drifted, whether the check said so, and what was called broken."""
    alpha = DriftPolicy().alpha
    kinds = {f"made, {rows:,} rows": made(rows) for rows in (30, 300, 3_000, 10_000)}
    kinds |= {f"made, {rows:,} rows, days differ": made(rows, weather=0.5) for rows in (300, 3_000)}
    kinds |= {
        "flights, 7 random days against 180": days(180, 7),
        "flights, 1 random day against 60": days(60, 1),
        "flights, 7 random days against 7": days(7, 7),
        "flights, halves of a week, days at random": halves(shuffled=True),
        "flights, halves of a week, as they came": halves(shuffled=False),
        "flights, 30 shuffled rows": shuffled(30),
        "flights, 3,000 shuffled rows": shuffled(3_000),
        "River's Agrawal": river(agrawal),
        "River's SEA": river(sea),
    }
    goal = 100 * (alpha + 2 * np.sqrt(alpha * (1 - alpha) / trials))
    for number, (name, drawn) in enumerate(kinds.items()):
        draw = np.random.default_rng(number)
        found = [check(drawn(draw)) for _ in range(trials)]
        claims.at_most(f"{name}: any column drifted", 100 * share(bool(f.columns) for f in found), goal, "%")
        claims.at_most(f"{name}: drift", 100 * share(f.drifted for f in found), goal, "%")
        claims.at_most(f"{name}: broken", 100 * share(bool(f.broken) for f in found), 1, "%")
        claims.show(f"{name}: could be told", 100 * share(f.told for f in found), "%")


def share(found: object) -> float:
    """Of those that are true."""
    return float(np.mean(list(found)))  # type: ignore[call-overload]


def now_and_then(chance: float) -> pl.Expr:
    """Whether a row is one of a share of all, without a generator: by its place."""
    return (pl.int_range(pl.len()) * 7_919 % 10_000) < 10_000 * chance


PLANTED: dict[str, tuple[str, dict[str, pl.Expr]]] = {
    "mean shift": ("distance", {f"{s} sd": pl.col("distance") + 733 * s for s in (0.25, 0.5, 1.0)}),
    "variance": (
        "arr_hour",
        {f"× {s}": (pl.col("arr_hour") - 15) * s + 15 for s in (1.25, 1.5, 2.0)},
    ),
    "unit change": ("temp", {f"× {s:g}": pl.col("temp") * s for s in (1.8, 100.0, 1000.0)}),
    "category swap": (
        "carrier",
        {
            f"{a} and {b}": pl.col("carrier").replace({a: b, b: a})
            for a, b in (("UA", "DL"), ("UA", "AA"), ("UA", "HA"))
        },
    ),
    "new category": (
        "carrier",
        {f"{s:.0%}": pl.when(now_and_then(s)).then(pl.lit("new")).otherwise("carrier") for s in (0.01, 0.05, 0.2)},
    ),
    "nulls": ("distance", {f"{s:.0%}": pl.when(~now_and_then(s)).then("distance") for s in (0.05, 0.2, 0.4)}),
    "label flip": (
        "late",
        {f"{s:.0%}": pl.when(now_and_then(s)).then(1 - pl.col("late")).otherwise("late") for s in (0.2, 0.5, 1.0)},
    ),
}


def planted(claims: Claims, trials: int) -> None:
    """What is seen of changes in seven days against sixty; the second figure is Evidently's preset's."""
    must = {"unit change × 1000", "nulls 40%", "label flip 100%"}
    draw = np.random.default_rng(99)
    pairs = [days(60, 7)(draw) for _ in range(trials)]
    for kind, (column, strengths) in PLANTED.items():
        for strength, change in strengths.items():
            changed = [(one, other.with_columns(change.alias(column))) for one, other in pairs]
            found = [check(pair) for pair in changed]
            theirs = 100 * share(preset(pair, column) for pair in changed[: max(trials // 4, 5)])
            seen = 100 * share(column in f.columns | f.broken for f in found)
            name = f"{kind} {strength}: `{column}` seen (by Evidently's preset: {theirs:.0f} %)"
            if f"{kind} {strength}" in must:
                claims.at_least(name, seen, 95, "%")
            else:
                claims.show(name, seen, "%")
            claims.show(f"{kind} {strength}: broken", 100 * share(column in f.broken for f in found), "%")
    false = 100 * share(any(preset(pair, c) for c in (*NUMBERS, *CATEGORIES)) for pair in pairs[: max(trials // 4, 5)])
    claims.show("unchanged: any column drifted, by Evidently's preset", false, "%")


def preset(pair: Pair, column: str) -> bool:
    """Whether Evidently's preset calls a column drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    kinds = {"categorical_columns": [column]} if column in CATEGORIES else {"numerical_columns": [column]}
    one, other = (Dataset.from_pandas(side.select(column).to_pandas(), DataDefinition(**kinds)) for side in pair)
    found = Report([DataDriftPreset(columns=[column])]).run(other, one).dict()["metrics"]
    return bool(found[0]["value"]["count"])


def main() -> int:
    """Print every figure; 1 if a claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials")
    parser.add_argument("--trials", type=int, default=300)
    options = parser.parse_args()
    trials = options.trials // 10 if options.quick else options.trials
    claims = Claims()
    print(f"{trials} trials each\n\nclaim | measured | goal | holds\n--- | --- | --- | ---")
    controls(claims, trials)
    planted(claims, max(trials // 10, 10))
    print("NannyML | not run | |")
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
