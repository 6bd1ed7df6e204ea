"""What alarms cost, each version's by its own threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.gate import PROVING, Paired, judge
from learning.metrics import Cost
from learning.objectives import Binary
from learning.rules import Rule
from learning.spec import Gate
from learning.thresholds import Threshold

COST = Cost(((0, 1), (9, 0)))
ROWS = 400


def paired(at: float | None) -> Paired:
    """Two versions that rank rows alike; the challenger's chances are a sixth, its threshold as the test says."""
    random = np.random.default_rng(0)
    target = (np.arange(ROWS) % 4 == 0).astype(float)
    chance = np.where(random.random(ROWS) < 0.9, target, 1 - target) * 0.5 + 0.02
    return Paired(
        target,
        chance[:, None],
        chance[:, None] / 6,
        np.full(ROWS, PROVING),
        slices={},
        block=np.repeat(np.arange("2026-01-01", "2026-01-09", dtype="datetime64[D]"), ROWS // 8).astype(
            "datetime64[us]"
        ),
        thresholds=(None, Threshold(at, COST.matrix) if at else None),
    )


def cost(seen: Paired, gate: Gate) -> tuple[float, float]:
    """The mean cost of champion and challenger, as the verdict has it."""
    found = next(one for one in judge(seen, Binary(), gate).metrics if one.metric == "cost")
    return found.champion_value, found.challenger_value


def test_a_cost_is_of_the_alarms_that_a_version_gives() -> None:
    """By the break-even the challenger gives no alarm at all; by its own threshold the very same as the champion.

    A threshold that was chosen for other costs is none of these.
    """
    gate = Gate(metric=COST, also=(Rule(COST, at_most=1.0),), min_rows=50, min_events=20)
    champion, challenger = cost(paired(0.05), gate)
    assert challenger == champion
    before, silent = cost(paired(None), gate)
    assert before == champion
    assert silent == pytest.approx(9 * np.mean(paired(None).target))
    other = replace(gate, metric=Cost(((0, 2), (18, 0))))
    assert cost(paired(0.05), other)[1] == pytest.approx(2 * silent)
    rules = {at: judge(paired(at), Binary(), gate).rules[-1] for at in (0.05, None)}
    assert rules[0.05].passed
    assert not rules[None].passed
