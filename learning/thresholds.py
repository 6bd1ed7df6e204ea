"""From which chance of the event an alarm pays: chosen for the user's costs, on rows that did not train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Cost, Metric
from learning.objectives import Binary

if TYPE_CHECKING:
    from learning.policies import Gate
    from learning.spec import ModelSpec

Floats = NDArray[np.floating[Any]]
SURE = 2.5  # standard errors by which one has to cost less: of chances that are right, the break-even stays in 9 of 10
FEWEST = 30  # rows of either class, below which costs would choose by a handful


@dataclass(frozen=True)
class Threshold:
    """The chance above which a version's prediction is an alarm, and what that cost where it was chosen.

    Args:
        at: the chance.
        matrix: the costs that it was chosen for.
        cost: mean of them on the rows held back; None where they did not choose.
        rows: how many chose.
        remark: all of it in words.
    """

    at: float
    matrix: tuple[tuple[float, ...], ...]
    cost: float | None = None
    rows: int = 0
    remark: str = ""

    def decided(self, metric: Metric, prediction: Floats) -> Floats:
        """What a cost is to be taken of: 1 of an alarm and 0 of none, if the threshold was chosen for these costs.

        Example:
            >>> fraud = Cost(((0, 1), (9, 0)))
            >>> Threshold(0.3, fraud.matrix).decided(fraud, np.array([0.2, 0.4])).tolist()
            [0.0, 1.0]
        """
        if not isinstance(metric, Cost) or metric.matrix != self.matrix:
            return prediction
        return (prediction > self.at).astype("float64")


def cost_of(gate: Gate, objective: Any) -> Cost | None:
    """The cost that a gate decides by, else the first that it bounds; None where it has none of two classes."""
    if not isinstance(objective, Binary):
        return None
    named = (gate.metric, *(rule.figure for rule in gate.also))
    found = next((one for one in named if isinstance(one, Cost)), None)
    return found if found and np.isfinite(found.break_even) else None


def costs_record(spec: ModelSpec) -> list[Any]:
    """The costs that a version's threshold is chosen for, as JSON can hold them; [] where there are none."""
    cost = cost_of(spec.gate, spec.objective)
    return [[list(row) for row in cost.matrix]] if cost else []


def threshold(cost: Cost, target: Floats, chance: Floats, weight: Floats | None = None) -> Threshold:
    """The threshold that costs least, as far as these rows can tell.

    Of chances that are right it is the break-even: an alarm pays from there on (Elkan 2001). Of others it is found by
    trying each (Sheng and Ling 2006); as the cheapest of so many looks better than it is, only where the rows between
    both show that it is.

    Args:
        cost: of two classes.
        target: 0 or 1, shape (rows,).
        chance: of 1, shape (rows,).
        weight: how much each row counts.

    Example:
        >>> fraud = Cost(((0, 1), (9, 0)))
        >>> round(threshold(fraud, np.repeat([0.0, 1.0], 50), np.repeat([0.3, 0.6], 50)).at, 3)
        0.45
        >>> threshold(fraud, np.zeros(10), np.full(10, 0.2)).remark
        'alarms from a chance of 0.1 on, the break-even: 0 of the 30 rows held back that each class takes'
    """
    even = cost.break_even
    fewest = int(min((target > 0.5).sum(), (target <= 0.5).sum()))
    if fewest < FEWEST:
        why = f"the break-even: {fewest:,} of the {FEWEST} rows held back that each class takes"
        return Threshold(even, cost.matrix, remark=f"alarms from a chance of {even:.3g} on, {why}")
    mass = np.ones(len(target)) if weight is None else weight / weight.mean()
    order = np.argsort(-chance, kind="stable")
    (quiet, false_alarm), (missed, alarm) = cost.matrix
    more = mass[order] * np.where(target[order] > 0.5, alarm - missed, false_alarm - quiet)
    ranked = chance[order].astype("float64")
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1, [len(ranked)]])  # alarms at each threshold
    costs, squares = (np.concatenate([[0.0], np.cumsum(one)])[cuts] for one in (more, more**2))
    best = int(costs.argmin())
    usual = int(np.searchsorted(cuts, (ranked > even).sum()))
    shown = costs[usual] - costs[best] > SURE * np.sqrt(np.abs(squares[usual] - squares[best]))
    chosen = best if shown else usual
    places = np.concatenate([[1.0], (ranked[cuts[1:-1] - 1] + ranked[cuts[1:-1]]) / 2, [0.0]])
    at = float(places[chosen]) if shown else even
    never = float(np.sum(mass * np.where(target > 0.5, missed, quiet)))
    mean = (never + float(costs[chosen])) / len(target)
    words = f"alarms from a chance of {at:.3g} on cost {mean:.4g} a row, on {len(target):,} rows held back"
    if shown:
        words += f"; from the break-even of {even:.3g} on, {(never + float(costs[usual])) / len(target):.4g}"
    return Threshold(at, cost.matrix, mean, len(target), words)


def break_even(spec: ModelSpec) -> dict[str, Any]:
    """What a version's plan has of a threshold that no rows chose; nothing where the gate has no such cost."""
    cost = cost_of(spec.gate, spec.objective)
    return {"threshold": asdict(threshold(cost, np.empty(0), np.empty(0)))} if cost else {}


def threshold_of(plan: Mapping[str, Any]) -> Threshold | None:
    """The threshold that a version's plan has; None of one without."""
    found = plan.get("threshold")
    if not found:
        return None
    return Threshold(**{**found, "matrix": tuple(tuple(map(float, row)) for row in found["matrix"])})
