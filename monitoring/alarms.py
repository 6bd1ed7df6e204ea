"""Which findings of a run are news, by what the registry has of those before: nobody is woken twice for one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.verdict_records import DriftCheckRecord, DriftColumn, EvaluationRecord, PerformanceCheckRecord

Check = TypeVar("Check", "DriftCheckRecord", "PerformanceCheckRecord")

BROKE = "evergreen.performance.broke"
DRIFTED = "evergreen.drift.found"
DATA_BROKEN = "evergreen.data.broken"
STUCK = "evergreen.model.stuck"

NAMES = 20  # columns that an event names at most: it is a wake-up, the registry has the rest
REASON = 300  # characters of a reason in it


@dataclass(frozen=True)
class Alarm:
    """Something that others are to hear of: the event's name, and a few facts. Never a row's values."""

    event: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """The alarms that a champion's newest challenger answered, and was not promoted for.

    Args:
        challenger: its number.
        drifted: the columns that had drifted.
        warned: whether performance gave a warning, or was broken.
        rows_since: labelled rows that arrived since it was judged.
    """

    challenger: int
    drifted: frozenset[str]
    warned: bool
    rows_since: int


def answered_by(
    evaluation: EvaluationRecord | None,
    champion: int,
    partitions: Iterable[PartitionRecord],
    drift: Sequence[DriftCheckRecord],
    performance: Sequence[PerformanceCheckRecord],
) -> Answered | None:
    """What the newest challenger answered, from the registry's facts; None if it was one of another champion.

    Args:
        evaluation: the model's newest.
        champion: number of the champion.
        partitions: the pending ones.
        drift: the drift checks of the run that evaluated.
        performance: its performance checks.
    """
    if evaluation is None or evaluation.champion != champion:
        return None
    columns = [column for check in drift for column in check.columns]
    warned = any(check.state in {"warning", "broken"} for check in performance)
    rows = sum(partition.labelled_rows for partition in partitions if partition.arrived_at > evaluation.at)
    return Answered(evaluation.challenger, drifted(columns), warned, rows)


def drifted(columns: Iterable[DriftColumn]) -> frozenset[str]:
    """The columns that drifted."""
    return frozenset(column.column for column in columns if column.drifted)


def grew(columns: Iterable[DriftColumn], before: frozenset[str]) -> bool:
    """Whether columns drifted that had not before."""
    return not drifted(columns) <= before


def news(
    run_id: int,
    drift: Sequence[DriftCheckRecord],
    performance: Sequence[PerformanceCheckRecord],
    *,
    again: bool = False,
) -> tuple[Alarm, ...]:
    """What the checks of a run found that those before it, of the same champion, had not.

    Args:
        run_id: the run.
        drift: the model's drift checks, newest first.
        performance: its performance checks, newest first.
        again: tell also what is not new, since a retrain that had to wait has now become due.
    """
    return (*_of_performance(run_id, performance, again=again), *_of_data(run_id, drift, again=again))


def _of_performance(run_id: int, checks: Sequence[PerformanceCheckRecord], *, again: bool) -> Iterator[Alarm]:
    """That the champion's performance broke: it had not before, or has once more, later."""
    for check, before in _in_pairs(run_id, checks):
        known = before is not None and before.state == "broken"
        later = known and check.since and before and before.since and check.since > before.since
        if check.state == "broken" and (again or later or not known):
            since = check.since.isoformat() if check.since else None
            yield Alarm(BROKE, _facts(check) | {"since": since})


def _of_data(run_id: int, checks: Sequence[DriftCheckRecord], *, again: bool) -> Iterator[Alarm]:
    """That the data are broken, or have drifted: they had not before, or now in another column too."""
    for check, before in _in_pairs(run_id, checks):
        broken, known = (sorted({c.column for c in one.columns if c.broken}) if one else [] for one in (check, before))
        if check.broken and not (before and before.broken and set(broken) <= set(known)):
            yield Alarm(DATA_BROKEN, _facts(check) | {"columns": broken[:NAMES]})
        known_drift = before is not None and before.drifted and not grew(check.columns, drifted(before.columns))
        if check.drifted and (again or not known_drift):
            yield Alarm(DRIFTED, _facts(check) | {"columns": sorted(drifted(check.columns))[:NAMES]})


def _in_pairs(run_id: int, checks: Sequence[Check]) -> Iterator[tuple[Check, Check | None]]:
    """The newest check of a run, beside the one before it of the same champion."""
    found = next((check for check in checks if check.run_id == run_id), None)
    if found:
        yield found, next((c for c in checks if c.id < found.id and c.champion == found.champion), None)


def _facts(check: DriftCheckRecord | PerformanceCheckRecord) -> dict[str, Any]:
    return {"run": check.run_id, "champion": check.champion, "reason": shorten(check.reason, REASON, placeholder=" …")}
