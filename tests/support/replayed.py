"""A made backtest: weeks of days whose losses are known, under policies whose retrains are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from evaluation.backtests import Backtest, BlockScore, Crossed, PolicyResult, Step

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 100
Ageing = Callable[[int, int], float]  # the loss in a week of a version that was trained at a step


def steady(week: int, trained_at: int) -> float:
    """A world that never changes: no version is worse than another."""
    return 0.5


def drifting(week: int, trained_at: int) -> float:
    """A world in which each week of age costs a version 0.01."""
    return 0.5 + 0.01 * (week - trained_at)


def replay(
    ageing: Ageing,
    plans: Mapping[str, Sequence[int]],
    *,
    present: str = "weekly",
    weeks: int = 40,
    noise: float = 0.02,
) -> Backtest:
    """What comes of policies that retrain at the steps they are given; all of them meet the same good and bad days."""
    luck = np.random.default_rng(7).normal(0, noise, (weeks + 1, 7))
    policies = tuple(policy(name, plan, ageing, weeks, luck) for name, plan in plans.items())
    days = [(week, day) for week in range(1, weeks + 1) for day in range(7)]
    constant = tuple(BlockScore(when(week, day), ROWS, 0.69, 0) for week, day in days)
    crossed = tuple(
        Crossed(trained, week, 7 * ROWS, ageing(week, trained) + float(luck[week].mean()))
        for trained in range(weeks)
        for week in range(trained + 1, weeks + 1)
    )
    overrides = {"constant": constant, "last label": constant}
    return Backtest("shop", present, policies, overrides, crossed)


def when(week: int, day: int) -> datetime:
    """The start of a day of a week; what comes in week k is scored before step k."""
    return START + timedelta(days=7 * (week - 1) + day)


def policy(name: str, plan: Sequence[int], ageing: Ageing, weeks: int, luck: np.ndarray) -> PolicyResult:
    """One of them: every challenger takes the place."""
    scores, steps, trained, version = [], [], 0, 1
    for week in range(1, weeks + 1):
        loss = ageing(week, trained)
        scores += [BlockScore(when(week, day), ROWS, loss + float(luck[week, day]), version) for day in range(7)]
        anew = week in plan
        trained, version = (week, version + 1) if anew else (trained, version)
        outcome, cost = ("promoted", (8.0, 1400)) if anew else ("waiting", (0.5, 0))
        why = "better so far" if anew else "700 labelled rows are pending"
        steps.append(Step(when(week + 1, 0), outcome, why, version if anew else None, *cost, 7 * ROWS))
    return PolicyResult(
        name, {"retrain.every": f"{len(plan)}d"} if plan else {"retrain.when": ""}, tuple(scores), tuple(steps)
    )


def usual(weeks: int = 40) -> dict[str, Sequence[int]]:
    """Plans of every week, every fourth, every twelfth and none."""
    every = {"weekly": 1, "four-weekly": 4, "twelve-weekly": 12}
    return {name: range(length, weeks + 1, length) for name, length in every.items()} | {"never": ()}
