"""How the champion fares on what arrives: in control, a warning, or broken since when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from evergreen_client.shown import number
from monitoring.chart import BASE, NONE_WORSE, WARNINGS, Break, Chart, LiveLoss, breaks

if TYPE_CHECKING:
    from db.verdict_records import PerformanceState, PromiseRecord

BACK = 8  # units that have to be as before, until a break has passed


@dataclass(frozen=True)
class Performance:
    """How the champion fares.

    Args:
        state: "in control", "warning" (a quiet year has about one), "broken" (one in fifteen), or "cannot tell".
        since: start of the first block of the warning or the break.
        reason: why, in a sentence.
        blocks: on how many time blocks it rests.
        loss: mean loss on the newest arrival; NaN while there is none.
        limit: the loss that its unit exceeds only in a break (`monitoring.chart`); None where no one can tell.
    """

    state: PerformanceState
    since: datetime | None
    reason: str
    blocks: int
    loss: float
    limit: float | None


def judge(
    losses: Sequence[LiveLoss],
    champion: int,
    *,
    worse: Mapping[str, float] = NONE_WORSE,
    promise: PromiseRecord | None = None,
) -> Performance:
    """How the champion fares, by the live losses so far: its own, and, while it is young, those of versions before it.

    A promotion moves the level by a percent or three, and blocks vary by ten to thirty: so what was usual before it
    is still the best measure there is. After a break it is no measure for what comes: a version that was promoted
    since is judged by the losses of such versions, once they are enough; whoever was in production when the break
    came is broken until its loss is as it was before.

    Args:
        losses: oldest first, one for each time block.
        champion: number of the champion.
        worse: arrivals on which the version in production was worse than a constant, each with the constant's loss.
        promise: what the gate announced of this champion, and what came.
    """
    if not losses:
        return Performance("cannot tell", None, "no arrival with labels was scored yet", 0, math.nan, None)
    chart = Chart(losses)
    newest, loss = chart.arrivals - 1, _loss(losses[int(chart.starts[-1]) :])
    verdict = partial(Performance, blocks=len(losses), loss=loss)
    found = breaks(chart, worse)
    first = chart.usual_since(found[-1], newest) if found else 0
    if found and not _healed(chart, found[-1], champion):
        told = _after_break(chart, _open_break(chart, found, champion), worse, verdict)
        if told is not None:
            return _told(told, promise)
    rarity = chart.rarity(newest, first)
    if rarity is None:
        units = chart.units(newest, first)
        reason = f"{_blocks(losses)} are too few to say how much losses vary: {units} of {BASE + 1} units"
        return _told(verdict("cannot tell", None, reason, limit=None), promise)
    said = _said(chart, loss, rarity.limit)
    if rarity.a_year >= WARNINGS:
        return _told(verdict("in control", None, f"{said}, over {_blocks(losses)}", limit=rarity.limit), promise)
    since = losses[rarity.since].block
    reason = f"{said}; since {_day(since)} so high that chance alone shows it {rarity.a_year:.1f} times a year"
    return _told(verdict("warning", since, reason, limit=rarity.limit), promise)


def broken_since(losses: Sequence[LiveLoss], worse: Mapping[str, float] = NONE_WORSE) -> datetime | None:
    """Since when the world is not any more as it was: where the newest break began that did not pass; None if none did.

    A break has passed where the very version that it came to fares again as it did before.
    """
    if not losses:
        return None
    chart = Chart(losses)
    lasting = [one for one in breaks(chart, worse) if not _passed(chart, one)]
    return losses[lasting[-1].since].block if lasting else None


def _passed(chart: Chart, one: Break) -> bool:
    """Whether a break is over without anybody's doing: a single good week after a small rise says little."""
    newest = chart.arrivals - 1
    if newest == one.seen or chart.served(one) != chart.losses[-1].version:
        return False
    before = chart.beside(newest, one, units=BACK)
    return before is not None and before.a_year >= WARNINGS


def _healed(chart: Chart, newest: Break, champion: int) -> bool:
    """Whether a version that was promoted since a break has lived long enough to be judged by the time after it."""
    since = chart.units(chart.arrivals - 1, chart.arrival_of(newest.since))
    return champion != chart.served(newest) and since > BASE


def _open_break(chart: Chart, found: Sequence[Break], champion: int) -> Break:
    """The break that the champion has still to answer for: its first that it is not back from, or else the newest."""
    newest = chart.arrivals - 1
    for one in found[:-1]:
        if chart.served(one) == champion:
            before = chart.beside(newest, one)
            if before and before.a_year < WARNINGS:
                return one
    return found[-1]


def _after_break(
    chart: Chart, newest: Break, worse: Mapping[str, float], verdict: Callable[..., Performance]
) -> Performance | None:
    """How it fares beside what was usual before a break; None where only what came since can say it."""
    losses, arrival = chart.losses, chart.arrivals - 1
    since, before = losses[newest.since].block, chart.beside(arrival, newest)
    limit = before.limit if before else None
    said = _said(chart, _loss(losses[int(chart.starts[-1]) :]), limit)
    if losses[-1].arrival in worse and chart.tells(arrival, arrival):
        return verdict("broken", since, f"{said}; worse than a constant, broken since {_day(since)}", limit=limit)
    if arrival == newest.seen:
        return verdict("broken", since, f"{said}; it broke on {_day(since)}", limit=limit)
    if before is None:
        if chart.rarity(arrival, chart.usual_since(newest, arrival)):
            return None
        reason = f"{said}; it broke on {_day(since)}, and too little is known from before"
        return verdict("cannot tell", None, reason, limit=None)
    if before.a_year < WARNINGS:
        reason = f"{said}; it broke on {_day(since)} and is not back to what it was before"
        return verdict("broken", since, reason, limit=limit)
    return verdict("in control", None, f"{said}, as before the break of {_day(since)}", limit=limit)


def _loss(losses: Sequence[LiveLoss]) -> float:
    """The mean loss of some blocks."""
    return sum(one.rows * one.loss for one in losses) / sum(one.rows for one in losses)


def _said(chart: Chart, loss: float, limit: float | None) -> str:
    bar = f" (its {chart.compared} may come to {number(limit)})" if limit is not None else ""
    return f"loss {number(loss)} on the newest arrival{bar}"


def _blocks(losses: Sequence[LiveLoss]) -> str:
    return f"{len(losses):,} block{'s' * (len(losses) != 1)}"


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _told(found: Performance, promise: PromiseRecord | None) -> Performance:
    """The same, with a word where the blocks since the promotion are worse than the gate announced."""
    if promise is None or promise.came is None or promise.high is None or promise.came <= promise.high:
        return found
    announced = f"where the gate announced {promise.announced:+.1%}, at most {promise.high:+.1%}"
    beyond = f"; since its promotion {promise.came:+.1%} over {promise.blocks:,} blocks, {announced}"
    return replace(found, reason=found.reason + beyond)
