"""Whether drift checks are quiet where nothing happened, and see what did: `python -m benchmarks.monitoring [--quick]`.

Controls: two samples between which nothing happened, of made rows of every kind of column, of the flights of 2013 by
whole days, of what a base makes of images and texts, and of River's streams without their switch. Planted: a change of
known size in seven random days of flights against sixty others, or in images and texts, beside Evidently's own preset,
which does not know days. NannyML is not a dependency: not run.

All settings are the policy's defaults. Thresholds and their chance are what is tried here, so that the distance is
taken from the counts they were made of: Evidently measures the same to within 2 % (tests/monitoring/test_drift.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from benchmarks.monitoring_bases import images, texts
from benchmarks.monitoring_pairs import CATEGORIES, DAY, NUMBERS, Pair, days, halves, made, river, shuffled
from benchmarks.streams import agrawal, sea
from db.verdict_records import DriftColumn
from learning.spec import DriftPolicy
from monitoring.counted import counted
from monitoring.distances import observed
from monitoring.drift import Compared, Side, limits
from monitoring.growing import growth
from monitoring.pieces import Cut, faults_of
from monitoring.verdicts import verdict
from monitoring.windows import as_compared, is_text


@dataclass(frozen=True)
class Found:
    """What a check said: which columns drifted, whether that makes a drift, and which are broken."""

    columns: frozenset[str]
    drifted: bool
    broken: frozenset[str]
    told: bool


def check(pair: Pair) -> Found:
    """Judge two frames with a column `day` by default policies."""
    policy, free = DriftPolicy(), tuple(c for c, kind in pair[0].schema.items() if kind == pl.String)
    free = tuple(c for c in free if is_text(*(side[c] for side in pair)))
    columns = [
        Compared(name, "category" if kind == pl.String and name not in free else "number", role(name))
        for name, kind in pair[0].schema.items()
        if name != DAY
    ]
    one, other = (side_of(side, columns, free) for side in pair)
    both = {c: counted(one.values[c.name], other.values[c.name], c.kind) for c in columns}
    growing = growth(one, other, columns)
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


def role(name: str) -> Literal["target", "feature", "input"]:
    """Of a column, by its name."""
    return "target" if name == "late" else "feature" if name.startswith("base/") else "input"


def side_of(frame: pl.DataFrame, columns: Sequence[Compared], free: tuple[str, ...]) -> Side:
    """A frame as one side, whose days are pieces that may be broken by themselves."""
    begin, day = datetime(2013, 1, 1, tzinfo=UTC), frame[DAY].to_numpy()
    number = np.searchsorted(np.unique(day), day)
    cut = Cut(number, [f"on day {one}" for one in np.unique(day)])
    return Side(as_compared(frame, columns, free), day, None, begin, begin, len(frame), (cut,))


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
        "what a base makes of images": images(),
        "what a base makes of texts": texts(),
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


BASES = {
    "rotated images": {f"{share:.0%}": images(45, share) for share in (0.05, 0.2, 1.0)},
    "replaced text": {f"{share:.0%}": texts(share) for share in (0.05, 0.2, 1.0)},
}
DAYS = {  # one day of the seven, the others as they were
    "without a value": pl.lit(None, dtype=pl.Float64),
    "× 1000": pl.col("temp") * 1000,
    "all of one value": pl.lit(50.0),
}
MUST = {"unit change × 1000", "nulls 40%", "label flip 100%", "rotated images 100%", "replaced text 100%"}
BROKEN = {"unit change × 1000", "nulls 40%", *(f"one day {name}" for name in DAYS)}


def planted(claims: Claims, trials: int) -> None:
    """What is seen of changes in seven days against sixty; the second figure is Evidently's preset's."""
    draw = np.random.default_rng(99)
    pairs = [days(60, 7)(draw) for _ in range(trials)]
    for kind, (column, strengths) in PLANTED.items():
        for strength, change in strengths.items():
            changed = [(one, other.with_columns(change.alias(column))) for one, other in pairs]
            told(claims, f"{kind} {strength}", changed, (column,))
    for name, change in DAYS.items():
        last = pl.col(DAY) == pl.col(DAY).max()
        changed = [(o, n.with_columns(temp=pl.when(last).then(change).otherwise("temp"))) for o, n in pairs]
        told(claims, f"one day {name}", changed, ("temp",))
    for kind, drawn in BASES.items():
        for strength, one in drawn.items():
            changed = [one(draw) for _ in range(trials)]
            told(claims, f"{kind} {strength}", changed, tuple(changed[0][0].drop(DAY).columns))
    few = pairs[: beside(trials)]
    false = 100 * share(any(preset(pair, c) for c in (*NUMBERS, *CATEGORIES)) for pair in few)
    claims.show("unchanged: any column drifted, by Evidently's preset", false, "%")


def told(claims: Claims, name: str, pairs: Sequence[Pair], columns: tuple[str, ...]) -> None:
    """How often a change in some columns is seen, and called broken."""
    found = [check(pair) for pair in pairs]
    theirs = 100 * share(any(preset(pair, c) for c in columns) for pair in pairs[: beside(len(pairs))])
    seen = 100 * share(bool((f.columns | f.broken) & {*columns}) for f in found)
    broken = 100 * share(bool(f.broken & {*columns}) for f in found)
    what = f"{name}: seen (by Evidently's preset: {theirs:.0f} %)"
    claims.at_least(what, seen, 95, "%") if name in MUST else claims.show(what, seen, "%")
    what = f"{name}: broken"
    claims.at_least(what, broken, 95, "%") if name in BROKEN else claims.show(what, broken, "%")


def beside(trials: int) -> int:
    """Trials that Evidently's preset is given: it takes a quarter of a second for each column."""
    return min(trials, max(trials // 6, 5))


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
    parser.add_argument("--trials", type=int, default=300, help="of each control")
    parser.add_argument("--planted", type=int, default=60, help="trials of each planted change")
    options = parser.parse_args()
    of = 10 if options.quick else 1
    claims = Claims()
    print(f"{options.trials // of} and {options.planted // of} trials each\n", flush=True)
    print("claim | measured | goal | holds\n--- | --- | --- | ---", flush=True)
    controls(claims, options.trials // of)
    planted(claims, options.planted // of)
    print("NannyML | not run | |")
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
