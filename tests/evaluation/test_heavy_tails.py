"""Evidence where a few rows have almost all of the loss, as squared errors of prices do."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from evaluation.gate import PROVING, Paired, judge
from evaluation.sequential import Look, block_gains, e_values
from learning.objectives import Regression
from learning.spec import Gate

GATE = Gate(rule="proven")
LINES = 60
BEGIN = datetime(2013, 1, 1, tzinfo=UTC)


def line(gain: float, draw: np.random.Generator, days: int = 28, rows: int = 300) -> list[Look]:
    """Squared errors that grow with a lognormal amount, of versions so far apart."""
    amount, shared = draw.lognormal(0, 1, days * rows), draw.normal(0, 0.5, days * rows)
    errors = [amount * size * (shared + draw.normal(0, 0.5, days * rows)) for size in (1.0, math.sqrt(1 - gain))]
    means = (np.stack(errors) ** 2).reshape(2, days, rows).mean(axis=2).T.tolist()
    return [Look(BEGIN + timedelta(days=day), rows, *losses) for day, losses in enumerate(means)]


def ever(looks: list[Look], *, relative: bool) -> bool:
    """Whether the rule says so after any block."""
    return bool(e_values(np.array(list(block_gains(looks, GATE, relative=relative)))).max() >= 10)


def test_a_true_gain_is_proven_more_often_and_none_no_more_often() -> None:
    """By the losses of each block; the stated rate is one in ten lines."""
    draw = np.random.default_rng(9)
    better, equal = ([line(gain, draw) for _ in range(LINES)] for gain in (0.2, 0.0))
    before, now = (sum(ever(looks, relative=relative) for looks in better) for relative in (False, True))
    assert now > before + LINES * 0.15
    assert sum(ever(looks, relative=True) for looks in equal) <= LINES * 0.1


def test_to_be_twice_as_good_counts_as_much_as_twice_as_bad() -> None:
    """Whatever the size of a block's losses, and of a block without any."""
    sizes = [(2.0, 1.0), (1e9, 2e9), (0.0, 0.0)]
    looks = [Look(BEGIN + timedelta(days=day), 300, *losses) for day, losses in enumerate(sizes)]
    gains = list(block_gains(looks, Gate(min_gain=0.0), relative=True))
    assert gains == pytest.approx([2 / 3, -2 / 3, 0.0])


def test_a_verdict_says_which_and_gives_the_error_in_the_targets_unit() -> None:
    """A squared error of thousands of millions is read by its root; the change stays that of the loss."""
    draw = np.random.default_rng(2)
    target = draw.normal(200_000, 72_000, 400)
    block = np.datetime64("2013-03-01", "us") + np.arange(400) % 4 * np.timedelta64(1, "D")
    before, after = ((target + draw.normal(0, size, 400))[:, None] for size in (64_000, 50_000))
    verdict = judge(Paired(target, before, after, np.full(400, PROVING), {}, block=block), Regression(), GATE)
    assert "over 4 blocks, each by its own loss; " in verdict.rules[1].reason
    first = verdict.metrics[0]
    root = f"rmse {math.sqrt(first.champion_value):,.0f} to {math.sqrt(first.challenger_value):,.0f} on the proving"
    assert root in verdict.rules[0].reason
    assert "(squared_error -" in verdict.rules[0].reason
