"""What earlier trials of a model say, from the registry's records: looks, changes, and challengers that were stuck."""

from __future__ import annotations

from collections import defaultdict
from itertools import takewhile
from typing import TYPE_CHECKING

from evaluation.gate import PROVING
from evaluation.sequential import Look

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from db.verdict_records import BlockLossRecord, EvaluationRecord

STUCK_AFTER = 3  # challengers in a row that were better on what is new, and refused for what they do elsewhere
MOST_STUCK = 30  # verdicts that are looked through for it


def looks(losses: Iterable[BlockLossRecord], champion: int, challengers: Sequence[int]) -> tuple[Look, ...]:
    """The time blocks on which challengers of one champion were tried, each as it was first looked at.

    Args:
        losses: the model's block losses.
        champion: number of the champion.
        challengers: numbers of those that were tried against it, oldest first.
    """
    of_champion: dict[tuple[str, datetime], BlockLossRecord] = {}
    of_challenger: dict[tuple[str, datetime], BlockLossRecord] = {}
    for one in sorted(losses, key=lambda loss: loss.number):
        if one.number == champion and not one.proving:
            of_champion[one.partition, one.block] = one
        elif one.proving and one.number in challengers:
            of_challenger.setdefault((one.partition, one.block), one)
    sums: dict[datetime, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for key in sorted(of_champion.keys() & of_challenger.keys()):
        before, after = of_champion[key], of_challenger[key]
        sums[key[1]][0] += after.rows
        sums[key[1]][1] += after.rows * before.loss
        sums[key[1]][2] += after.rows * after.loss
    return tuple(Look(block, int(rows), a / rows, b / rows) for block, (rows, a, b) in sorted(sums.items()))


def earlier_changes(
    evaluations: Sequence[EvaluationRecord], confidence: float, loss_name: str | None = None
) -> tuple[tuple[float, float], ...]:
    """The changes that earlier proving windows showed, promoted or not, each with its standard error.

    They are changes of the loss, whatever figure decided: `loss_name` tells it from others that have an interval. Its
    upper half says how wide the interval is, as the lower one ends where a loss is 0.
    """
    from scipy.special import stdtrit

    shown = [m for e in evaluations for m in e.metrics if m.dataset == PROVING and not m.slice]
    found = [m for m in shown if m.ci_low is not None and loss_name in {None, m.metric}]
    return tuple(
        (m.delta, float((m.ci_high - m.delta) / stdtrit(max(m.blocks - 1, 1), 0.5 + confidence / 2)))
        for m in found
        if m.blocks and m.ci_high is not None
    )


def stuck(evaluations: Sequence[EvaluationRecord], champion: int) -> int:
    """How many challengers of a champion in a row, up to the newest, were better on what is new and refused.

    Args:
        evaluations: the model's, newest first.
        champion: number of the champion.
    """
    return sum(1 for _ in takewhile(lambda e: e.blocked and e.champion == champion, evaluations))
