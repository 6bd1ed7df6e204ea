"""All that a terminal and a page show of a backtest, worked out once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from evaluation.advice import Advice, advise
from evaluation.intervals import mean_interval
from evaluation.policy_comparison import Comparison, compared
from evaluation.policy_figures import Beside, Figures, beside_oracle, front, marks, prices
from evaluation.policy_losses import CONFIDENCE, PolicyLosses

if TYPE_CHECKING:
    from evaluation.backtests import Backtest, Step
    from evaluation.intervals import Interval

COSTS = {"cpu_s": "processor seconds", "trained_rows": "rows trained", "labels": "labels"}
WINDOWS = 26  # of a course: as many as a plot can show


@dataclass(frozen=True)
class Window:
    """Neighbouring blocks of a policy's history, seen together.

    Args:
        at: the middle of them.
        loss: their mean loss, with the interval that its blocks give; NaN ends where they are too few.
        so_far: by how much the mean loss from the beginning up to here is above the present policy's; None where
            that cannot be told, or it is the present policy.
    """

    at: datetime
    loss: Interval
    so_far: Interval | None


@dataclass(frozen=True)
class Report:
    """A backtest, and what it comes to.

    Args:
        backtest: what was replayed.
        advice: which policy to have.
        compared: the policies side by side.
        oracle: each policy beside the exact plan, price by price; empty where it was not measured.
        fronts: cost to the policies that no other beats in loss and that cost.
        courses: policy to its history, window by window.
        happened: policy to what happened when: "promotion", "refusal", "rollback".
    """

    backtest: Backtest
    advice: Advice
    compared: Comparison
    oracle: tuple[Beside, ...]
    fronts: Mapping[str, tuple[Figures, ...]]
    courses: Mapping[str, tuple[Window, ...]]
    happened: Mapping[str, tuple[tuple[str, Step], ...]]


def report(backtest: Backtest, price: float | None = None) -> Report:
    """Work out what a backtest comes to.

    Args:
        backtest: what was replayed.
        price: of one retrain, in units of one row's loss; None where nobody named one.
    """
    beside = compared(backtest)
    losses, found = beside.losses, beside.found
    return Report(
        backtest=backtest,
        advice=advise(backtest, price),
        compared=beside,
        oracle=beside_oracle(backtest, found, prices(backtest, losses, price)),
        fronts={cost: front(found, cost) for cost in COSTS},
        courses={one.policy: course(losses, one.policy, backtest.present) for one in found},
        happened={one.policy: tuple(marks(one.steps)) for one in backtest.policies},
    )


def course(losses: PolicyLosses, policy: str, present: str) -> tuple[Window, ...]:
    """A policy's history in at most 26 windows."""
    count = len(losses.blocks)
    place = np.arange(count) * min(WINDOWS, count) // max(count, 1)
    found = []
    for window in np.unique(place):
        (inside,) = np.nonzero(place == window)
        until = int(inside[-1]) + 1
        so_far = None if policy == present else losses.difference(policy, present, until=until)
        found.append(Window(losses.blocks[inside[len(inside) // 2]], _mean(losses, policy, inside), so_far))
    return tuple(found)


def _mean(losses: PolicyLosses, policy: str, inside: np.ndarray) -> Interval:
    """The mean loss of some blocks, each of which is one observation."""
    from evaluation.intervals import Interval

    values, rows = losses.of[policy][inside], losses.rows[inside]
    found = mean_interval(values, [inside], CONFIDENCE, rows) if np.isfinite(values).all() else None
    if found is not None:
        return found
    mean = float(np.average(values, weights=rows))
    return Interval(mean, math.nan, math.nan, math.nan, len(inside), float(rows.sum()))
