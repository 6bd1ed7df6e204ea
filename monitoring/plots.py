"""Plots by Matplotlib as inline SVG: what it draws is put into a page whose style sheet gives the colours.

No pyplot and no settings of the user's: the same values are the same text. Words in a plot are ours alone. What stands
in data, such as a category, belongs into HTML beside it, where it may be long and in any script.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from monitoring.document import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 380, 270  # pixels of a plot on a phone; on a wide screen two stand side by side, a little larger
LONG = 10_000  # from which on an axis counts in thousands or millions, as 210k: there is no room for more digits
MARGINS = 0.145, 0.165, 0.83, 0.80  # left, bottom, width and height, as shares
FONT = 11
# Matplotlib is given a colour that nobody would choose for each of the style sheet's, and the sheet's name replaces it.
INKS = {name: f"#0{place}0{place}0{place}" for place, name in enumerate(("line", "soft", "blue", "band", "red"), 1)}
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": FONT,
    "path.simplify": False,
    "axes.formatter.useoffset": False,
    "axes.linewidth": 0.8,
}


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Args:
        across: places from left to right; of NaN, there is a gap.
        up: values.
        ink: a name of INKS.
        style: "-", "--" or ":"; "." for dots; "fill" for what lies between this line and the one below it.
        below: of "fill", the values below.
        names: of dots, what stands beside each: a number or short word of ours.
    """

    across: Sequence[float]
    up: Sequence[float]
    ink: str
    style: str = "-"
    below: Sequence[float] = ()
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Plot:
    """A plot: its lines, the first at the bottom, what its axes measure, and what one sees, in words.

    Args:
        lines: what is drawn.
        across: what the axis from left to right measures.
        up: what the other one measures.
        says: what one sees, for those who do not see it; any text.
        limits: ends of both axes, where they are known: (left, right, bottom, top).
        whole: whether places from left to right are whole numbers.
    """

    lines: Sequence[Line]
    across: str
    up: str
    says: str
    limits: tuple[float, float, float, float] | None = None
    whole: bool = False


def drawn(plot: Plot) -> str:
    """A plot as SVG that may stand in a page of `monitoring/document.py`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    written = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        cast("dict[str, Any]", mpl.rcParams).update(SETTINGS)
        figure = Figure((SIZE[0] / 72, SIZE[1] / 72), dpi=72)
        figure.patch.set_visible(False)
        _fill(figure.add_axes(MARGINS), plot)
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inline(written.getvalue(), plot.says)


def _fill(axes: Axes, plot: Plot) -> None:
    """Draw everything; what has no finite value is left out."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.patch.set_visible(False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INKS["line"])
    axes.grid(visible=True, color=INKS["line"], linewidth=0.6, clip_on=False)
    axes.tick_params(length=0, pad=5, labelcolor=INKS["soft"])
    axes.set_xlabel(plot.across, color=INKS["soft"])
    axes.set_ylabel(plot.up, color=INKS["soft"])
    axes.locator_params(nbins=5)
    if plot.whole:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if plot.limits:
        axes.set_xlim(*plot.limits[:2])
        axes.set_ylim(*plot.limits[2:])
    for place, line in enumerate(plot.lines):
        _draw(axes, line, place)
    for axis in (axes.xaxis, axes.yaxis):
        if max(map(abs, axis.get_view_interval())) >= LONG:
            axis.set_major_formatter(EngFormatter(sep=""))


def _draw(axes: Axes, line: Line, place: int) -> None:
    known = [(x, y) for x, y in zip(line.across, line.up, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not known:
        return
    how: dict[str, Any] = {"color": INKS[line.ink], "clip_on": False, "zorder": 3 + place}
    if line.style == "fill":
        around = [*zip(line.across, line.up, strict=True), *zip(line.across[::-1], line.below[::-1], strict=True)]
        axes.fill(*zip(*around, strict=True), linewidth=0, **how)
    elif line.style == ".":
        for x, y in known:  # a line of no length with round ends: a marker of Matplotlib's needs an id in the page
            axes.plot([x, x], [y, y], linewidth=6, solid_capstyle="round", **how)
        for (x, y), word in zip(known, line.names, strict=False):
            axes.annotate(word, (x, y), (5, 5), textcoords="offset points", color=INKS["soft"], zorder=9)
    else:
        axes.plot(line.across, line.up, line.style, linewidth=1.8 if line.style != ":" else 1.2, **how)


def _inline(svg: str, says: str) -> str:
    """What Matplotlib wrote, without what only a file of its own needs: its head, ids, fonts and empty groups."""
    body = svg[svg.index('<g id="figure_1">') : svg.rindex("</svg>")]
    body = re.sub(r' id="[^"]*"| transform="rotate\(-0 [^)]*\)"', "", body)
    body = re.sub(r"font-family:[^;\"]*;? ?", "", body)
    body = re.sub(r"<g/>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' (d|x|y|transform)="[^"]*"', lambda found: re.sub(r"(?<=\d\.\d)\d+", "", found[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    for name, colour in INKS.items():
        body = body.replace(colour, f"var(--{name})")
    wide, high = SIZE
    return f'<svg class="axes" viewBox="0 0 {wide} {high}" role="img" aria-label="{shown(says)}">{body}</svg>'
