"""The rule "proven": evidence that goes on from run to run, and that a repeated look costs nothing of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import RuleVerdict

if TYPE_CHECKING:
    from learning.spec import Gate

Floats = NDArray[np.floating]

LARGEST = 1e300  # stands for a gain that is infinite
AGAINST = 0.5  # size of the block that is imagined against every challenger, in largest gains so far
SHOWN = 99_999.9  # evidence beyond which no one reads digits


@dataclass(frozen=True)
class Look:
    """One proving block, as a challenger of this champion was judged on it.

    Args:
        block: start of the time block.
        rows: labelled rows in it.
        champion_loss: the champion's mean loss on them.
        challenger_loss: the challenger's.
    """

    block: datetime
    rows: int
    champion_loss: float
    challenger_loss: float


def e_values(gains: Floats) -> Floats:
    """The evidence after each block that the mean gain is above 0, shape (..., blocks) like the gains.

    It is the Bayes factor of a mean of half-normal size, in units of the unknown standard deviation, against a mean of
    0, with the right Haar prior on that deviation; so the unit of the gains does not matter. By Ville's inequality it
    reaches 1/a with a chance of at most a, however often and whenever one looks. That is exact for independent normal
    gains of equal variance and a mean of 0, and holds for any constant mean below 0, since adding a constant to every
    gain raises the factor. See Lai, "On confidence sequences" (1976); Pérez-Ortiz, Lardy, de Heide and Grünwald,
    "E-statistics, group invariance and anytime-valid testing" (2024); Wang and Ramdas, "Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance" (2024).

    For other gains it is approximate, and most wrong where a challenger gains a little in most blocks and loses much
    in a few that have not come yet. Therefore half a block is imagined against it, of the largest size that was seen;
    this can only lower a factor above 1. What is left of the error is in the tests: over 100 looks at a stated rate of
    10 %, about 2 % of lines without a gain are proven if gains are normal, 1 % if Student's t of 3 degrees, 7 to 9 % if
    their skewness is -1 to -1.75; but 14 % at the -2 of an exponential.

    Example:
        >>> print(e_values(np.array([1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.1, 0.9])).round(1))
        [  0.9   1.3   2.    3.8   7.5  16.7  41.8 104.6]
    """
    blocks = np.arange(1, gains.shape[-1] + 1)
    finite = np.nan_to_num(gains, nan=-LARGEST, posinf=LARGEST, neginf=-LARGEST)
    largest = np.abs(finite).max(axis=-1, keepdims=True, initial=0.0)
    scaled = finite / np.where(largest > 0, largest, 1.0)  # so that no square overflows
    against = AGAINST * np.maximum.accumulate(np.abs(scaled), axis=-1)
    total = scaled.cumsum(axis=-1) - against
    squares = (scaled**2).cumsum(axis=-1) + against**2
    return np.exp(np.minimum(_log_factor(total, squares, blocks), 700.0))


def _log_factor(total: Floats, squares: Floats, blocks: NDArray[np.integer]) -> Floats:
    """The logarithm of the Bayes factor, which half-normal size and Haar prior leave in closed form."""
    from scipy.special import stdtr  # scipy.stats imports ten times as long

    share = total / np.sqrt(np.where(squares > 0, squares * (1 + blocks), 1.0))
    left = 1 - np.minimum(share**2, blocks / (1 + blocks))  # Cauchy and Schwarz, whatever was rounded
    tail = stdtr(blocks, share * np.sqrt(blocks / left))
    return np.asarray(np.log(2) - (np.log1p(blocks) + blocks * np.log(left)) / 2 + _log(tail))


def _log(tail: Floats) -> Floats:
    """The logarithm, also of a chance too small for a float: with it the whole factor is as good as 0."""
    return np.asarray(np.log(tail, where=tail > 0, out=np.full_like(tail, -np.inf)))


def e_value(gains: Sequence[float]) -> float:
    """The evidence of all blocks together that the mean gain is above 0; 1 before the first (see `e_values`)."""
    return float(e_values(np.asarray(gains, float))[-1]) if len(gains) else 1.0


def proven(looks: Iterable[Look], gate: Gate, *, relative: bool = False) -> RuleVerdict:
    """Whether this champion's line of challengers is proven better, by every block that one of them was judged on.

    A block counts once, as it was first looked at: later challengers have learned from it. Blocks of fewer than
    `min_rows` rows are joined with those that follow. Gain is what is left over `min_gain` of the champion's loss.

    Args:
        looks: in the order in which they were taken.
        gate: has the confidence, the least gain and the fewest rows. Where events are rare, `min_rows` has to be so
            large that a block holds some: of 0.1 % positives, blocks of 200 rows "prove" whoever understates the risk.
        relative: whether the gain of a block is by the losses of that block, as it is of numbers: where a few rows have
            almost all of the loss, a day with one of them would otherwise be all that counts. A gain of 20 % is proven
            about twice as often then, and none beyond the stated rate (`benchmarks/gate_tails.py`).
    """
    first: dict[datetime, Look] = {}
    for look in looks:
        first.setdefault(look.block, look)
    gains = list(block_gains(first.values(), gate, relative=relative))
    evidence, needed = e_value(gains), 1 / (1 - gate.confidence)
    words = "proven" if evidence >= needed else "not proven yet"
    shown = math.floor(10 * min(evidence, SHOWN) * (1 + 1e-9)) / 10  # never rounded up to what is needed
    return RuleVerdict(
        "proven",
        evidence >= needed,
        f"{words}: evidence {shown:,} of {needed:,.4g} over {len(gains)} block{'s' * (len(gains) != 1)}"
        + ", each by its own loss" * relative,
    )


def block_gains(looks: Iterable[Look], gate: Gate, *, relative: bool = False) -> Iterator[float]:
    """By how much the mean loss of each block, or of small ones together, fell beyond the least gain.

    Relative gains are by the mean of both losses, so that to be twice as good counts as much as to be twice as bad.
    """
    rows, gain, size = 0, 0.0, 0.0
    for look in looks:
        rows += look.rows
        gain += look.rows * (look.champion_loss * (1 - gate.min_gain) - look.challenger_loss)
        size += look.rows * (look.champion_loss + look.challenger_loss) / 2
        if rows >= gate.min_rows:
            yield gain / (max(size, 1e-300) if relative else rows)
            rows, gain, size = 0, 0.0, 0.0
