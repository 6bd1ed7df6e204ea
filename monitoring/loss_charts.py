"""The champion's loss, block by block, and what was estimated of it before labels came: two charts of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from monitoring.document import name, shown
from monitoring.drawings import HIGH, WIDE, Axis, Chart, Point, axis, chart, dots, downwards, path

if TYPE_CHECKING:
    from db.verdict_records import EstimateRecord
    from monitoring.overview import LiveBlock, Overview

DOTTED = 150  # blocks, beyond which dots hide the line
APART = 8  # percent of the width, below which two labels would overlap
SHORT = timedelta(days=3)  # of a chart's time, below which hours are named
METRICS = 3  # figures whose estimates are drawn


def loss_section(seen: Overview) -> str:
    """Loss per block with the limit of its time, and where promotions and rollbacks were."""
    if not seen.blocks:
        return (
            "<h2>Loss</h2><p>Nothing was scored yet: losses are measured on what arrives after the first promotion.</p>"
        )
    return f"<h2>Loss per time block</h2><p>{in_words(seen.blocks)}</p>{loss_chart(seen)}"


def in_words(blocks: Sequence[LiveBlock]) -> str:
    """What the chart shows, in a sentence."""
    finite = [block.loss for block in blocks if math.isfinite(block.loss)]
    words = f"{len(blocks):,} block{'s' * (len(blocks) > 1)}, {date(blocks[0].time)} to {date(blocks[-1].time)}"
    if finite:
        words += f"; between {min(finite):.4g} and {max(finite):.4g}" if min(finite) < max(finite) else ""
        words += f"; {_named(blocks[-1].loss)} in the newest"
    over = sum(block.above for block in blocks if math.isfinite(block.loss))
    words += f"; {over:,} above the limit of their time" if over else ""
    lost = len(blocks) - len(finite)
    return words + (f"; {lost:,} without a finite loss, marked at the top" if lost else "") + "."


def loss_chart(seen: Overview) -> str:
    """The chart."""
    blocks = seen.blocks
    limits = [math.nan if block.limit is None else block.limit for block in blocks]
    across = axis_of([block.time for block in blocks])
    up = axis([*(block.loss for block in blocks), *limits], HIGH)
    points = [(across.at(block.time.timestamp()), downwards(up, block.loss)) for block in blocks]
    lost = ((x, 1.0) for (x, _), block in zip(points, blocks, strict=True) if not math.isfinite(block.loss))
    alarms = [point for point, block in zip(points, blocks, strict=True) if block.above]
    marks = [(between(seen, when), promotion) for promotion, when in seen.marks]
    rollbacks = {across.at(when): promotion.kind == "rollback" for when, promotion in marks}
    layers = [
        ("mark", upright(x for x, back in rollbacks.items() if not back)),
        ("back", upright(x for x, back in rollbacks.items() if back)),
        ("limit", path(steps([x for x, _ in points], [downwards(up, limit) for limit in limits]))),
        ("line", path(points)),
        ("dots", dots(points) if len(points) <= DOTTED else ""),
        ("alarms", dots([*alarms, *lost])),
    ]
    texts = [(when, f"{'↩' * (p.kind == 'rollback')}v{p.number}", p.kind == "rollback") for when, p in marks]
    known = [limit for limit in limits if math.isfinite(limit)]
    labels = [(limit, f"limit {limit:.3g}", "ink-red") for limit in known[-1:]]
    labels.append((blocks[-1].loss, f"loss {_named(blocks[-1].loss)}", "ink-blue"))
    counts = promotions_in_words(seen)
    drawn = Chart(
        layers=layers,
        says=f"Line chart of the champion's loss: {in_words(blocks)} {counts}",
        across=across,
        up=up,
        dates=dates([block.time for block in blocks]),
        labels=labels,
        over=sparse(across, texts),
    )
    return f"{chart(drawn)}<p><small>v: the version that was promoted there; ↩: gone back to. {counts}</small></p>"


def promotions_in_words(seen: Overview) -> str:
    """How many there were."""
    back = sum(promotion.kind == "rollback" for promotion, _ in seen.marks)
    there = (len(seen.marks) - back, "promotion"), (back, "rollback")
    return ", ".join(f"{count:,} {what}{'s' * (count != 1)}" for count, what in there) + "."


def between(seen: Overview, when: datetime | None) -> float:
    """Where a promotion stands: half-way between the blocks that arrived before and after it."""
    times = [block.time for block in seen.blocks]
    if when is None:
        return times[-1].timestamp() + half_gap(times)
    earlier = [time for time in times if time < when]
    return (earlier[-1].timestamp() + when.timestamp()) / 2 if earlier else when.timestamp() - half_gap(times)


def half_gap(times: Sequence[datetime]) -> float:
    """Half the seconds between two blocks, on average; half a day where there is only one."""
    return (times[-1] - times[0]).total_seconds() / max(len(times) - 1, 1) / 2 or 43_200.0


def sparse(across: Axis, texts: Sequence[tuple[float, str, bool]]) -> list[tuple[float, str]]:
    """Those of the texts that have room: rollbacks first, then the newest."""
    placed: list[tuple[float, str]] = []
    newest_first = texts[::-1]  # two may stand at one place
    for when, text, _ in sorted(newest_first, key=lambda one: (not one[2], -one[0])):
        if all(abs(across.share(when) - across.share(other)) >= APART for other, _ in placed):
            placed.append((when, text))
    return placed


def estimates_section(seen: Overview) -> str:
    """What was estimated before labels were there, beside what came."""
    if not seen.estimates:
        return ""
    metrics = list(dict.fromkeys(estimate.metric for estimate in seen.estimates))
    found = [estimate_chart(metric, [e for e in seen.estimates if e.metric == metric]) for metric in metrics[:METRICS]]
    return "<h2>Estimates without labels, beside what came</h2>" + "".join(found)


def estimate_chart(metric: str, estimates: Sequence[EstimateRecord]) -> str:
    """One figure: its estimate with the interval, and dots where the truth is known."""
    times = [estimate.time_from for estimate in estimates]
    lows, highs = [_or_nan(e.low) for e in estimates], [_or_nan(e.high) for e in estimates]
    truths = [_or_nan(e.truth) for e in estimates]
    across = axis_of(times)
    up = axis([*(e.value for e in estimates), *lows, *highs, *truths], HIGH)
    xs = [across.at(time.timestamp()) for time in times]
    words = f"{name(metric)}: {how_good(estimates)}"
    layers = [
        ("band", band(xs, [downwards(up, low) for low in lows], [downwards(up, high) for high in highs])),
        ("line", path((x, downwards(up, e.value)) for x, e in zip(xs, estimates, strict=True))),
        ("truth", dots((x, downwards(up, truth)) for x, truth in zip(xs, truths, strict=True))),
    ]
    labels = [(estimates[-1].value, f"estimate {_named(estimates[-1].value)}", "ink-blue")]
    drawn = chart(Chart(layers, f"Line chart of estimates of {words}", across, up, dates(times), labels))
    legend = '<span class="ink-blue">line and band: estimate and its interval</span>; dots: what came'
    return f"<p>{words}</p>{drawn}<p><small>{legend}</small></p>"


def how_good(estimates: Sequence[EstimateRecord]) -> str:
    """How far off estimates were where the truth is known, in a sentence."""
    known = [(e, e.truth) for e in estimates if e.truth is not None and math.isfinite(e.truth)]
    off = [abs(e.value - truth) for e, truth in known if math.isfinite(e.value)]
    newest = f"{len(estimates):,} estimates, the newest {_named(estimates[-1].value)}"
    if not off:
        return f"{newest}; what came is not known of any yet."
    within = [e.low <= truth <= e.high for e, truth in known if e.low is not None and e.high is not None]
    held = f", {sum(within):,} of {len(within):,} intervals held it" if within else ""
    return f"{newest}; what came is known of {len(known):,}: off by {sum(off) / len(off):.3g} on average{held}."


def band(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> str:
    """The `d` of the area between two lines, gaps left out; what stands alone is an upright stroke's width."""
    half = min((b - a for a, b in pairwise(xs)), default=WIDE / 25) / 2 or 1.0
    parts, run = list[str](), list[tuple[float, float, float]]()
    for x, low, high in [*zip(xs, lows, highs, strict=True), (0.0, math.nan, math.nan)]:
        if math.isfinite(low) and math.isfinite(high):
            run.append((x, low, high))
            continue
        if len(run) == 1:
            run = [(run[0][0] - half, *run[0][1:]), (run[0][0] + half, *run[0][1:])]
        if run:
            parts.append(path([(x, high) for x, _, high in run] + [(x, low) for x, low, _ in reversed(run)]) + "z")
        run = []
    return "".join(parts)


def steps(xs: Sequence[float], ys: Sequence[float]) -> Iterator[Point | None]:
    """A line that holds each value around its x, and jumps to the next half-way."""
    edges = [xs[0], *((a + b) / 2 for a, b in pairwise(xs)), xs[-1]]
    for place, y in enumerate(ys):
        if not math.isfinite(y):
            yield None
            continue
        yield round(edges[place], 1), y
        yield round(edges[place + 1], 1), y


def upright(xs: Iterator[float]) -> str:
    """The `d` of lines from top to bottom."""
    return "".join(f"M{x:g} 0v{HIGH}" for x in xs)


def axis_of(times: Sequence[datetime]) -> Axis:
    """From the first time to the last, with room beside them for what stands between blocks."""
    return Axis(times[0].timestamp() - half_gap(times), times[-1].timestamp() + half_gap(times), WIDE)


def dates(times: Sequence[datetime]) -> list[str]:
    """What stands under a chart: its first day, one in the middle of its time, and the last; hours where it is short.

    Example:
        >>> dates([datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (0, 8)])
        ['2026-03-01 00:00', '2026-03-01 04:00', '2026-03-01 08:00']
    """
    first, last = times[0], times[-1]
    three = (first, first + (last - first) / 2, last)
    short = timedelta() < last - first < SHORT
    return list(dict.fromkeys(f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" if short else date(time) for time in three))


def date(time: datetime) -> str:
    """A day, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def _named(value: float) -> str:
    return shown(f"{value:.4g}") if math.isfinite(value) else "no number"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
