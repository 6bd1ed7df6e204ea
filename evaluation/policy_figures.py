"""What a replayed policy cost and came to, in figures; which policies nobody beats; how far each is from the oracle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from db.records import CAME_TO, NEEDS_ATTENTION, STUCK
from evaluation.oracle import Plan, crossed_losses, exact_plan

if TYPE_CHECKING:
    from evaluation.backtests import Backtest, PolicyResult, Step
    from evaluation.policy_losses import PolicyLosses

ROLLED_BACK = "rolled back to version"  # in the reason of a run that did it
PRICES = 9  # at which policies are held against the oracle
DECADE = 10.0
USUAL = 0.01  # of an average arrival's summed loss: the price in the middle, where nobody named one


@dataclass(frozen=True)
class Figures:
    """What a policy came to.

    Args:
        policy: its name.
        loss: summed loss of all rows.
        mean: their mean loss.
        retrains: trainings, whatever came of them.
        promotions: versions that took the champion's place.
        refusals: challengers that the gate refused.
        rollbacks: promotions that were taken back.
        cpu_s: processor seconds of all its runs.
        trained_rows: rows that trainings went through.
        labels: labelled rows that it was given.
    """

    policy: str
    loss: float
    mean: float
    retrains: int
    promotions: int
    refusals: int
    rollbacks: int
    cpu_s: float
    trained_rows: int
    labels: int

    def total(self, price: float) -> float:
        """The summed loss, and what the retrains cost."""
        return self.loss + price * self.retrains


def figures(result: PolicyResult, losses: PolicyLosses) -> Figures:
    """The figures of one policy."""
    kinds = [kind for kind, _ in marks(result.steps)]
    return Figures(
        policy=result.policy,
        loss=losses.total(result.policy),
        mean=losses.mean(result.policy),
        retrains=sum(step.trained_rows > 0 for step in result.steps),
        promotions=kinds.count("promotion"),
        refusals=kinds.count("refusal"),
        rollbacks=kinds.count("rollback"),
        cpu_s=sum(step.cpu_s for step in result.steps),
        trained_rows=sum(step.trained_rows for step in result.steps),
        labels=sum(step.labels for step in result.steps),
    )


def marks(steps: Sequence[Step]) -> Iterator[tuple[str, Step]]:
    """What happened at which step: "promotion", "refusal" or "rollback"; several at one step where it was so."""
    newest = 0
    for step in steps:
        if ROLLED_BACK in step.decision_reason or (step.version is not None and step.version < newest):
            yield "rollback", step
        if step.version is not None and step.version > newest:
            newest = step.version
            yield "promotion", step
        if _came_to(step) in {"rejected", STUCK}:
            yield "refusal", step


def _came_to(step: Step) -> str:
    """What a run came to in a word, also where somebody should look at it."""
    if step.outcome != NEEDS_ATTENTION:
        return step.outcome
    return next((word for word in CAME_TO if step.decision_reason.startswith(word)), "")


def front(found: Sequence[Figures], cost: str) -> tuple[Figures, ...]:
    """The policies that no other one beats in both loss and a cost, the cheapest first.

    Args:
        found: of all policies.
        cost: "retrains", "cpu_s", "trained_rows" or "labels".

    Example:
        >>> def policy(name, loss, cpu_s):
        ...     return Figures(name, loss, loss, 0, 0, 0, 0, cpu_s, 0, 0)
        >>> three = [policy("never", 9.0, 0.0), policy("weekly", 5.0, 50.0), policy("wrong", 6.0, 60.0)]
        >>> [one.policy for one in front(three, "cpu_s")]
        ['never', 'weekly']
    """
    kept: list[Figures] = []
    for one in sorted(found, key=lambda one: (getattr(one, cost), one.loss)):
        if not kept or one.loss < kept[-1].loss:
            kept.append(one)
    return tuple(kept)


def prices(backtest: Backtest, losses: PolicyLosses, price: float | None) -> tuple[float, ...]:
    """Prices of a retrain over two decades: around the one that was named, else a hundredth of an arrival's loss.

    Of a retrain that costs a thousandth of what an average arrival loses, hardly any is too dear; at a tenth, nearly
    all are. Nothing else is known of a stranger's costs.
    """
    steps = max((len(one.steps) for one in backtest.policies), default=0)
    loss = min((abs(losses.total(one.policy)) for one in backtest.policies), default=0.0)
    middle = price or (USUAL * loss / max(steps, 1) if np.isfinite(loss) else 0.0) or 1.0
    return tuple(float(one) for one in np.geomspace(middle / DECADE, middle * DECADE, PRICES))


@dataclass(frozen=True)
class Beside:
    """Every policy beside the oracle, at one price of a retrain.

    Args:
        plan: the oracle's.
        above: policy to how far its total lies above the plan's, relatively.
    """

    plan: Plan
    above: dict[str, float]


def beside_oracle(backtest: Backtest, found: Sequence[Figures], at: Sequence[float]) -> tuple[Beside, ...]:
    """How far each policy is from the oracle at each price; nothing where the crossed line was not measured.

    A policy may lie below it by a little: the oracle knows the versions of one line only, the one in which every
    challenger took the place.
    """
    losses = crossed_losses(backtest.crossed)
    if not losses.size:
        return ()
    plans = [exact_plan(losses, price) for price in at]
    return tuple(
        Beside(plan, {one.policy: one.total(plan.price) / plan.total - 1 for one in found})
        for plan in plans
        if np.isfinite(plan.total) and plan.total > 0
    )
