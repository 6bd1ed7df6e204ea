"""The drift check of a run: it goes on in a process of its own while the champion is scored.

Evidently takes two seconds to import and TensorFlow as long, and Python can import only one of them at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import get_run_logger

from db.records import NewDriftCheck
from errors import NotEnoughData, ServerFailed
from tasks.decision import Pending
from tasks.drift import MIN_ROWS, DriftVerdict, compare_files
from tasks.house import House, opened
from tasks.recording import Run, step

if TYPE_CHECKING:
    from models.spec import DriftPolicy, Schema

IDLE_SECONDS = 10  # after which the process ends; until then the next check of the same process uses it again

Comparison = Future[DriftVerdict]


def begin(house: House, run_id: int, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from; None if there are too few."""
    registry, spec = house.registry, house.spec
    # Rows whose label came later are stored once more with it; they were compared when they arrived.
    arrived = [p for p in registry.partitions(spec.name) if p.digest in pending.partitions and p.kind == "rows"]
    learned = [p for p in registry.trained_on(spec.name, pending.champion) if p.kind == "rows"]
    if any(sum(partition.rows for partition in window) < MIN_ROWS for window in (arrived, learned)):
        return None
    reference, current = ([file.path for file in house.rows(partitions)] for partitions in (learned, arrived))
    return compare_elsewhere(reference, current, spec.schema, spec.drift, report_path(house, run_id))


def compare_elsewhere(
    reference: Sequence[Path], current: Sequence[Path], schema: Schema, policy: DriftPolicy, report: Path
) -> Comparison:
    """Have another process compare the rows of partitions' files: a future of `drift.compare_files`."""
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=IDLE_SECONDS)
    comparison: Comparison = executor.submit(compare_files, reference, current, schema, policy, report)
    return comparison


def record(house: House, run_id: int, pending: Pending, verdict: DriftVerdict) -> None:
    """Record what was found."""
    house.registry.record_drift(
        NewDriftCheck(
            run_id=run_id,
            model=house.spec.name,
            champion=pending.champion,
            drifted=verdict.drifted,
            share=verdict.share,
            reason=verdict.reason,
            report_uri=str(report_path(house, run_id)),
            columns=verdict.columns,
        )
    )


def report_path(house: House, run_id: int) -> Path:
    """Where a run's drift report is written."""
    return house.settings.reports / house.spec.name / f"drift-run-{run_id}.html"


@step("begin drift check")
def begin_drift_check(run: Run, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from, in a process of its own."""
    with opened(run.model) as house:
        return begin(house, run.id, pending)


@step("check drift")
def check_drift(run: Run, pending: Pending, comparison: Comparison | None) -> DriftVerdict | None:
    """Have the pending rows drifted away from what the champion learned from?"""
    try:
        verdict = comparison.result() if comparison else None
    except BrokenExecutor as error:
        raise ServerFailed(
            "the process that checks for drift", "something ended it", "see whether memory ran out, and run again"
        ) from error
    except NotEnoughData as error:
        get_run_logger().warning("no check for drift: %s", error)
        return None
    if verdict is None:
        get_run_logger().info("too few rows to check for drift")
        return None
    with opened(run.model) as house:
        record(house, run.id, pending, verdict)
    get_run_logger().info(verdict.reason)
    return verdict
