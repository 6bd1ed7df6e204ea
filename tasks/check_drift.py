"""Check for drift, in a process of its own while the champion is scored.

Evidently takes two seconds to import and TensorFlow as long, and Python can import only one of them at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

from prefect import get_run_logger

from db.verdict_records import NewDriftCheck
from errors import NotEnoughData, ServerFailed
from learning.spec import DriftPolicy, Schema
from learning.startup import after_large_import
from monitoring.decision import Pending
from monitoring.drift import MIN_ROWS, DriftVerdict, compare_files
from tasks.run import Run, step
from tasks.seeing import show_on_timeline

IDLE_SECONDS = 60  # after which the process ends; until then the next check uses it, and need not import again

Comparison = Future[DriftVerdict]


def compare_elsewhere(
    reference: Sequence[Path], current: Sequence[Path], schema: Schema, policy: DriftPolicy, report: Path
) -> Comparison:
    """Have another process compare the rows of partitions' files: a future of the verdict."""
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=IDLE_SECONDS)
    # No function of this file, or that process would import Prefect too.
    comparison: Comparison = executor.submit(
        after_large_import, "evidently.metrics", compare_files, reference, current, schema, policy, report
    )
    return comparison


def report_path(run: Run) -> Path:
    """Where a run's drift report is written."""
    return run.context.settings.reports / run.model / f"drift-run-{run.id}.html"


@step("begin drift check")
def begin_drift_check(run: Run, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from; None if there are too few."""
    context, spec = run.context, run.context.spec
    # Rows whose label came later are stored once more with it; they were compared when they arrived.
    arrived = [p for p in pending.partitions if p.kind != "labels"]
    learned = [p for p in context.registry.trained_on(spec.name, pending.champion) if p.kind != "labels"]
    if any(sum(partition.rows for partition in window) < MIN_ROWS for window in (arrived, learned)):
        return None
    reference, current = ([f.path for f in context.partition_files(window)] for window in (learned, arrived))
    return compare_elsewhere(reference, current, spec.schema, spec.drift, report_path(run))


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
    run.context.registry.record_drift(
        NewDriftCheck(
            run_id=run.id,
            model=run.model,
            champion=pending.champion,
            report_uri=str(report_path(run)),
            **{name: value for name, value in vars(verdict).items() if name != "attention"},
        )
    )
    show_on_timeline(run)
    run.attention.extend(verdict.attention)
    get_run_logger().info(verdict.reason)
    return verdict
