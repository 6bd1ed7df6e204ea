"""Charts as inline SVG. Drawings stretch with the page; what is to be read is text beside and over them.

Colours and stroke widths are in the style sheet of `monitoring/document.py`, by class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

WIDE, HIGH = 1000, 100  # what a drawing measures itself in, however large it is shown
ROOM = 0.06  # of a chart's height, left free above and below
LINE = 9  # percent of a chart's height that a line of text takes
TICKS = 3  # values that an axis names

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From value to place: `low` is drawn at 0, `high` at `size`."""

    low: float
    high: float
    size: float

    def at(self, value: float) -> float:
        """Where a value is drawn, to a tenth."""
        span = self.high - self.low
        return round((value - self.low) / span * self.size, 1) if span else self.size / 2

    def share(self, value: float) -> float:
        """The same in percent of the size."""
        return 100 * self.at(value) / self.size


def axis(values: Iterable[float], size: float) -> Axis:
    """An axis on which all these values have room; those that are no finite numbers are left out.

    Example:
        >>> axis([1.0, 3.0, math.nan], 100).at(2.0)
        50.0
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = (high - low) * ROOM or abs(high) * ROOM or 1.0
    return Axis(max(low - room, 0.0) if low >= 0 else low - room, high + room, size)  # of losses there is none below 0


def path(points: Iterable[Point | None]) -> str:
    """The `d` of a line through points; None leaves a gap, and so does a point that is no number.

    Example:
        >>> path([(0, 1), (2, 3), None, (4, 5), (6, 7)])
        'M0 1L2 3M4 5L6 7'
    """
    parts, pen = list[str](), "M"
    for point in points:
        if point is None or not all(map(math.isfinite, point)):
            pen = "M"
            continue
        parts.append(f"{pen}{point[0]:g} {point[1]:g}")
        pen = "L"
    return "".join(parts)


def dots(points: Iterable[Point]) -> str:
    """The `d` of round dots: lines of no length with round ends, since circles would be stretched."""
    return "".join(f"M{x:g} {y:g}h0" for x, y in points if math.isfinite(x) and math.isfinite(y))


def boxes(spans: Iterable[tuple[float, float, float, float]]) -> str:
    """The `d` of rectangles (left, top, width, height)."""
    return "".join(f"M{x:g} {y:g}h{w:g}v{h:g}h{-w:g}z" for x, y, w, h in spans if w > 0 and h > 0)


def svg(layers: Sequence[tuple[str, str]], says: str) -> str:
    """A drawing of paths, each (class, d), the first at the bottom.

    Args:
        layers: the paths; those with nothing to draw are left out.
        says: what one sees, in words, for those who do not see it; HTML already.
    """
    paths = "".join(f'<path class="{kind}" d="{d}"/>' for kind, d in layers if d)
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" aria-label="{says}">{paths}</svg>'


def strip(layers: Sequence[tuple[str, str]], says: str) -> str:
    """A drawing of the height of a line of text."""
    return f'<div class="strip">{svg(layers, says)}</div>'


@dataclass(frozen=True)
class Chart:
    """A chart with axes.

    Args:
        layers: paths, as `svg` takes them.
        says: what one sees, in words; HTML already.
        across: the axis from left to right.
        up: the axis of values.
        dates: what stands under it, from left to right; HTML already.
        labels: names of lines, at their right ends: (value, text, class).
        over: text above it: (place, text).
    """

    layers: Sequence[tuple[str, str]]
    says: str
    across: Axis
    up: Axis
    dates: Sequence[str]
    labels: Sequence[tuple[float, str, str]] = ()
    over: Sequence[tuple[float, str]] = field(default=())


def chart(drawn: Chart) -> str:
    """A chart as HTML."""
    up = drawn.up
    values = [up.low + (up.high - up.low) * part / (TICKS - 1) for part in range(TICKS)]
    ticks = "".join(f'<span style="top:{100 - up.share(value):.1f}%">{value:.3g}</span>' for value in values)
    labels = "".join(
        f'<b class="{kind}" style="top:{top:.1f}%">{text}</b>' for top, text, kind in spread(drawn.labels, up)
    )
    over = "".join(f'<b style="left:{drawn.across.share(x):.1f}%">{text}</b>' for x, text in drawn.over)
    above = f'<div class="over">{over}</div>' if over else ""
    body = f'<div class="field">{svg(drawn.layers, drawn.says)}</div><div class="names">{labels}</div>'
    return f'<figure class="plot">{above}<div class="ticks">{ticks}</div>{body}{below(drawn.dates)}</figure>'


def spread(labels: Iterable[tuple[float, str, str]], up: Axis) -> Iterator[tuple[float, str, str]]:
    """Where labels stand, in percent from the top: at their values, but never one upon the other.

    Example:
        >>> list(spread([(5.0, "loss", ""), (5.2, "limit", "")], Axis(0.0, 10.0, 100)))
        [(48.0, 'limit', ''), (57.0, 'loss', '')]
    """
    lowest = -math.inf
    for value, text, kind in sorted(labels, reverse=True):
        if math.isfinite(value):
            lowest = max(100 - up.share(value), lowest + LINE)
            yield lowest, text, kind


def below(texts: Iterable[str]) -> str:
    """What stands under a drawing, spread from left to right; HTML already."""
    return f'<div class="dates">{"".join(f"<span>{text}</span>" for text in texts)}</div>'


def downwards(up: Axis, value: float) -> float:
    """Where a value is drawn in SVG, whose zero is at the top."""
    return round(up.size - up.at(value), 1)


def bars(heights: Sequence[float], *, most: float = 0.0) -> list[tuple[float, float, float, float]]:
    """One rectangle for each height, side by side, for `boxes`; the highest, or `most`, fills the drawing."""
    finite = [height if math.isfinite(height) else 0.0 for height in heights]
    top = max([most, *finite])
    each = WIDE / max(len(finite), 1)
    if not top:
        return []
    places = [(round(place * each, 1), round(height / top * HIGH, 1)) for place, height in enumerate(finite)]
    return [(x, round(HIGH - h, 1), round(each * 0.85, 1), h) for x, h in places]


def cells(classes: Sequence[str]) -> list[tuple[str, str]]:
    """A row of cells side by side, as layers: neighbours of one class are one rectangle, and "" draws nothing.

    Example:
        >>> cells(["h1", "h1", "", "broken"])
        [('h1', 'M0 0h500v100h-500z'), ('broken', 'M750 0h250v100h-250z')]
    """
    each, found = WIDE / max(len(classes), 1), dict[str, list[tuple[float, float, float, float]]]()
    start = 0
    for place in range(1, len(classes) + 1):
        if place == len(classes) or classes[place] != classes[start]:
            left, right = round(start * each, 1), round(place * each, 1)
            found.setdefault(classes[start], []).append((left, 0, round(right - left, 1), HIGH))
            start = place
    return [(kind, boxes(spans)) for kind, spans in found.items() if kind]


def key(entries: Mapping[str, str]) -> str:
    """What the colours of cells mean: class to words."""
    head = '<span class="whole"><svg class="key" viewBox="0 0 1 1" aria-hidden="true">'
    drawn = (f'{head}<path class="{kind}" d="M0 0h1v1h-1z"/></svg>{words}</span>' for kind, words in entries.items())
    return f"<p><small>{' &ensp;'.join(drawn)}</small></p>"
