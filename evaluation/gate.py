"""The gate: champion and challenger on the same rows, in pairs, that neither has learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import EvaluationMetric, RuleVerdict
from errors import NotEnoughData
from evaluation.bounds import kept
from evaluation.comparison import CANNOT_TELL, ERA, NEW, NEWEST, NOT_COUNTED, PROVING, SLICE, SUSPECT, Compared, Losses
from evaluation.decisive import decisive
from evaluation.losses import NO_PREDICTION, predicted
from evaluation.multiplicity import compare_all
from evaluation.paired import Paired, parts
from evaluation.promises import Announcement
from evaluation.rules import lacking, verdicts
from evaluation.sequential import Look
from evergreen_client.shown import said

if TYPE_CHECKING:
    from learning.objectives import Objective
    from learning.spec import Gate

__all__ = ["NAMED", "NEWEST", "PROVING", "Announce", "Paired", "Verdict", "judge"]

Announce = Callable[[float, float, int], Announcement]

UNPREDICTED = "no prediction"  # the verdict on a challenger without one
NAMED = 80  # characters of a slice's name in a sentence: it holds a category, which may be of any length
NO_VERSIONS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Verdict:
    """What the gate says, with a sentence for people and every figure behind it.

    Args:
        passed: whether the challenger may take the champion's place.
        reason: why.
        metrics: every figure; the one that decided stands first.
        rules: what each rule says of the rows that are new.
        announced: relative change of the mean loss that is promised for what comes next; None without a promise.
        announced_low: lower end of its interval.
        announced_high: upper end.
        blocked: whether it would have passed on what is new, and was refused for an era or a slice.
    """

    passed: bool
    reason: str
    metrics: tuple[EvaluationMetric, ...]
    rules: tuple[RuleVerdict, ...] = ()
    announced: float | None = None
    announced_low: float | None = None
    announced_high: float | None = None
    blocked: bool = False

    @property
    def harmful(self) -> bool:
        """Shown to be worse where it decides, or without a prediction there: more than not shown to be better."""
        newest = [m for m in self.metrics if m.dataset == self.metrics[0].dataset and not m.slice]
        return any(m.verdict in {"worse", UNPREDICTED} for m in newest)


def judge(  # noqa: PLR0913 - all that a verdict depends on, and the most of it optional
    paired: Paired,
    objective: Objective,
    gate: Gate,
    *,
    looks: Sequence[Look] = (),
    uncounted: frozenset[str] = frozenset(),
    against: Mapping[str, int] = NO_VERSIONS,
    announce: Announce | None = None,
) -> Verdict:
    """Let the challenger pass if the gate's rule says so of what is new, and no harm is shown elsewhere.

    A challenger that gives no prediction (NaN, infinite) of a single row does not pass, whatever its losses are; a
    champion that gives none loses that row (`paired_losses`). Then:

    * the proving window or, where there is none, the held-out entities of what is new: by the rule (`rules.verdicts`);
    * past eras, against the reference, and slices, against the champion: a veto where the whole interval lies above
      the margin, max_forgetting of the loss before and a hundredth of a constant's. To rule harm out, instead of
      showing it, would refuse every challenger on small eras. The intervals of all eras hold together, and those of
      all slices (Holm 1979), so that many of them are no more likely to refuse an equal challenger;
    * slices that were found, of which harm is told and vetoes nothing: name the column in Gate(slices=...) for that.

    Where there are fewer rows or events than the gate asks for, or a single cluster, the word is "cannot tell".

    Args:
        paired: the rows.
        objective: gives the loss of each.
        gate: the rules.
        looks: the blocks on which earlier challengers of the same champion were proven, oldest first.
        uncounted: eras that veto nothing, since the world turned after them.
        against: era to the number of the version that the reference predictions are of.
        announce: from a relative change, its standard error (infinite of a single block) and the number of blocks to
            what may be promised of the next ones.

    Raises:
        NotEnoughData: not one labelled row.
    """
    paired = paired.weighing()
    if not len(paired.target):
        raise NotEnoughData("0 labelled rows", "champion and challenger cannot be compared", "wait for labels")
    everywhere = parts(paired, objective, uncounted, against)
    compared = compare_all(everywhere, objective.loss_name, gate)
    window = compared[0] if compared[0].losses.kind == NEW else None
    by_figure = decisive(paired, window.losses, objective, gate) if window else None
    rules = verdicts(window, looks, gate, by_figure)
    own = tuple(kept(paired, window, objective, gate, lacking(window, gate)))
    decides = next(rule for rule in rules if rule.rule == gate.rule)
    passed, reason, blocked = conclusion(paired, compared, decides, own)
    found = tuple(figures(paired, compared, objective, by_figure))
    verdict = Verdict(passed, reason, found, (*rules, *own), blocked=blocked)
    if announce is None or window is None or window.losses.lacking(gate):
        return verdict
    known = window.interval
    promised = announce(window.figure.delta, known.error if known else math.inf, known.clusters if known else 1)
    return replace(verdict, announced=promised.delta, announced_low=promised.low, announced_high=promised.high)


def conclusion(
    paired: Paired, compared: Sequence[Compared], rule: RuleVerdict, own: Sequence[RuleVerdict] = ()
) -> tuple[bool, str, bool]:
    """Whether the challenger passes, why, and whether it would have by the gate's rule on what is new alone."""
    lost = int((~predicted(paired.challenger_prediction)).sum())
    if lost:
        return False, f"no prediction (NaN or infinite) of {lost:,} of {len(paired.target):,} labelled rows", False
    lost = int((~predicted(paired.champion_prediction)).sum())
    aside = f"; the champion gave no prediction (NaN or infinite) of {lost:,} rows" if lost else ""
    vetoes = [c for c in compared if c.figure.verdict in {"forgotten", "harmed"}]
    broken = "; ".join(f"rule '{one.rule}' {one.reason}" for one in own if not one.passed)
    if not rule.passed:
        return (
            False,
            rule.reason + (f"; {broken}" if broken and not rule.reason.startswith(CANNOT_TELL) else "") + aside,
            False,
        )
    if not vetoes and broken:
        return False, f"{broken}, although {rule.reason}{aside}", True
    if not vetoes:
        return True, rule.reason + elsewhere(compared) + aside, False
    worst = max(vetoes, key=lambda c: c.figure.ci_low or 0.0)
    where = said(worst.figure.slice or worst.figure.dataset, NAMED)
    aside = f"{aside}; {broken}" if broken else aside
    return False, f"{worst.figure.verdict} on {where} ({worst.change}), although {rule.reason}{aside}", True


def elsewhere(compared: Sequence[Compared]) -> str:
    """That nothing was shown on past eras and slices, and of how many of them that says nothing."""
    said_of = []
    for kind in (ERA, SLICE):
        verdicts = [c.figure.verdict for c in compared if c.losses.kind == kind]
        unsure = [f"{n} {word}" for word in (CANNOT_TELL, NOT_COUNTED) if (n := verdicts.count(word))]
        if verdicts:
            said_of.append(
                f"{len(verdicts)} {kind}{'s' * (len(verdicts) != 1)}" + f" ({', '.join(unsure)})" * bool(unsure)
            )
    suspects = [c for c in compared if c.figure.verdict == SUSPECT]
    told = "".join(f"; suspect, though no veto: {said(c.figure.slice, NAMED)} ({c.change})" for c in suspects)
    return (f"; no harm shown on {' and '.join(said_of)}" if said_of else "") + told


def figures(
    paired: Paired, compared: Sequence[Compared], objective: Objective, by_figure: Compared | None = None
) -> Iterator[EvaluationMetric]:
    """Of each dataset and slice the loss; of datasets also the rows without a prediction, and what people ask for.

    The figure that decides stands first, and once.
    """
    if by_figure:
        yield by_figure.figure
    missing = ~predicted(paired.champion_prediction), ~predicted(paired.challenger_prediction)
    there = predicted(paired.earlier_prediction) & ~missing[1]
    for one in compared:
        yield one.figure
        if not one.losses.slice:
            rows = one.losses.rows
            yield from unpredicted(one.losses, missing[0][rows], missing[1][rows])
            decided = by_figure.figure.metric if by_figure and one is compared[0] else ""
            others = other_figures(one.losses, paired, rows & there, objective)
            yield from (other for other in others if other.metric != decided)


def unpredicted(
    losses: Losses, champion: NDArray[np.bool_], challenger: NDArray[np.bool_]
) -> Iterator[EvaluationMetric]:
    """For how many rows of a dataset there was no prediction, if for any."""
    before, after = int(champion.sum()), int(challenger.sum())
    if before or after:
        word = UNPREDICTED if after else "shown"
        yield EvaluationMetric(
            losses.dataset, "", NO_PREDICTION, len(champion), before, after, after - before, None, None, word
        )


def other_figures(
    losses: Losses, paired: Paired, rows: NDArray[np.bool_], objective: Objective
) -> Iterator[EvaluationMetric]:
    """The figures people ask for beside the loss, of rows that both predict; shown, and never decisive."""
    if not rows.any():
        return
    weight = () if paired.weight is None else (paired.weight[rows],)
    before = objective.metrics(paired.target[rows], paired.earlier_prediction[rows], *weight)
    after = objective.metrics(paired.target[rows], paired.challenger_prediction[rows], *weight)
    for name in before:
        if name != objective.loss_name:
            yield EvaluationMetric(
                dataset=losses.dataset,
                slice="",
                metric=name,
                rows=int(rows.sum()),
                champion_value=before[name],
                challenger_value=after[name],
                delta=after[name] - before[name],
                ci_low=None,
                ci_high=None,
                verdict="shown",
                against=losses.against,
            )
