"""Drift of every column in every check, as a map: a row a column, a cell a check; and the shares of missing values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monitoring.document import name, shown, table, unbroken
from monitoring.drawings import HIGH, bars, below, boxes, cells, key, strip
from monitoring.loss_charts import date
from monitoring.worst import MISSING, excess, worst_first, worst_measures

if TYPE_CHECKING:
    from datetime import datetime

    from db.verdict_records import DriftCheckRecord, DriftColumn, Window
    from monitoring.overview import Overview

ROWS = 60  # columns that are shown, the worst
STEPS = ((1.5, "h1"), (2.5, "h2"), (5.0, "h3"), (math.inf, "h4"))  # times the threshold, up to which a shade counts
LEGEND = {
    "h0": "as usual",
    "h1": "above its threshold",
    "h2": "1.5 times",
    "h3": "2.5 times",
    "h4": "5 times and more",
    "broken": "broken",
}


def drift_section(seen: Overview) -> str:
    """The newest check in a sentence, the map, and the shares of missing values."""
    if not seen.checks:
        return "<h2>Drift</h2><p>Nothing was checked for drift yet.</p>"
    newest = seen.checks[-1]
    parts = ["<h2>Drift</h2>", compared(newest)]
    if any(check.columns for check in seen.checks):
        parts += [drift_map(seen.checks), key(LEGEND)]
    return "\n".join(parts) + missing_section(seen.checks)


def compared(check: DriftCheckRecord) -> str:
    """Which rows the check compared, and where its own page lies."""
    old, new = check.reference, check.current
    windows = f"{new.rows:,} new rows ({span(new)}) against {old.rows:,} ({span(old)}). " if old and new else ""
    page = f"Its page: {shown(check.report_uri)}" if check.report_uri else ""
    return f"<p><small>{windows}{page}</small></p>" if windows or page else ""


def span(window: Window) -> str:
    """From when until when a window's rows are."""
    return " to ".join(unbroken(date(end)) for end in (window.time_from, window.time_to))


def when(check: DriftCheckRecord) -> datetime:
    """Where a check stands in time: at the end of its new rows, or when it was made."""
    return check.current.time_to if check.current else check.at


def drift_map(checks: Sequence[DriftCheckRecord]) -> str:
    """A row for each column, what matters most now on top."""
    by_check = [worst_measures(check.columns) for check in checks]
    latest: dict[str, DriftColumn] = {}
    for found in by_check:
        latest |= found
    # Columns of the newest check come first; those that it did not compare tell of the past.
    present = [column.column for column in worst_first(by_check[-1].values())]
    gone = [column.column for column in worst_first(latest.values()) if column.column not in by_check[-1]]
    wanted = (present + gone)[:ROWS]
    rows = [map_row(column, [found.get(column) for found in by_check]) for column in wanted]
    more = f", the first {ROWS} of {len(latest):,}" if len(latest) > ROWS else ""
    caption = (
        f"A row a column, what matters most on top{more}; a cell a check, {len(checks):,} in all, the newest right; "
        "now: the newest measure by its threshold"
    )
    dates = below(dict.fromkeys((date(when(checks[0])), date(when(checks[-1])))))
    return table({"column": "", dates: "", "now": "n", "importance": "n wide"}, rows, caption, "grid")


def map_row(column: str, history: Sequence[DriftColumn | None]) -> list[str]:
    """A column's cells, what the newest check says of it, and how much it matters."""
    shades = [shade(one) for one in history]
    alarms = sum(one is not None and one.drifted for one in history)
    broken = sum(one is not None and one.broken for one in history)
    says = f"{name(column)} drifted in {alarms} of {len(history)} checks" + (f", broken in {broken}" if broken else "")
    newest, importance = history[-1], next((one.importance for one in reversed(history) if one), None)
    weight = "" if importance is None else f"{importance:+.1%}"
    return [name(column), strip([*cells(shades), ("cross", crosses(shades))], says), now(newest), weight]


def shade(column: DriftColumn | None) -> str:
    """The class of a cell."""
    if column is None or (math.isnan(column.threshold) and not column.broken):
        return ""
    if column.broken:
        return "broken"
    times = excess(column)
    if not column.drifted and times < 1:
        return "h0"
    return next(kind for most, kind in STEPS if times < most or math.isinf(most))


def crosses(shades: Sequence[str]) -> str:
    """The `d` of a cross in each broken cell, for those who see no colours."""
    each = 1000 / max(len(shades), 1)
    at = (place * each for place, kind in enumerate(shades) if kind == "broken")
    return "".join(f"M{x:.1f} 0l{each:.1f} {HIGH}m0 -{HIGH}l-{each:.1f} {HIGH}" for x in at)


def now(column: DriftColumn | None) -> str:
    """What the newest check says of a column."""
    if column is None:
        return "not compared"
    if column.broken:
        return '<span class="alarm">broken</span>'
    times = excess(column)
    if math.isnan(column.threshold):
        return f"{column.score:.3g}" if math.isfinite(column.score) else ""
    return f"{times:,.1f} ×" if math.isfinite(times) else "no figure"


def missing_section(checks: Sequence[DriftCheckRecord]) -> str:
    """Shares of missing values, check by check, of the columns that had any."""
    shares: dict[str, list[float]] = {}
    judged: dict[str, DriftColumn] = {}
    for place, check in enumerate(checks):
        for column in check.columns:
            if column.method == MISSING:
                shares.setdefault(column.column, [0.0] * len(checks))[place] = column.score
                judged[column.column] = column
    some = [one for one in worst_first(judged.values()) if any(share > 0 for share in shares[one.column])]
    if not judged:
        return ""
    if not some:
        return f"<h3>Missing values</h3><p>None, in any of {len(judged):,} columns.</p>"
    rows = [missing_row(one, shares[one.column]) for one in some[:ROWS]]
    caption = "How much the share of rows without a value differs from before, by check; the height of a strip is 100 %"
    return "<h3>Missing values</h3>" + table(
        {"column": "", "": "", "now": "n", "threshold": "n wide"}, rows, caption, "grid"
    )


def missing_row(newest: DriftColumn, shares: Sequence[float]) -> list[str]:
    """A column's shares as bars, and the newest."""
    drawn = strip([("bars", boxes(bars(shares, most=1.0)))], f"Missing values of {name(newest.column)}, by check")
    share = f"{newest.score:.1%}" if math.isfinite(newest.score) else ""
    told = f'<span class="alarm">{share}</span>' if newest.broken else share
    return [name(newest.column), drawn, told, f"{newest.threshold:.1%}" if math.isfinite(newest.threshold) else ""]
