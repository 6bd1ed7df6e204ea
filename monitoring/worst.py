"""Which columns a reader should see first: broken ones, then those that drifted furthest and matter most."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.verdict_records import DriftColumn

MISSING = "missing share"  # the measure whose figure is a share of rows without a value


def excess(column: DriftColumn) -> float:
    """How many times its threshold a measure is; 0 where it was shown and not judged, infinite where it is no number.

    Example:
        >>> from db.verdict_records import DriftColumn
        >>> excess(DriftColumn("speed", "wasserstein", 0.3, 0.15, drifted=True))
        2.0
    """
    if math.isnan(column.threshold):
        return 0.0
    if not math.isfinite(column.score):
        return math.inf
    return column.score / max(column.threshold, 1e-12)


def worst_first(columns: Iterable[DriftColumn]) -> list[DriftColumn]:
    """Broken ones first; then by how far above its threshold a measure is, times how much the column matters.

    A column whose importance is not known counts like the most important one: what is not known is no reason to hide.
    """
    columns = list(columns)
    known = [max(column.importance, 0.0) for column in columns if column.importance is not None]
    unknown = max(known, default=1.0) or 1.0

    def matters(column: DriftColumn) -> tuple[bool, float, bool, float, str, str]:
        times, weight = excess(column), unknown if column.importance is None else max(column.importance, 0.0)
        weighted = max(times - 1, 0.0) * weight if weight else 0.0  # infinity times 0 is no number
        return not column.broken, -weighted, not column.drifted, -times, column.column, column.method

    return sorted(columns, key=matters)


def worst_measures(columns: Iterable[DriftColumn]) -> dict[str, DriftColumn]:
    """The worst measure of each column."""
    found: dict[str, DriftColumn] = {}
    rank: dict[str, tuple[bool, bool, float]] = {}
    for column in columns:
        bad = column.broken, column.drifted, excess(column)
        if column.column not in found or bad > rank[column.column]:
            found[column.column], rank[column.column] = column, bad
    return found


def each_worst(columns: Iterable[DriftColumn]) -> list[DriftColumn]:
    """The worst measure of each column, worst column first."""
    return worst_first(worst_measures(columns).values())
