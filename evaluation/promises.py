"""What the gate announces of a promotion: the change that is to be expected next, and not the one that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from db.verdict_records import PromiseRecord

Floats = NDArray[np.floating]

START = 0.03  # before anything is known: how far changes lie from 0, how much they vary, and how wrong a point is
SPREADS = np.geomspace(1e-4, 1.0, 61)
POOLED = 8  # degrees of freedom that the errors of earlier points are worth, at most
GAPS = 3  # known promises without which no gap is systematic
CALIBRATED = 10  # known promises from which on they, and no formula, say how wide the interval is
STEP = 0.05  # by which one promise moves the level of the interval


@dataclass(frozen=True)
class Announcement:
    """What is promised of the next blocks: a relative change of the mean loss, and its interval."""

    delta: float
    low: float
    high: float


def announce(  # noqa: PLR0913 - the first three are of this challenger, the named ones of all before it
    point: float,
    error: float,
    blocks: int,
    *,
    earlier: Sequence[tuple[float, float]],
    book: Sequence[PromiseRecord],
    confidence: float,
) -> Announcement:
    """What the next blocks are to bring, if this challenger is promoted: less than its proving window showed.

    Whoever is promoted for the best point was lucky, too. So the point is shrunk towards what challengers have brought
    so far, by as much as it is noise (`expected`). If promises turned out too good, or too bad, beyond chance, this one
    is moved by their gap; and from ten known promises on, it is they who say how wide the interval is (`kept`).

    Args:
        point: relative change of the mean loss on the proving window.
        error: its standard error.
        blocks: time blocks of the proving window; as many are taken to come.
        earlier: point and error of every earlier evaluation, of rejected challengers too: luck did not choose those.
        book: earlier promises, oldest first.
        confidence: how often the interval is to hold the change that comes.

    Example:
        >>> first = announce(-0.08, 0.03, 4, earlier=[], book=[], confidence=0.9)
        >>> print(f"{first.delta:+.1%}, between {first.low:+.1%} and {first.high:+.1%}")
        -5.7%, between -15.2% and +3.7%
    """
    from scipy.special import stdtrit  # scipy.stats imports ten times as long

    past = np.array([pair for pair in earlier if np.isfinite(pair).all()]).reshape(-1, 2)
    variance, degrees = noise(error, blocks, past[:, 1])
    mean, spread = expected(point, variance, past[:, 0])
    gap, wider = kept(book, confidence)
    reach = wider * float(stdtrit(degrees, 0.5 + confidence / 2) * np.sqrt(spread + variance))
    delta = max(mean - gap, -1.0)
    return Announcement(delta, max(delta - reach, -1.0), delta + reach)


def noise(error: float, blocks: int, earlier: Floats) -> tuple[float, float]:
    """The error variance of a point and its degrees of freedom: that of few blocks leans on those of earlier points.

    The own one counts for as many degrees as blocks, less one; earlier ones for one each, up to eight in all. START
    counts for less, the more there are of them. See Smyth, "Linear models and empirical Bayes methods for assessing
    differential expression" (2004), for errors that lean on each other.
    """
    own = max(blocks - 1, 0) if np.isfinite(error) else 0
    pooled = min(len(earlier), POOLED)
    known = own + pooled
    start = 1 / (1 + known)
    total = (
        start * START**2 + (own * error**2 if own else 0.0) + (pooled * float(np.mean(earlier**2)) if pooled else 0.0)
    )
    return total / (start + known), start + known


def expected(point: float, variance: float, earlier: Floats) -> tuple[float, float]:
    """Mean and variance of a true change, given its point and those of earlier challengers.

    True changes are normal around a mean; points vary around true changes by their error, so that the variance of the
    points is that of the changes and that of the errors together (Efron and Morris, "Data analysis using Stein's
    estimator and its generalizations", 1975). Three points say next to nothing of how much changes vary, therefore that
    is averaged over what it may be, with a half-Cauchy prior, which shrinks small changes and leaves large ones alone
    (Gelman, "Prior distributions for variance parameters in hierarchical models", 2006); the mean's prior is normal
    around 0. The scale of both is START, and they are all that the first challenger is judged by.
    """
    marginal = SPREADS**2 + variance
    precision = 1 / START**2 + len(earlier) / marginal
    centre = earlier.sum() / marginal / precision
    ahead = 1 / precision + SPREADS**2
    weight = np.log(SPREADS) - np.log1p((SPREADS / START) ** 2)  # the prior, on a grid of logarithms
    weight -= (len(earlier) * np.log(marginal) + (earlier**2).sum() / marginal - centre**2 * precision) / 2
    weight -= (np.log(precision) + np.log(ahead + variance) + (point - centre) ** 2 / (ahead + variance)) / 2
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    trust = ahead / (ahead + variance)
    means = centre + trust * (point - centre)
    mean = float(weight @ means)
    return mean, float(weight @ (trust * variance + (means - mean) ** 2))


def kept(book: Sequence[PromiseRecord], confidence: float) -> tuple[float, float]:
    """How promises were kept: their systematic gap (announced minus came), and how much wider an interval has to be.

    The gap is shrunk towards 0 by the share of its square that is chance (James and Stein, "Estimation with quadratic
    loss", 1961, its positive part). The width is a quantile of how far off promises were, in widths, at a level that
    moves after each one, held or not: adaptive conformal inference (Gibbs and Candès, "Adaptive conformal inference
    under distribution shift", 2021). A promise was announced with the gap and the width of its time: these are taken
    out again, promise by promise.
    """
    gaps, widths, level = list[float](), list[float](), 1 - confidence
    gap, wider = 0.0, 1.0
    for promise in book:
        if promise.came is None or promise.announced is None or promise.high is None:
            continue
        if len(gaps) >= CALIBRATED:
            level += STEP * (1 - confidence - (not promise.held))
        gaps.append(promise.announced + gap - promise.came)
        widths.append(max((promise.high - promise.announced) / wider, 1e-6))
        gap = systematic(np.array(gaps))
        if len(gaps) >= CALIBRATED:
            wider = width(np.abs(np.array(gaps) - gap) / widths, level)
    return gap, wider


def in_a_sentence(book: Sequence[PromiseRecord]) -> str:
    """How many promises held, of those of which it is known, and what they came to."""
    known = [(p.held, p.announced, p.came) for p in book if p.held is not None]
    if not known:
        return "whether any held is not known yet"
    held, announced, came = np.array(known, float).mean(axis=0)
    return f"{held * len(known):.0f} of {len(known)} held; announced {announced:+.1%} on average, came {came:+.1%}"


def systematic(gaps: Floats) -> float:
    """The part of the mean gap that is not chance."""
    if len(gaps) < GAPS:
        return 0.0
    mean, variance = float(gaps.mean()), float(gaps.var(ddof=1)) / len(gaps)
    return mean * max(0.0, 1 - variance / mean**2) if mean else 0.0


def width(off: Floats, level: float) -> float:
    """How wide an interval has to be, so that all but a share `level` of promises, so far off, had been held."""
    share = (1 - level) * (1 + 1 / len(off))
    return max(float(np.quantile(off, min(max(share, 0.0), 1.0), method="higher")), 1e-3)
