"""Which rows may judge: none that a version has learned, which looks better on them than it is.

An adopted model was trained elsewhere, where nobody knew of our holdout. A champion that learned online has learned
some rows of partitions that are pending still. Every step that judges asks here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from errors import UnknownModel, UnknownVersion
from learning.adoption import KIND
from learning.blocks import proving_window

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from tasks.run import Context

FIRST = 1  # only version 1 can be adopted; all others start from it, or from the same file
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
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


def unseen(
    context: Context, number: int, partitions: Sequence[PartitionRecord], since: datetime
) -> tuple[PartitionRecord, ...]:
    """The partitions of which a version has learned no row online, if rows of any are as new as that; else all."""
    seen = {partition.digest for partition in context.registry.partly_learned(context.spec.name, number)}
    left = tuple(partition for partition in partitions if partition.digest not in seen)
    return left if judging(left, since) else tuple(partitions)


def partly_seen(context: Context, number: int, partitions: Sequence[PartitionRecord]) -> str:
    """That rows judge of which a version has learned some online, in a clause; "" if it did not."""
    seen = {partition.digest for partition in context.registry.partly_learned(context.spec.name, number)}
    found = sum(partition.digest in seen for partition in partitions)
    what = f"{found:,} partition{'s' * (found != 1)} of the proving window, as there are no others"
    return f"version {number} has learned online some rows of {what}: it looks better there than it is" if found else ""


def window(context: Context, champion: int, partitions: Sequence[PartitionRecord]) -> datetime | None:
    """When the proving window begins; None where there is none.

    It is of rows that the champion has not seen, also where older ones are all that it has not learned online.
    """
    schema, gate = context.spec.schema, context.spec.gate
    start = proving_window(schema, gate, context.partition_files(partitions))
    if start is None:
        return None
    seen = {partition.digest for partition in context.registry.partly_learned(context.spec.name, champion)}
    left = [partition for partition in partitions if partition.digest not in seen]
    if not judging(left, start):
        start = proving_window(schema, gate, context.partition_files(left)) or start
    return later(start, judged_since(context))


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
