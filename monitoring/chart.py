"""When the world turned: a control chart over the live losses of time blocks, and what chance would make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import Rare

Floats = NDArray[np.floating]

BASE = 5  # units without which no one knows how much losses vary: of weeks, five have a month in them
LONGEST = 52  # units that a new one is compared with: of a year, where they are weeks
UNIT_BLOCKS, UNIT_TIME = 7, timedelta(days=7)  # arrivals are one unit until they have so many blocks, or span so long
OUTLIER, MAD = 3, 1.4826  # deviations above the median that a block can count for, and the latter per absolute one
WINDOWS = (2, 4, 8)  # units that are looked at together, for a rise too small to be seen in one
BREAKS, WARNINGS = 0.2, 2.0  # false alarms that a quiet year may have at most; measured, it has about a third of that
YEAR, SHORTEST = timedelta(days=365.25), timedelta(minutes=1)
NOTICED = 0.01  # least rise of the loss, relative, that counts, however little it varied before
RARE = 10  # rare rows of a unit, at least, that came or were expected: a count of ten varies by a third by chance
KNOWN = 70  # blocks, the oldest, that say whether rare rows are fewer than blocks; of fewer, nobody knows
FEWEST = 5  # blocks without which no one knows how much they vary
NEAR_ZERO = 0.05  # of the usual loss, added before the logarithm: else a loss of nearly 0 would be a world apart
NONE_WORSE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class LiveLoss:
    """The mean loss of the version in production on the rows of one time block, before anything learned from them.

    Args:
        block: start of the block.
        arrival: names what arrived together.
        rows: how many rows the block has.
        loss: their mean loss; one that is not finite is above every limit.
        version: number of the version that served them.
        rare: rows of another class than the usual one; None of numbers, or if unknown.
    """

    block: datetime
    arrival: str
    rows: int
    loss: float
    version: int
    rare: Rare | None = None


@dataclass(frozen=True)
class Rarity:
    """How rare losses are, if nothing changed.

    Args:
        a_year: how often chance alone shows the like, in a year of such arrivals.
        since: place of the first block that is meant.
        limit: the loss that the better half of the newest blocks, or their mean, exceeds only in a break.
    """

    a_year: float
    since: int
    limit: float


@dataclass(frozen=True)
class Break:
    """Where losses left what chance explains.

    Args:
        since: place of the first block.
        seen: the arrival that showed it.
        first: the first arrival that was compared with; those up to the break are what was usual before it.
    """

    since: int
    seen: int
    first: int


class Chart:
    """Live losses as units that can be compared.

    A unit is an arrival, or, where arrivals are small, the newest ones that have seven blocks or span a week together.
    It is compared with the units before it, not with their blocks: blocks of one unit share weather, weekdays and
    hours, and how much whole units vary says how much of that is chance. Losses are compared as logarithms, since those
    that vary do so in proportion.

    A unit has ten rare rows as well, that came or were expected: without any, whoever expects fewest of them loses
    least. Where there are fewer of them than blocks, the better half would be the blocks without any; the mean loss of
    a unit is compared there.

    Args:
        losses: oldest first, one for each block, at least one.
    """

    def __init__(self, losses: Sequence[LiveLoss]) -> None:
        self.losses = losses
        raw = np.array([one.loss for one in losses], "float64")
        self.finite = np.isfinite(raw)
        self._level = max(float(np.median(raw[self.finite])), 1e-9) if self.finite.any() else 1.0
        self._height = self._heights(np.where(self.finite, raw, 0.0))
        known = [one.rare.came for one in losses if one.rare is not None][:KNOWN]
        self._sparse = sum(known) < len(known) == KNOWN
        self.compared = "mean" if self._sparse else "better half"
        # Of what is unknown, enough; what has no loss is no evidence.
        rare = np.array([one.rare or (RARE, RARE) for one in losses], "float64") * self.finite[:, None]
        rows = np.array([one.rows for one in losses]) * self.finite
        self._came, self._expected, self._rows, self._lost = (
            np.r_[0.0, np.cumsum(values)] for values in (*rare.T, rows, rows * np.where(self.finite, raw, 0.0))
        )
        self.ends = np.cumsum([len(list(group)) for _, group in groupby(losses, key=lambda one: one.arrival)])
        self.starts = np.r_[0, self.ends[:-1]]
        self.arrivals = len(self.ends)
        self._served = np.array([losses[start].version for start in self.starts])
        units = [self._unit(place) for place in range(self.arrivals)]
        self._first = [first for first, _ in units]
        self._better = np.array([better for _, better in units])

    def rarity(self, arrival: int, first: int) -> Rarity | None:
        """How rare the losses up to an arrival are, beside those from an earlier one on; None where no one can tell.

        The newest unit is compared by the better half of its blocks: a change of the world is in all of them, three
        days of storm are not. That is Shewhart's chart for individual values, with Student's quantiles for a spread
        that is estimated. The newest two, four and eight units are compared by all of their blocks, none of which
        counts for more than three deviations above the usual, as ADWIN compares the parts of a window (Bifet and
        Gavaldà, "Learning from time-changing data with adaptive windowing", 2007); that neighbours are alike is taken
        into account. By Bonferroni each of these tests has its share of the rate, and each look has that of the time
        since the last one.
        """
        chain = self._chain(arrival, first)
        if len(chain) <= BASE or chain[0] != arrival:
            return None
        better, a_year = self._better[chain], self._looks(arrival) * (1 + len(WINDOWS))
        limit = self._limit(better[1 : 1 + LONGEST], a_year)
        found = [(by_chance(better[:1], better[1 : 1 + LONGEST]) * a_year, 1)]
        for units in WINDOWS:
            if len(chain) - units >= max(BASE, units):
                means = self._means(chain[: units + LONGEST], units)
                found.append((by_chance(means[:units], means[units:]) * a_year, units))
        rate, units = next((one for one in found if one[0] < BREAKS), min(found))
        return Rarity(rate, int(self.starts[self._first[chain[units - 1]]]), limit)

    def beside(self, arrival: int, broken: Break, units: int = 1) -> Rarity | None:
        """How rare the newest units are beside what was usual before a break; None where either are too few."""
        base = self._chain(self.arrival_of(broken.since) - 1, broken.first)[:LONGEST]
        newest = [arrival] if units == 1 else self._chain(arrival, self.arrival_of(broken.since))[:units]
        if len(base) < BASE or len(newest) < units or np.isnan(self._better[arrival]):
            return None
        usual, a_year = self._better[base], self._looks(arrival) * (1 + len(WINDOWS))
        chance = by_chance(self._better[newest], usual)
        return Rarity(chance * a_year, broken.since, self._limit(usual, a_year))

    def clearly(self, worse: Mapping[str, float], first: int, arrival: int) -> bool:
        """Whether arrivals in a row, all worse than a constant, are two units, or above it as a quiet year rarely is.

        Weather and seasons raise a constant's loss too, so nothing has to be known of how much losses vary otherwise.
        """
        from scipy.special import stdtr  # scipy.stats imports ten times as long

        if self.units(arrival, first) > 1:
            return True
        blocks = slice(int(self.starts[first]), int(self.ends[arrival]))
        if not self.tells(arrival, first):
            return False
        above = self._height[blocks] - self._heights([worse[one.arrival] for one in self.losses[blocks]])
        if len(above) < FEWEST or above.mean() < np.log1p(NOTICED):
            return False
        error = float(above.std(ddof=1)) / np.sqrt(len(above))
        chance = float(stdtr(len(above) - 1, -above.mean() / error)) if error > 0 else 0.0
        return chance * self._looks(arrival) * (1 + len(WINDOWS)) < BREAKS

    def tells(self, arrival: int, first: int) -> bool:
        """Whether the blocks from one arrival to another hold rare rows enough to say how a version fares by itself.

        If none comes, ten that were expected can be chance, because it is looked at so often; twenty cannot.
        """
        start, end = self.starts[first], self.ends[arrival]
        came, expected = self._came[end] - self._came[start], self._expected[end] - self._expected[start]
        return bool(came >= RARE or expected >= 2 * RARE)

    def arrival_of(self, block: int) -> int:
        """The arrival that a block belongs to."""
        return int(np.searchsorted(self.ends, block, side="right"))

    def usual_since(self, broken: Break, until: int) -> int:
        """The first arrival of those, up to one, that say what is usual after a break.

        Those that the version met to which it came say nothing of one that has learned since. While there is no such
        version, they are all there is.
        """
        later = self._served[broken.seen + 1 : until + 1] > self.served(broken)
        return broken.seen + 1 + int(np.argmax(later)) if later.any() else self.arrival_of(broken.since)

    def served(self, broken: Break) -> int:
        """The version to which a break came."""
        return self.losses[int(self.ends[broken.seen]) - 1].version

    def units(self, arrival: int, first: int) -> int:
        """How many units there are up to an arrival, from an earlier one on."""
        return len(self._chain(arrival, first))

    def _heights(self, losses: Sequence[float] | Floats) -> Floats:
        """Losses as logarithms of their share of the usual one."""
        return np.asarray(np.log(np.maximum(np.asarray(losses, "float64"), 0.0) / self._level + NEAR_ZERO))

    def _unit(self, arrival: int) -> tuple[int, float]:
        """The unit up to an arrival: its first arrival, and the height of the better half of its blocks.

        Of rare rows that are fewer than blocks, it is the height of its mean loss; NaN where nobody can tell.
        """
        first, end = arrival, int(self.ends[arrival])
        newest = self.losses[end - 1].block
        while first and end - self.starts[first] < UNIT_BLOCKS:
            if newest - self.losses[self.starts[first - 1]].block >= UNIT_TIME:
                break
            first -= 1
        # The newest block from which on there are rare rows enough, by those that came or those that were expected.
        both = self._came, self._expected
        enough = max(int(np.searchsorted(so_far, so_far[end] - RARE, side="right")) for so_far in both) - 1
        first = min(first, self.arrival_of(max(enough, 0)))
        blocks = slice(self.starts[first], end)
        if enough < 0 or not self.finite[blocks].any():
            return first, np.nan
        if self._sparse:
            lost, rows = (so_far[end] - so_far[self.starts[first]] for so_far in (self._lost, self._rows))
            return first, float(self._heights([lost / rows])[0])
        heights = np.sort(self._height[blocks][self.finite[blocks]])
        return first, float(heights[: (len(heights) + 1) // 2].mean())

    def _means(self, chain: Sequence[int], newest: int) -> Floats:
        """The mean heights of units, newest first, with outliers cut as those blocks say that are not the newest."""
        if self._sparse:  # what is cut would be the rare rows
            return np.asarray(self._better[list(chain)])
        starts, ends = self.starts[[self._first[one] for one in chain]], self.ends[list(chain)]
        usual = self._height[starts[-1] : ends[newest]][self.finite[starts[-1] : ends[newest]]]
        middle = np.median(usual)
        cut = np.minimum(self._height, middle + OUTLIER * MAD * max(float(np.median(np.abs(usual - middle))), NOTICED))
        total, count = (np.r_[0.0, np.cumsum(values * self.finite)] for values in (cut, np.ones_like(cut)))
        return np.asarray((total[ends] - total[starts]) / (count[ends] - count[starts]))

    def _chain(self, arrival: int, first: int) -> list[int]:
        """Units that share no block, newest first, each by its newest arrival."""
        found = list[int]()
        while arrival >= first and self._first[arrival] >= first and len(found) < LONGEST + max(WINDOWS):
            if not np.isnan(self._better[arrival]):
                found.append(arrival)
            arrival = self._first[arrival] - 1
        return found

    def _looks(self, arrival: int) -> float:
        """How many looks there would be in a year, were they all as far apart as this one and the last."""
        before = self.losses[max(self.starts[arrival] - 1, 0)].block
        passed = max(self.losses[self.ends[arrival] - 1].block - before, SHORTEST)
        return float(YEAR / passed)

    def _limit(self, base: Floats, a_year: float) -> float:
        from scipy.special import stdtrit  # scipy.stats imports ten times as long

        reach = -float(stdtrit(len(base) - 1, min(BREAKS / a_year, 0.5))) * np.sqrt(1 + 1 / len(base))
        height = base.mean() + max(reach * base.std(ddof=1), np.log1p(NOTICED))
        return float(self._level * (np.exp(height) - NEAR_ZERO))


def breaks(chart: Chart, worse: Mapping[str, float] = NONE_WORSE) -> list[Break]:
    """Where the world turned, oldest break first; what came before one is no measure for what comes after it.

    A break is one of three things: losses so rare that a quiet year has them 0.2 times at most; arrivals in a row, on
    every one of which the champion is worse than a constant, two units of them or more, or fewer of which each block
    says it so clearly that it is no chance; a loss that is no number.

    How many quiet years have a false alarm, and how soon a break is seen: `python -m benchmarks.performance`. A slow
    drift is no break: it moves what losses are compared with, and every retrain follows it.

    Args:
        chart: the losses.
        worse: arrivals on which the champion was worse than a constant, each with the constant's loss.

    Example:
        >>> from datetime import UTC
        >>> days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(70)]
        >>> losses = [0.5 + 0.01 * (n % 5) + 0.2 * (n >= 63) for n in range(70)]
        >>> track = [LiveLoss(day, f"week {n // 7}", 900, losses[n], 1) for n, day in enumerate(days)]
        >>> [found.since for found in breaks(Chart(track))], breaks(Chart(track[:63]))
        ([63], [])
    """
    found, in_a_row = list[Break](), 0
    for arrival in range(chart.arrivals):
        start, end = int(chart.starts[arrival]), int(chart.ends[arrival])
        in_a_row = in_a_row + 1 if chart.losses[start].arrival in worse else 0
        turned, first = (chart.arrival_of(found[-1].since), chart.usual_since(found[-1], arrival)) if found else (0, 0)
        rarity = chart.rarity(arrival, first)
        since = None
        if not chart.finite[start:end].all():
            since = start + int(np.argmin(chart.finite[start:end]))
        elif rarity and rarity.a_year < BREAKS:
            since = rarity.since
        elif in_a_row and (begun := arrival + 1 - in_a_row) >= turned and chart.clearly(worse, begun, arrival):
            since = int(chart.starts[begun])
        if since is not None and not (found and found[-1].since == since):
            found.append(Break(since, arrival, first))
    return found


def by_chance(newest: Floats, base: Floats) -> float:
    """How likely units are to lie so far above those before them by chance: Student's t, one-sided.

    That neighbours are alike makes means less certain: by their correlation at lag one, as in a series of first order
    (Bayley and Hammersley, "The effective number of independent observations in an autocorrelated time series", 1946).
    """
    from scipy.special import stdtr  # scipy.stats imports ten times as long

    rise = float(newest.mean() - base.mean())
    if rise < np.log1p(NOTICED):
        return 1.0
    like = alike(base) if len(newest) > 1 else 0.0
    spread = float(base.std(ddof=1)) * np.sqrt(_of_mean(like, len(newest)) + _of_mean(like, len(base)))
    return float(stdtr(len(base) - 1, -rise / spread)) if spread > 0 else 0.0


def alike(values: Floats) -> float:
    """The correlation of neighbours, its bias taken out (Kendall 1954), between 0 and 0.9."""
    deviations = values - values.mean()
    total = float((deviations**2).sum())
    found = float((deviations[1:] * deviations[:-1]).sum()) / total if total > 0 else 0.0
    return float(np.clip(found + (1 + 3 * found) / len(values), 0.0, 0.9))


def _of_mean(like: float, count: int) -> float:
    """The variance of a mean of so many neighbours, as a share of one's own."""
    lags = np.arange(1, count)
    return float(1 + 2 * ((1 - lags / count) * like**lags).sum()) / count
