"""The page of one drift check: the verdict, the windows, and every column's two distributions, worst column first.

Evidently's own page takes 4 MB for its scripts, has no title and no dates, and writes categories into a script as they
are (docs/adr/0025).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from monitoring.counted import LARGEST
from monitoring.document import document, facts, name, save, shown, table
from monitoring.drawings import HIGH, WIDE, below, boxes, path, svg
from monitoring.worst import each_worst, excess, worst_first

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from db.verdict_records import DriftColumn, Window

    Sides = tuple[NDArray[np.generic], NDArray[np.generic]]

DRAWN = 100  # columns, the worst, that are drawn; the others stand in the table
BINS = 40
TAILS = 0.005  # share of the rows beyond either end, which the outermost bins hold
REFERENCES = {"champion": "what the champion learned from", "previous": "what arrived before", "season": "a season ago"}
CATEGORIES = 12  # that are named; the rest are one


@dataclass(frozen=True)
class Checked:
    """What a drift check compared and found.

    Args:
        title: names the model and the run.
        reason: the verdict in a sentence.
        columns: every measure.
        reference: the rows that new ones were compared with.
        current: the new ones.
        reference_name: which rows these are: "champion", "previous" or "season".
        attention: a sentence for each broken column.
    """

    title: str
    reason: str
    columns: Sequence[DriftColumn]
    reference: Window | None = None
    current: Window | None = None
    reference_name: str = "champion"
    attention: Sequence[str] = ()


def report_page(checked: Checked, values: Mapping[str, Sides]) -> str:
    """The page as HTML.

    Args:
        checked: what was found.
        values: column to its values in both windows, reference first; a column that has none here is not drawn.
    """
    worst = each_worst(checked.columns)
    parts = [f"<h1>{shown(checked.title)}</h1>", f"<p>{shown(checked.reason)}</p>"]
    parts += [f'<p class="alarm">{shown(sentence)}</p>' for sentence in checked.attention]
    compared_with = REFERENCES.get(checked.reference_name, shown(checked.reference_name))
    windows = {f"reference ({compared_with})": rows_of(checked.reference), "current": rows_of(checked.current)}
    parts.append(facts(windows))
    parts.append(measures(checked.columns))
    drawn = [column.column for column in worst if column.column in values][:DRAWN]
    if drawn:
        parts.append("<h2>Distributions</h2>")
        parts.append(
            '<p><small><span class="ink-grey">■ reference</span> &nbsp; <span class="ink-blue">■ current</span>'
            f"; a number's outermost bins hold what lies beyond, {TAILS:.1%} of the rows at each end.</small></p>"
        )
    if len(drawn) < len(worst):
        parts.append(f"<p><small>The worst {len(drawn)} of {len(worst)} columns are drawn.</small></p>")
    numbers = {column.column for column in worst if column.method != "jensenshannon"}
    parts += ['<div class="two">', *(distribution(c, *values[c], number=c in numbers) for c in drawn), "</div>"]
    return document(checked.title, "\n".join(parts))


def write_report(
    file: Path, checked: Checked, reference: pd.DataFrame | pl.DataFrame, current: pd.DataFrame | pl.DataFrame
) -> None:
    """Write the page of a check, given the rows of both windows, as pandas or Polars has them."""
    both = [column.column for column in checked.columns if column.column in reference and column.column in current]
    save(report_page(checked, {c: (reference[c].to_numpy(), current[c].to_numpy()) for c in both}), file)


def rows_of(window: Window | None) -> str:
    """What a window holds, in words; "" where that was not recorded."""
    if window is None:
        return ""
    between = f"{window.time_from:%Y-%m-%d %H:%M} to {window.time_to:%Y-%m-%d %H:%M} UTC"
    return f"{window.rows:,} rows in {window.blocks:,} time blocks, {between}"


def measures(columns: Sequence[DriftColumn]) -> str:
    """Every measure as a line of a table, worst first."""
    heads = {"column": "", "measure": "", "figure": "n", "threshold": "n", "": "", "importance": "n", "remark": "wide"}
    rows = [
        [
            *(name(c.column), shown(c.method, 30), figure(c.score), figure(c.threshold), verdict(c)),
            "" if c.importance is None else f"{c.importance:+.1%}",
            shown(c.remark or ""),
        ]
        for c in worst_first(columns)
    ]
    return table(heads, rows, "Every measure, worst first")


def verdict(column: DriftColumn) -> str:
    """What a measure says, in a word, and how far above its threshold it is."""
    times = excess(column)
    far = f", {times:,.1f} times" if 1 < times < math.inf else ""
    if column.broken:
        return f'<span class="alarm">broken{far}</span>'
    return f"drifted{far}" if column.drifted else ""


def figure(value: float) -> str:
    """A figure; nothing where there is none."""
    return f"{value:,.3g}" if math.isfinite(value) else ""


def distribution(column: str, reference: NDArray[np.generic], current: NDArray[np.generic], *, number: bool) -> str:
    """A column's values in both windows, one drawing over the other."""
    number = number and reference.dtype.kind in "fiub" and current.dtype.kind in "fiub"
    drawn = numbers(column, reference, current) if number else categories(reference, current)
    return f"<section><h3>{name(column)}</h3>{drawn}</section>"


def numbers(column: str, reference: NDArray[np.generic], current: NDArray[np.generic]) -> str:
    """Two histograms over the same bins: the reference filled, the current one a line."""
    sides = [side.astype("float64") for side in (reference, current)]
    finite = [side[np.isfinite(side)].clip(-LARGEST, LARGEST) for side in sides]
    if not all(map(len, finite)):
        return "<p>A window has no number in it.</p>"
    ends = [np.quantile(side, (TAILS, 1 - TAILS)) for side in finite]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    if not low < high:  # one value, in both windows
        low, high = low - abs(low) / 2 - 0.5, high + abs(high) / 2 + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(side.clip(low, high), edges)[0] / len(side) for side in finite]
    top, each = max(float(share.max()) for share in shares), WIDE / BINS
    heights = [np.round(share / top * HIGH, 1) for share in shares]
    filled = boxes((place * each, HIGH - h, each, h) for place, h in enumerate(heights[0].tolist()))
    corners = ((x * each, HIGH - h) for place, h in enumerate(heights[1].tolist()) for x in (place, place + 1))
    means = [f"{side.mean():,.4g}" for side in finite]
    says = f"Histograms of {name(column)}: mean {means[0]} in the reference, {means[1]} in the current window"
    missing = [1 - len(some) / max(len(side), 1) for some, side in zip(finite, sides, strict=True)]
    words = f"mean {means[0]} → {means[1]}; missing {missing[0]:.1%} → {missing[1]:.1%}; highest bin {top:.1%} of rows"
    drawn = f'<div class="field low">{svg([("base", filled), ("line", path(corners))], says)}</div>'
    ends_named = below((f"{low:,.4g}", f"{high:,.4g}"))
    return f"<figure>{drawn}{ends_named}<figcaption>{words}</figcaption></figure>"


def categories(reference: NDArray[np.generic], current: NDArray[np.generic]) -> str:
    """The most frequent categories of both windows, a bar for each window."""
    shares = [_shares(side) for side in (reference, current)]
    everything = {value for share in shares for value in share}
    frequent = sorted(everything, key=lambda value: (-max(share.get(value, 0.0) for share in shares), value))
    lines = [(name(value), [share.get(value, 0.0) for share in shares]) for value in frequent[:CATEGORIES]]
    if others := frequent[CATEGORIES:]:
        rest = [sum(share.get(value, 0.0) for value in others) for share in shares]
        lines.append((f"<i>{len(others):,} others</i>", rest))
    top = max([1e-9, *(share for _, both in lines for share in both)])

    def bar(kind: str, share: float) -> str:
        return f'<div class="bar {kind}" style="width:{100 * share / top:.1f}%"></div>'

    rows = [[category, f"{old:.1%}", f"{new:.1%}", bar("ref", old) + bar("new", new)] for category, (old, new) in lines]
    return table({"category": "", "reference": "n", "current": "n", "": ""}, rows, kind="cats")


def _shares(values: NDArray[np.generic]) -> dict[str, float]:
    """Category to its share of the rows; a missing one is "missing"."""
    import pandas as pd

    column = pd.Series(values)
    counts = column.value_counts(normalize=True, dropna=True) * column.notna().mean()
    # Two categories that are written the same, as 1 and "1", are one bar.
    found: dict[str, float] = {}
    for value, share in counts.items():
        found[str(value)] = found.get(str(value), 0.0) + float(share)
    missing = float(column.isna().mean())
    return found | ({"missing": found.get("missing", 0.0) + missing} if missing else {})
