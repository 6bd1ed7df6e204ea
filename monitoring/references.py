"""What newly arrived rows are compared with: the rows of a reference, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from db.arrival_records import PartitionRecord
from monitoring.drift import MIN_ROWS

if TYPE_CHECKING:
    from learning.spec import DriftPolicy

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Span = tuple[datetime, datetime]
Count = Callable[[Sequence[PartitionRecord], Sequence[Span]], int]


@dataclass(frozen=True)
class Reference:
    """What is compared with.

    Args:
        name: "champion", "previous" or "season".
        partitions: where the rows are, oldest first.
        spans: only rows whose time is in one of these; all of them if there are none.
        remark: why it is not what the policy names; "" where it is.
    """

    name: str
    partitions: tuple[PartitionRecord, ...]
    spans: tuple[Span, ...] = ()
    remark: str = ""


def length(text: str) -> timedelta:
    """A length of time as a spec has it.

    Example:
        >>> length("52w").days, length("6h").seconds
        (364, 21600)
    """
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def reference_for(
    policy: DriftPolicy,
    arrived: Sequence[PartitionRecord],
    learned: Sequence[PartitionRecord],
    known: Sequence[PartitionRecord],
    count: Count,
) -> Reference:
    """What the policy wants the arrived rows compared with; what the champion learned, where there is none of that.

    Args:
        policy: which reference is wanted.
        arrived: the new partitions, at least one.
        learned: those that the champion's line learned from, oldest first.
        known: all others that have arrived so far, learned or not, oldest first.
        count: counts the rows of some partitions whose time is in one of some spans.
    """
    if policy.reference == "previous":
        before = previous(arrived, known)
        if rows(before) >= MIN_ROWS:
            return Reference("previous", before)
        return Reference(
            "champion", tuple(learned), (), "too little arrived before these rows to be compared with them"
        )
    if policy.reference == "season":
        spans = merged([(p.time_from - length(policy.season), p.time_to - length(policy.season)) for p in arrived])
        there = tuple(p for p in known if any(p.time_from <= end and start <= p.time_to for start, end in spans))
        if rows(there) >= MIN_ROWS and count(there, spans) >= MIN_ROWS:
            return Reference("season", there, spans)
        return Reference(
            "champion", tuple(learned), (), f"nothing is known of the time {policy.season} before these rows"
        )
    return Reference("champion", tuple(learned))


def previous(arrived: Sequence[PartitionRecord], known: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
    """The newest partitions before the arrived ones, so many that they have as many rows and span as much time."""
    start, span = min(p.time_from for p in arrived), _span(arrived)
    wanted, chosen = max(rows(arrived), MIN_ROWS), list[PartitionRecord]()
    for partition in sorted(known, key=lambda p: p.time_to, reverse=True):
        if partition.time_from >= start:
            continue
        if rows(chosen) >= wanted and _span(chosen) >= span:
            break
        chosen.append(partition)
    return tuple(reversed(chosen))


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same times in as few spans as they need, in order."""
    found = list[Span]()
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return tuple(found)


def rows(partitions: Sequence[PartitionRecord]) -> int:
    """How many rows these have."""
    return sum(partition.rows for partition in partitions)


def _span(partitions: Sequence[PartitionRecord]) -> timedelta:
    return max(p.time_to for p in partitions) - min(p.time_from for p in partitions)
