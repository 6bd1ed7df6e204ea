"""What a backtest advises: a policy, and why, in a plain sentence with what is not known about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.policy_comparison import Comparison, compared, part
from evaluation.policy_figures import Figures
from evaluation.policy_losses import CONFIDENCE, FEWEST, policy_losses

if TYPE_CHECKING:
    from evaluation.backtests import Backtest


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
    among those that are as good as the one of the lowest loss. That is a policy that is shown to keep 95 % of what it
    gains over never retraining; or one that is not shown worse than another, and lies within one standard error of the
    lowest loss (the rule of Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984) and
    within 1 % of it. Not shown worse is not enough: one turn of the world in a year is one observation, and proves
    nothing, whatever it cost.

    Args:
        backtest: what was replayed.
        price: what one retrain costs, in units of one row's loss: where a loss of 1 in one row costs 2 dollars, and a
            retrain 300, it is 150.
    """
    beside = compared(backtest)
    blocks = len(beside.losses.blocks)
    if blocks < FEWEST or len(beside.allowed) < 2:
        lacking = f"{blocks} blocks with labels" if len(beside.allowed) > 1 else "one policy"
        said = f"Cannot tell: {lacking} is too little to compare; {named(backtest.present)} stays."
        return Advice(backtest.present, "cannot tell", said, (), price)
    advised = beside.chosen(price)
    word = beside.word(advised)
    told = *remarks(beside, advised, price), *tried_before(backtest, price)
    return Advice(advised.policy, word, sentence(beside, advised, word, price), told, price)


def sentence(beside: Comparison, advised: Figures, word: str, price: float | None) -> str:
    """The advice and its reason."""
    heads = {
        "keep": f"Keep {named(advised.policy)}",
        "never": f"Do not retrain ({named(advised.policy)})",
        "less often": f"Retrain less often, by {named(advised.policy)}",
        "more often": f"Retrain more often, by {named(advised.policy)}",
        "another way": f"Retrain as often, by {named(advised.policy)}",
    }
    other = beside.rival(advised, price)
    subject, its = (other, advised) if word == "keep" else (advised, other)
    said = [kept(beside, subject, its), retrains(subject, its), costs(subject, its, price)]
    who = f"{named(subject.policy)}, the next," if word == "keep" else "it"
    return f"{heads[word]}: {who} {', '.join(filter(None, said))}; {proof(beside, subject, its)}."


def kept(beside: Comparison, subject: Figures, other: Figures) -> str:
    """Which share of the other's gain it keeps, or how far its loss lies from the other's where none is shown."""
    never = beside.never
    if never and subject.retrains and other.retrains:
        share = beside.losses.gain_kept(subject.policy, other.policy, never.policy)
        if share:
            between = f"between {share.low:.0%} and {share.high:.0%}"
            return f"keeps {share.mean:.0%} of what {named(other.policy)} gains over never retraining ({between})"
    found = beside.losses.difference(subject.policy, other.policy)
    scale = abs(other.mean)
    if found is None or not scale:
        return f"has a loss of {subject.mean:.4g}, and {named(other.policy)} of {other.mean:.4g}"
    where = "above" if found.mean >= 0 else "below"
    between = f"between {found.low / scale:+.1%} and {found.high / scale:+.1%}"
    return f"has a loss {abs(found.mean) / scale:.1%} {where} that of {named(other.policy)} ({between})"


def costs(subject: Figures, other: Figures, price: float | None) -> str:
    """What that comes to at a price."""
    if price is None:
        return ""
    ours, its = amount(subject.total(price)), amount(other.total(price))
    return f"and comes to {ours} in all at a price of {amount(price)} a retrain, {named(other.policy)} to {its}"


def proof(beside: Comparison, subject: Figures, other: Figures) -> str:
    """Whether the difference of loss is more than chance, at a confidence that all comparisons share."""
    found = beside.losses.difference(subject.policy, other.policy, beside.confidence)
    blocks = f"on {len(beside.losses.blocks):,} blocks"
    if found is None or found.low <= 0 <= found.high:
        return f"the difference of loss from {named(other.policy)} is not proven {blocks}"
    side = "higher" if found.low > 0 else "lower"
    return f"that its loss is {side} than that of {named(other.policy)} is proven {blocks}"


def remarks(beside: Comparison, advised: Figures, price: float | None) -> Iterator[str]:
    """What else to know: how many may be the best, and whether a model is worth having at all."""
    left = [named(one.policy) for one in beside.allowed if one.policy not in beside.worse]
    many = f"{len(left)} of {len(beside.allowed)} policies are not shown worse than another ({', '.join(left)})"
    if price is None:
        near = ", ".join(named(one.policy) for one in beside.near)
        yield (
            f"{many}, at a confidence of {CONFIDENCE:.0%} that all comparisons share; as good as that of the lowest "
            f"loss, as far as anybody can tell: {near}. Of these the one with the fewest retrains is advised; a price "
            "decides better"
        )
    elif len(left) > 1:
        yield f"{many}: the one that looks best of many looks better than it will be"
    for policy in sorted(beside.barred):
        found = beside.losses.difference(policy, advised.policy)
        if found and found.high < 0:
            less = -found.mean / abs(advised.mean)
            yield f"{policy}, which has no gate, has a loss {less:.1%} below: look at what the gate refuses"
    known = {one.policy for one in beside.found}
    for baseline in beside.losses.of:
        if baseline not in known and beside.losses.total(baseline) <= advised.loss:
            yield f"the baseline '{baseline}' loses no more than {named(advised.policy)}: look at the model first"


def tried_before(backtest: Backtest, price: float | None) -> Iterator[str]:
    """What the same rule would have advised by the first half of the blocks, and what that came to in the second."""
    blocks = policy_losses(backtest).blocks
    middle = blocks[len(blocks) // 2]
    early, late = (compared(part(backtest, middle, after=after)) for after in (False, True))
    if len(early.losses.blocks) < FEWEST:
        return
    chosen = early.chosen(price).policy
    said = f"by the first half of the blocks alone, the advice would have been {named(chosen)}"
    if chosen != backtest.present:
        then, present = late.of(chosen), late.of(backtest.present)
        apart = (then.loss - present.loss) / abs(present.loss or 1.0)
        said += f"; in the second half its loss was {apart:+.1%} beside that of {named(backtest.present)}, for "
        said += f"{_times(then.retrains)} instead of {present.retrains:,}"
    yield said


def retrains(subject: Figures, other: Figures) -> str:
    """For how many of the other's retrains."""
    if not other.retrains or not subject.retrains:
        return f"for {_times(subject.retrains)} instead of {other.retrains or 'none'}"
    share = subject.retrains / other.retrains
    often = f"{share:.0%} of" if share < 2 else f"{share:.1f} times"
    return f"for {often} its retrains ({subject.retrains:,} and {other.retrains:,})"


def named(policy: str) -> str:
    """A policy's name in a sentence.

    Example:
        >>> named("present"), named("monthly")
        ('the present policy', 'monthly')
    """
    return "the present policy" if policy == "present" else policy


def amount(value: float) -> str:
    """A sum of losses, with the digits that are worth reading.

    Example:
        >>> amount(15180.4), amount(0.04256)
        ('15,180', '0.04256')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _times(retrains: int) -> str:
    return f"{retrains:,} retrains" if retrains != 1 else "1 retrain"
