"""The live losses of several policies on the same blocks: their differences, and what is known of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Interval, mean_interval
from evaluation.jackknife import jackknife

if TYPE_CHECKING:
    from evaluation.backtests import Backtest, BlockScore

Floats = NDArray[np.floating[Any]]

CONFIDENCE = 0.9  # of every interval, as a gate has it by default
STRETCHES = 10  # stretches of time that count as observations
FEWEST = 8  # blocks below which nothing is advised


@dataclass(frozen=True)
class PolicyLosses:
    """Mean losses, block by block.

    Blocks that lie near each other are alike: what a policy misses on one day it misses on the next. Taken for
    independent, days whose differences correlate by 0.8 from one to the next give 90 % intervals that hold in 40 of 100
    cases; ten stretches of them give such that hold in 87 (method of batch means; Schmeiser, "Batch size effects in the
    analysis of simulation output", 1982).

    Args:
        blocks: start of each block that all policies were scored on, in order.
        rows: labelled rows of each, shape (blocks,).
        of: policy or baseline to its mean losses, each of shape (blocks,).
    """

    blocks: tuple[datetime, ...]
    rows: Floats
    of: Mapping[str, Floats]

    def total(self, policy: str) -> float:
        """The summed loss of all rows."""
        return float(np.sum(self.rows * self.of[policy]))

    def mean(self, policy: str) -> float:
        """The mean loss of all rows."""
        return self.total(policy) / float(self.rows.sum()) if len(self.blocks) else math.nan

    def difference(
        self, policy: str, other: str, confidence: float = CONFIDENCE, until: int | None = None
    ) -> Interval | None:
        """By how much a policy's mean loss is above another's, on all blocks or the first ones; None of too few."""
        values = (self.of[policy] - self.of[other])[:until]
        if len(values) < FEWEST or not np.isfinite(values).all():
            return None
        found = mean_interval(values, [stretches(len(values))], confidence, self.rows[:until])
        least = -float(np.average(self.of[other][:until], weights=self.rows[:until]))
        return found.from_at_least(least) if found else None

    def gain_kept(self, policy: str, other: str, never: str, confidence: float = CONFIDENCE) -> Interval | None:
        """Which share of another's gain over never retraining a policy keeps; None where no gain is shown."""
        gain = self.difference(other, never)
        if gain is None or gain.high >= 0 or not np.isfinite(self.of[policy]).all():
            return None

        def share(kept: NDArray[np.bool_]) -> float:
            rows = self.rows[kept]
            gained = (self.of[never] - self.of[policy])[kept] @ rows, (self.of[never] - self.of[other])[kept] @ rows
            return float(gained[0] / gained[1])

        return jackknife(share, len(self.blocks), [stretches(len(self.blocks))], confidence)


def stretches(blocks: int) -> NDArray[np.int64]:
    """The stretch of time that each of so many blocks belongs to.

    Example:
        >>> stretches(12).tolist()
        [0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    """
    return np.arange(blocks) * min(blocks, STRETCHES) // max(blocks, 1)


def policy_losses(backtest: Backtest) -> PolicyLosses:
    """What all policies and baselines of a backtest lost on the blocks that every one of them was scored on.

    Example:
        >>> from evaluation.backtests import Backtest, BlockScore, PolicyResult
        >>> day = datetime(2013, 3, 1)
        >>> scores = (BlockScore(day, 10, 0.2, 1), BlockScore(day, 30, 0.6, 2))
        >>> found = policy_losses(Backtest("flights", "weekly", (PolicyResult("weekly", {}, scores, ()),), {}, ()))
        >>> found.rows.tolist(), round(found.mean("weekly"), 3)
        ([40.0], 0.5)
    """
    scores: dict[str, Iterable[BlockScore]] = {one.policy: one.scores for one in backtest.policies}
    found = {name: _by_block(of) for name, of in {**backtest.baselines, **scores}.items()}
    present = found.get(backtest.present, {})
    blocks = sorted(set(present).intersection(*found.values()))
    rows = np.array([present[block][0] for block in blocks])
    return PolicyLosses(
        tuple(blocks), rows, {name: np.array([of[block][1] for block in blocks]) for name, of in found.items()}
    )


def _by_block(scores: Iterable[BlockScore]) -> dict[datetime, tuple[float, float]]:
    """Rows and mean loss of each block, which may have come in parts; a loss that is no number is above all others."""
    sums: dict[datetime, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in scores:
        if one.rows:
            sums[one.block][0] += one.rows
            sums[one.block][1] += one.rows * (one.loss if math.isfinite(one.loss) else math.inf)
    return {block: (rows, loss / rows) for block, (rows, loss) in sums.items()}


def shown_worse(losses: PolicyLosses, policies: Iterable[str]) -> dict[str, str]:
    """The policies that are shown worse than another one, each with that one.

    The best of many looks better than it is, so nothing is compared with it alone. Each policy is held against every
    other, with 1/(m - 1) of the chance of error (the first step of Holm 1979, as in `evaluation/multiplicity.py`): the
    one that is truly best is then named here with that chance in all, however many there are (multiple comparisons with
    the best, Hsu 1984). What is not named may be the best; that it is, nobody has shown.
    """
    names = list(policies)
    confidence = 1 - (1 - CONFIDENCE) / max(len(names) - 1, 1)
    found = {}
    for policy in names:
        others = [other for other in names if other != policy and math.isfinite(losses.total(other))]
        lost = not math.isfinite(losses.total(policy))
        better = [other for other in others if lost or _above(losses.difference(policy, other, confidence))]
        if better:
            found[policy] = min(better, key=losses.total)
    return found


def _above(found: Interval | None) -> bool:
    return found is not None and found.low > 0
