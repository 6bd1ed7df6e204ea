"""What a backtest advises: a policy, and why, in a plain sentence with what is not known about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from evaluation.policy_figures import Figures, figures
from evaluation.policy_losses import CONFIDENCE, FEWEST, PolicyLosses, policy_losses, shown_worse

if TYPE_CHECKING:
    from evaluation.backtests import Backtest, BlockScore

NOTICED = 0.01  # of the loss: a rise below it is none that monitoring would notice, either (monitoring/chart.py)


@dataclass(frozen=True)
class Advice:
    """Which policy to have.

    Args:
        policy: its name.
        word: "keep", "less often", "never", "more often", "another way" or "cannot tell".
        sentence: the advice, its reason, and how sure that is.
        remarks: what else to know before anybody acts on it.
        price: of one retrain, in units of the summed loss; None where nobody named one.
    """

    policy: str
    word: str
    sentence: str
    remarks: tuple[str, ...]
    price: float | None = None


def advise(backtest: Backtest, price: float | None = None) -> Advice:
    """Which of the replayed policies to have.

    With a price, the one whose summed loss + price x retrains is lowest. Without one, the one with the fewest retrains
    among those that are not shown worse than another, and lie within one standard error of the lowest loss (the rule of
    Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984) and within 1 % of it. Not shown
    worse is not enough: one turn of the world in a year is one observation, and proves nothing, whatever it cost.

    Args:
        backtest: what was replayed.
        price: what one retrain costs, in units of one row's loss: where a loss of 1 in one row costs 2 dollars, and a
            retrain 300, it is 150.
    """
    beside = compared(backtest)
    blocks = len(beside.losses.blocks)
    if blocks < FEWEST or len(beside.allowed) < 2:
        lacking = f"{blocks} blocks with labels" if len(beside.allowed) > 1 else "one policy"
        said = f"Cannot tell: {lacking} is too little to compare; {backtest.present} stays."
        return Advice(backtest.present, "cannot tell", said, (), price)
    advised = beside.chosen(price)
    word = beside.word(advised)
    remarks = *beside.remarks(advised, price), *tried_before(backtest, price)
    return Advice(advised.policy, word, beside.sentence(advised, word, price), remarks, price)


@dataclass(frozen=True)
class Comparison:
    """Policies side by side.

    Args:
        present: name of the one that the model has.
        losses: of all.
        found: figures of all.
        worse: those that are shown worse than another, each with that one.
        barred: those that are there for comparison only: without a gate, which no model can be.
    """

    present: str
    losses: PolicyLosses
    found: tuple[Figures, ...]
    worse: dict[str, str]
    barred: frozenset[str] = frozenset()

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
    def near(self) -> list[Figures]:
        """The policies that are not shown worse than another, within a standard error and 1 % of the lowest loss."""
        best = min(self.allowed, key=lambda one: one.loss)
        apart = {one.policy: self.losses.difference(one.policy, best.policy) for one in self.allowed}
        most = NOTICED * abs(best.mean)
        within = {policy for policy, found in apart.items() if found and found.mean <= min(found.error, most)}
        return [one for one in self.allowed if one.policy in within and (one.policy not in self.worse or one is best)]

    def word(self, advised: Figures) -> str:
        """What it means for whoever has the present policy."""
        retrains = self.of(self.present).retrains
        if advised.policy == self.present:
            return "keep"
        if not advised.retrains:
            return "never"
        if advised.retrains == retrains:
            return "another way"
        return "less often" if advised.retrains < retrains else "more often"

    def sentence(self, advised: Figures, word: str, price: float | None) -> str:
        """The advice and its reason."""
        heads = {
            "keep": f"Keep {advised.policy}",
            "never": f"Do not retrain ({advised.policy})",
            "less often": f"Retrain less often, by {advised.policy}",
            "more often": f"Retrain more often, by {advised.policy}",
            "another way": f"Retrain as often, by {advised.policy}",
        }
        other = self.beside(advised, price)
        subject, its = (other, advised) if word == "keep" else (advised, other)
        said = [self.kept(subject, its), retrains(subject, its), self.costs(subject, its, price)]
        who = f"{subject.policy}, the next," if word == "keep" else "it"
        return f"{heads[word]}: {who} {', '.join(filter(None, said))}; {self.proof(subject, its)}."

    def beside(self, advised: Figures, price: float | None) -> Figures:
        """What it is compared with: the present policy, or, if that is advised, the best of those that retrain less.

        With a price it is the next best of all.
        """
        if advised.policy != self.present:
            return self.of(self.present)
        others = [one for one in self.allowed if one != advised]
        if price is not None:
            return min(others, key=lambda one: one.total(price))
        return min(others, key=lambda one: (one.retrains >= advised.retrains, one.loss))

    def kept(self, subject: Figures, other: Figures) -> str:
        """Which share of the other's gain it keeps, or how far its loss lies from the other's where none is shown."""
        never = self.never
        if never and subject.retrains and other.retrains:
            share = self.losses.gain_kept(subject.policy, other.policy, never.policy)
            if share:
                between = f"between {share.low:.0%} and {share.high:.0%}"
                return f"keeps {share.mean:.0%} of what {other.policy} gains over never retraining ({between})"
        found = self.losses.difference(subject.policy, other.policy)
        scale = abs(other.mean)
        if found is None or not scale:
            return f"has a loss of {subject.mean:.4g}, and {other.policy} of {other.mean:.4g}"
        where = "above" if found.mean >= 0 else "below"
        between = f"between {found.low / scale:+.1%} and {found.high / scale:+.1%}"
        return f"has a loss {abs(found.mean) / scale:.1%} {where} that of {other.policy} ({between})"

    def costs(self, subject: Figures, other: Figures, price: float | None) -> str:
        """What that comes to at a price."""
        if price is None:
            return ""
        ours, its = amount(subject.total(price)), amount(other.total(price))
        return f"and comes to {ours} in all at a price of {amount(price)} a retrain, {other.policy} to {its}"

    def proof(self, subject: Figures, other: Figures) -> str:
        """Whether the difference of loss is more than chance, at a confidence that all comparisons share."""
        confidence = 1 - (1 - CONFIDENCE) / (len(self.allowed) - 1)
        found = self.losses.difference(subject.policy, other.policy, confidence)
        blocks = f"on {len(self.losses.blocks):,} blocks"
        if found is None or found.low <= 0 <= found.high:
            return f"the difference of loss from {other.policy} is not proven {blocks}"
        side = "higher" if found.low > 0 else "lower"
        return f"that its loss is {side} than that of {other.policy} is proven {blocks}"

    def remarks(self, advised: Figures, price: float | None) -> Iterator[str]:
        """What else to know: how many may be the best, and whether a model is worth having at all."""
        left = [one.policy for one in self.allowed if one.policy not in self.worse]
        many = f"{len(left)} of {len(self.allowed)} policies are not shown worse than another ({', '.join(left)})"
        if price is None:
            near = ", ".join(one.policy for one in self.near)
            yield (
                f"{many}, at a confidence of {CONFIDENCE:.0%} that all comparisons share; within a standard error and "
                f"{NOTICED:.0%} of the lowest loss: {near}. Of these the one with the fewest retrains is advised; a "
                "price decides better"
            )
        elif len(left) > 1:
            yield f"{many}: the one that looks best of many looks better than it will be"
        for policy in sorted(self.barred):
            found = self.losses.difference(policy, advised.policy)
            if found and found.high < 0:
                less = -found.mean / abs(advised.mean)
                yield f"{policy}, which has no gate, has a loss {less:.1%} below: look at what the gate refuses"
        known = {one.policy for one in self.found}
        for baseline in self.losses.of:
            if baseline not in known and self.losses.total(baseline) <= advised.loss:
                yield f"the baseline '{baseline}' loses no more than {advised.policy}: look at the model first"


def compared(backtest: Backtest) -> Comparison:
    """The policies of a backtest side by side."""
    losses = policy_losses(backtest)
    found = tuple(figures(one, losses) for one in backtest.policies)
    barred = frozenset(one.policy for one in backtest.policies if one.overrides.get("gate") == "off")
    worse = shown_worse(losses, [one.policy for one in found if one.policy not in barred])
    return Comparison(backtest.present, losses, found, worse, barred)


def tried_before(backtest: Backtest, price: float | None) -> Iterator[str]:
    """What the same rule would have advised by the first half of the blocks, and what that came to in the second."""
    blocks = policy_losses(backtest).blocks
    middle = blocks[len(blocks) // 2]
    early, late = (compared(part(backtest, middle, after=after)) for after in (False, True))
    if len(early.losses.blocks) < FEWEST:
        return
    chosen = early.chosen(price).policy
    said = f"by the first half of the blocks alone, the advice would have been {chosen}"
    if chosen != backtest.present:
        then, present = late.of(chosen), late.of(backtest.present)
        apart = (then.loss - present.loss) / abs(present.loss or 1.0)
        said += f"; in the second half its loss was {apart:+.1%} beside that of {backtest.present}, for "
        said += f"{_times(then.retrains)} instead of {present.retrains:,}"
    yield said


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


def retrains(subject: Figures, other: Figures) -> str:
    """For how many of the other's retrains."""
    if not other.retrains or not subject.retrains:
        return f"for {_times(subject.retrains)} instead of {other.retrains or 'none'}"
    share = subject.retrains / other.retrains
    often = f"{share:.0%} of" if share < 2 else f"{share:.1f} times"
    return f"for {often} its retrains ({subject.retrains:,} and {other.retrains:,})"


def amount(value: float) -> str:
    """A sum of losses, with the digits that are worth reading.

    Example:
        >>> amount(15180.4), amount(0.04256)
        ('15,180', '0.04256')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _times(retrains: int) -> str:
    return f"{retrains:,} retrains" if retrains != 1 else "1 retrain"
