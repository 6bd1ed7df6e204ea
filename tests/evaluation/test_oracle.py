"""The oracle: no other plan of retrains would have cost less."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.backtests import Crossed
from evaluation.oracle import crossed_losses, exact_plan, plan_loss

Floats = NDArray[np.float64]


def every_plan(losses: Floats, price: float) -> list[tuple[float, tuple[int, ...]]]:
    """What each of all plans costs, by going through its arrivals one by one: the truth that a short cut is held to."""
    steps = range(1, losses.shape[1])
    plans = chain.from_iterable(combinations(steps, many) for many in range(len(steps) + 1))
    found = []
    for plan in plans:
        version, cost = 0, 0.0
        for step in range(losses.shape[1]):
            if step in plan:
                version, cost = step, cost + price
            cost += losses[version, step]
        found.append((cost, plan))
    return found


@st.composite
def matrices(draw: st.DrawFn) -> Floats:
    """Losses of up to six versions, some of which were never measured; whole numbers, so that sums are exact."""
    steps = draw(st.integers(1, 6))
    values = st.one_of(st.integers(-3, 9).map(float), st.just(np.inf)) if draw(st.booleans()) else st.integers(0, 9)
    losses = np.array(draw(st.lists(st.lists(values, min_size=steps, max_size=steps), min_size=steps, max_size=steps)))
    losses = losses.astype(float)
    losses[np.tril_indices(steps, -1)] = np.inf
    losses[0] = np.where(np.isinf(losses[0]), 9.0, losses[0])  # the bootstrap serves, whatever else was measured
    return losses


@given(matrices(), st.integers(0, 12))
@settings(max_examples=80, deadline=None)
def test_no_other_plan_costs_less(losses: Floats, price: int) -> None:
    """Of all plans there are, tried one by one, none is cheaper, and what it says it costs is what it costs."""
    plan = exact_plan(losses, float(price))
    costs = {retrains: cost for cost, retrains in every_plan(losses, float(price))}
    assert plan.total == min(costs.values())
    assert costs[plan.retrains] == plan.total
    assert plan_loss(losses, plan.retrains) == plan.loss


@given(matrices())
@settings(max_examples=20, deadline=None)
def test_the_dearer_a_retrain_the_fewer(losses: Floats) -> None:
    """A higher price never asks for more retrains, and one beyond every gain for none."""
    many = [len(exact_plan(losses, price).retrains) for price in (0.5, 1.5, 4.5, 1000.5)]
    assert many == sorted(many, reverse=True)
    assert many[-1] == 0


def test_a_world_that_turned_is_learned_once() -> None:
    """Where one retrain mends all that is to come, the plan has that one, at the first step that knows of it."""
    losses = np.array([[1.0, 1.0, 9.0, 9.0, 9.0]] * 2 + [[1.0] * 5] * 3)
    losses[2, 2] = 9.0  # trained at step 2, before any row of the new world had come
    losses[2, 3:] = 9.0
    losses[np.tril_indices(5, -1)] = np.inf
    assert exact_plan(losses, 3.0).retrains == (3,)
    assert exact_plan(losses, 17.0).retrains == ()


def test_what_was_not_measured_is_never_planned() -> None:
    """A version that failed to train, or predicted no number, serves in no plan; a silent arrival costs nothing."""
    crossed = [
        *(Crossed(0, arrival, 10, 0.9) for arrival in (1, 2, 4)),
        Crossed(1, 2, 10, float("nan")),
        *(Crossed(2, arrival, 10, 0.1) for arrival in (4,)),
        Crossed(0, 3, 0, float("nan")),
    ]
    losses = crossed_losses(crossed)
    assert losses.shape == (4, 4)
    assert losses[:, 2].tolist() == [0.0] * 4
    plan = exact_plan(losses, 0.0)
    assert plan.retrains == (2,)
    assert plan.total == pytest.approx(9 + 9 + 0 + 1)


def test_without_a_crossed_line_there_is_no_plan_to_show() -> None:
    """An empty matrix is a plan of nothing, not an error."""
    assert exact_plan(crossed_losses([]), 1.0).total == 0.0
