"""The oracle: when to retrain, had one known what would come. Exact, and no policy: nobody knows it in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evaluation.backtests import Crossed

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Plan:
    """When to retrain, and what that comes to.

    Args:
        retrains: the steps at which it retrains, in order; step 0 is the bootstrap, which everybody has.
        loss: summed loss of all rows.
        price: of one retrain, in the same unit.
    """

    retrains: tuple[int, ...]
    loss: float
    price: float

    @property
    def total(self) -> float:
        """The summed loss, and what the retrains cost."""
        return self.loss + self.price * len(self.retrains)


def crossed_losses(crossed: Sequence[Crossed]) -> Floats:
    """The summed loss of each version on each arrival, shape (arrivals, arrivals).

    Row k is the version trained at step k; column j is what arrived for step j + 1, so that a version serves its own
    column and those behind it. What it cannot serve, or was not measured, is infinite: no plan goes there. An arrival
    without labelled rows costs nobody anything.

    Example:
        >>> from evaluation.backtests import Crossed
        >>> crossed_losses([Crossed(0, 1, 10, 0.5), Crossed(0, 2, 10, 0.7), Crossed(1, 2, 10, 0.2)])
        array([[ 5.,  7.],
               [inf,  2.]])
    """
    arrivals = max((one.arrived_at for one in crossed), default=0)
    found = np.full((arrivals, arrivals), math.inf)
    for one in crossed:
        loss = one.rows * one.loss if one.rows else 0.0
        found[one.trained_at, one.arrived_at - 1] = loss if math.isfinite(loss) else math.inf
    silent = sorted(set(range(arrivals)) - {one.arrived_at - 1 for one in crossed if one.rows})
    found[:, silent] = 0.0
    return found


def exact_plan(losses: Floats, price: float) -> Plan:
    """The plan of least summed loss + price x retrains, among all plans.

    What a plan costs from a step on depends on nothing but the version in production then. So from the last step back
    to the first, each version either stays or gives way to the one that is trained at the step, whichever costs less
    from there on (Bellman's principle). Of two ways that cost the same, the version stays.

    A version is taken for the same whatever was trained before it: Yang and Mathioudakis, "Automated Retraining for
    Cost-Optimal ML" (ECML PKDD 2026), solve the same problem so.

    Args:
        losses: as `crossed_losses` gives them.
        price: of one retrain, in units of the summed loss; 0 or more.

    Example:
        >>> drifting = np.array([[5.0, 9.0, 9.0], [np.inf, 4.0, 5.0], [np.inf, np.inf, 4.0]])
        >>> exact_plan(drifting, price=2.0)
        Plan(retrains=(1,), loss=14.0, price=2.0)
    """
    steps = losses.shape[1]
    rest = np.zeros(len(losses))  # what each version costs from here on, when the best is done
    gives_way = np.zeros(losses.shape, dtype=bool)
    for step in reversed(range(steps)):
        stays = losses[:, step] + rest
        anew = price + stays[step] if step else math.inf
        gives_way[:step, step] = anew < stays[:step]
        rest = np.where(gives_way[:, step], anew, stays)
    version, loss, retrains = 0, 0.0, list[int]()
    for step in range(steps):
        if gives_way[version, step]:
            version = step
            retrains.append(step)
        loss += float(losses[version, step])
    return Plan(tuple(retrains), loss, price)


def plan_loss(losses: Floats, retrains: Sequence[int]) -> float:
    """The summed loss of a given plan, had each of its versions gone into production as it was trained.

    Example:
        >>> drifting = np.array([[5.0, 9.0, 9.0], [np.inf, 4.0, 5.0], [np.inf, np.inf, 4.0]])
        >>> plan_loss(drifting, [1, 2])
        13.0
    """
    places = np.arange(losses.shape[1])
    chosen = np.searchsorted(np.asarray(sorted(retrains)), places, side="right")
    versions = np.asarray([0, *sorted(retrains)])[chosen]
    return float(losses[versions, places].sum())
