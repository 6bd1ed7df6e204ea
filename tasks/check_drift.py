"""Check for drift, in a process of its own while the champion is scored.

Evidently takes two seconds to import and TensorFlow as long, and Python can import only one of them at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import get_run_logger

from db.records import NewDriftCheck
from errors import NotEnoughData, ServerFailed
from learning.startup import large_import
from monitoring.decision import Pending
from monitoring.drift import MIN_ROWS, DriftVerdict, compare_files
from tasks.run import Context, Run, step

if TYPE_CHECKING:
    from learning.spec import DriftPolicy, Schema

IDLE_SECONDS = 60  # after which the process ends; until then the next check uses it, and need not import again

Comparison = Future[DriftVerdict]


def begin(context: Context, run_id: int, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from; None if there are too few."""
    spec = context.spec
    # Rows whose label came later are stored once more with it; they were compared when they arrived.
    arrived = [p for p in pending.partitions if p.kind == "rows"]
    learned = [p for p in context.registry.trained_on(spec.name, pending.champion) if p.kind == "rows"]
    if any(sum(partition.rows for partition in window) < MIN_ROWS for window in (arrived, learned)):
        return None
    reference, current = ([f.path for f in context.partition_files(window)] for window in (learned, arrived))
    return compare_elsewhere(reference, current, spec.schema, spec.drift, report_path(context, run_id))


def compare_elsewhere(
    reference: Sequence[Path], current: Sequence[Path], schema: Schema, policy: DriftPolicy, report: Path
) -> Comparison:
    """Have another process compare the rows of partitions' files: a future of the verdict."""
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=IDLE_SECONDS)
    comparison: Comparison = executor.submit(compare_here, reference, current, schema, policy, report)
    return comparison


def compare_here(
    reference: Sequence[Path], current: Sequence[Path], schema: Schema, policy: DriftPolicy, report: Path
) -> DriftVerdict:
    """What that process does."""
    with large_import("evidently"):
        import_module("evidently.metrics")  # before `compare_files` does
    return compare_files(reference, current, schema, policy, report)


def record(context: Context, run_id: int, pending: Pending, verdict: DriftVerdict) -> None:
    """Record what was found."""
    context.registry.record_drift(
        NewDriftCheck(
            run_id=run_id,
            model=context.spec.name,
            champion=pending.champion,
            drifted=verdict.drifted,
            share=verdict.share,
            reason=verdict.reason,
            report_uri=str(report_path(context, run_id)),
            columns=verdict.columns,
        )
    )


def report_path(context: Context, run_id: int) -> Path:
    """Where a run's drift report is written."""
    return context.settings.reports / context.spec.name / f"drift-run-{run_id}.html"


@step("begin drift check")
def begin_drift_check(run: Run, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from, in a process of its own."""
    return begin(run.context, run.id, pending)


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
    record(run.context, run.id, pending, verdict)
    get_run_logger().info(verdict.reason)
    return verdict
