"""Policies side by side: which of them may be the best, and which one the rules of an advice come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from evaluation.policy_figures import Figures, figures
from evaluation.policy_losses import CONFIDENCE, PolicyLosses, policy_losses, shown_worse

if TYPE_CHECKING:
    from evaluation.backtests import Backtest, BlockScore

KEPT = 0.95  # of a gain: who is shown to keep so much is as good (the goal of benchmarks/when_to_retrain.py, too)
NOTICED = 0.01  # of the loss: a rise below it is none that monitoring would notice, either (monitoring/chart.py)


@dataclass(frozen=True)
class Comparison:
    """Policies side by side.

    Args:
        present: name of the one that the model has.
        losses: of all.
        found: figures of all.
        worse: those that are shown worse than another, each with that one.
        barred: those that are there for comparison only: without a gate, which no model can be.
        idle: those without a reason to retrain but an age that was not reached. Others that retrained nothing would
            have, at an alarm.
    """

    present: str
    losses: PolicyLosses
    found: tuple[Figures, ...]
    worse: dict[str, str]
    barred: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()

    def of(self, policy: str) -> Figures:
        """The figures of a policy."""
        return next(one for one in self.found if one.policy == policy)

    @property
    def allowed(self) -> list[Figures]:
        """The policies that a model can have."""
        return [one for one in self.found if one.policy not in self.barred]

    @property
    def never(self) -> Figures | None:
        """The policy that trained nothing, if one was replayed."""
        return next((one for one in self.found if not one.retrains), None)

    def chosen(self, price: float | None) -> Figures:
        """The policy that the rule comes to; of two that cost the same, the present one."""
        if price is not None:
            return min(self.allowed, key=lambda one: (one.total(price), one.retrains, one.policy != self.present))
        return min(self.near, key=lambda one: (one.retrains, one.policy != self.present, one.loss))

    @property
    def confidence(self) -> float:
        """That of one comparison, so that all with one policy have that of an interval together."""
        return 1 - (1 - CONFIDENCE) / max(len(self.allowed) - 1, 1)

    @property
    def near(self) -> list[Figures]:
        """The policies that are as good as the one of the lowest loss, as far as anybody can tell.

        Either one is shown to keep nearly all that the best gains over never retraining, or it is not shown worse than
        any other and lies within a standard error, and 1 %, of the lowest loss.
        """
        best = min(self.allowed, key=lambda one: one.loss)
        return [one for one in self.allowed if one is best or self._keeps(one, best) or self._same(one, best)]

    def _keeps(self, one: Figures, best: Figures) -> bool:
        if self.never is None:
            return False
        share = self.losses.gain_kept(one.policy, best.policy, self.never.policy, self.confidence)
        return share is not None and share.low >= KEPT

    def _same(self, one: Figures, best: Figures) -> bool:
        found = self.losses.difference(one.policy, best.policy)
        within = found is not None and found.mean <= min(found.error, NOTICED * abs(best.mean))
        return within and one.policy not in self.worse

    def word(self, advised: Figures) -> str:
        """What it means for whoever has the present policy."""
        retrains = self.of(self.present).retrains
        if advised.policy == self.present:
            return "keep"
        if advised.policy in self.idle:
            return "never"
        if advised.retrains == retrains:
            return "another way"
        return "less often" if advised.retrains < retrains else "more often"

    def rival(self, advised: Figures, price: float | None) -> Figures:
        """What it is compared with: the present policy, or, if that is advised, the best of those that retrain less.

        With a price it is the next best of all.
        """
        if advised.policy != self.present:
            return self.of(self.present)
        others = [one for one in self.allowed if one != advised]
        if price is not None:
            return min(others, key=lambda one: one.total(price))
        return min(others, key=lambda one: (one.retrains >= advised.retrains, one.loss))


def compared(backtest: Backtest) -> Comparison:
    """The policies of a backtest side by side."""
    losses = policy_losses(backtest)
    found = tuple(figures(one, losses) for one in backtest.policies)
    barred = frozenset(one.policy for one in backtest.policies if one.overrides.get("gate") == "off")
    reasons = {one.policy: one.overrides.get("retrain.when") for one in backtest.policies}
    idle = frozenset(one.policy for one in found if not one.retrains and reasons[one.policy] == "")
    worse = shown_worse(losses, [one.policy for one in found if one.policy not in barred])
    return Comparison(backtest.present, losses, found, worse, barred, idle)


def part(backtest: Backtest, middle: datetime, *, after: bool) -> Backtest:
    """What happened before a moment, or from it on; without the crossed line, whose versions know no halves."""

    def within(moment: datetime) -> bool:
        return (moment >= middle) == after

    def scores(of: Iterable[BlockScore]) -> tuple[BlockScore, ...]:
        return tuple(one for one in of if within(one.block))

    policies = tuple(
        replace(one, scores=scores(one.scores), steps=tuple(step for step in one.steps if within(step.at)))
        for one in backtest.policies
    )
    baselines = {name: scores(of) for name, of in backtest.baselines.items()}
    return replace(backtest, policies=policies, baselines=baselines, crossed=())
