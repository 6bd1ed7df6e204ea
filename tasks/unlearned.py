"""Which rows may judge: of an adopted model, none that it has learned elsewhere, held out here or not.

Its training elsewhere knew nothing of our holdout, and on rows that it was trained on any model looks better than it
is. Every step that judges asks here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from errors import UnknownModel, UnknownVersion
from learning.adoption import KIND

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from tasks.run import Context

FIRST = 1  # only version 1 can be adopted; all others start from it, or from the same file
END = datetime(9999, 1, 1, tzinfo=UTC)


def judged_since(context: Context) -> datetime | None:
    """The time from which on rows may judge a version; None where all rows may."""
    try:
        plan = context.registry.version(context.spec.name, FIRST).plan
    except (UnknownModel, UnknownVersion):
        return None
    return datetime.fromisoformat(plan["trained_before"]) if plan.get("kind") == KIND else None


def judging(partitions: Sequence[PartitionRecord], since: datetime | None) -> tuple[PartitionRecord, ...]:
    """The partitions that have rows which may judge."""
    return tuple(p for p in partitions if since is None or p.time_to >= since)


def later(*moments: datetime | None) -> datetime | None:
    """The latest of some times; None where there is none.

    Example:
        >>> later(None, datetime(2026, 1, 1), None), later(None)
        (datetime.datetime(2026, 1, 1, 0, 0), None)
    """
    return max((moment for moment in moments if moment is not None), default=None)


def clipped(
    spans: Sequence[tuple[datetime, datetime]], since: datetime | None
) -> tuple[tuple[datetime, datetime], ...]:
    """Spans of time, of which () is all of it, without what lies before a time.

    Example:
        >>> year = [datetime(number, 1, 1) for number in range(2021, 2025)]
        >>> clipped([(year[0], year[1]), (year[1], year[3])], since=year[2])
        ((datetime.datetime(2023, 1, 1, 0, 0), datetime.datetime(2024, 1, 1, 0, 0)),)
    """
    if since is None:
        return tuple(spans)
    left = tuple((max(start, since), end) for start, end in spans or [(since, END)] if end >= since)
    return left or ((END, END),)
