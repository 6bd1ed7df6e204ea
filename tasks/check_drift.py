"""Check for drift, in a process of its own while the champion is scored.

Evidently takes two seconds to import and TensorFlow as long, and Python can import only one of them at a time. So the
other process compares the columns that arrived while this one scores them; then this one knows what the champion makes
of them, and the other process, which is warm by now, compares that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from db.garbage import keep_newest
from db.verdict_records import NewDriftCheck
from errors import NotEnoughData, ServerFailed
from learning.spec import DriftPolicy
from learning.startup import after_large_import
from monitoring.decision import Pending
from monitoring.drift import MIN_ROWS, DriftVerdict, compare_sides, growing_and_faults
from monitoring.parts import together
from monitoring.references import Reference, rows
from monitoring.windows import compare_rows, drawn
from tasks.drift_outputs import expected_columns, output_sides
from tasks.drift_windows import WindowFiles, chosen_reference, compared_columns, window_files, without_late_labels
from tasks.logs import run_logger
from tasks.run import GIVEN, Context, Run, step
from tasks.seeing import show_on_timeline
from tasks.weigh_columns import known_weights, weights

R = TypeVar("R")
LEAST_ALPHA = 0.001  # a smaller chance could not be read from as many resamples as there are
REPORTS, PAGES = "drift-run-*.html", 1_000  # pages about a model's checks that are kept: of 34 KB each, or so
IDLE_SECONDS = 60  # after which the process ends; until then the next check uses it, and need not import again


class Comparison:
    """A check on its way: what is compared with what, and what the other process was asked already.

    No dataclass: Prefect walks through the fields of those at every step.
    """

    def __init__(self, reference: Reference, windows: tuple[WindowFiles, WindowFiles]) -> None:
        self.reference, self.windows = reference, windows
        self.asked: Future[DriftVerdict] | None = None


def elsewhere(function: Callable[..., R], *args: Any, **kwargs: Any) -> Future[R]:
    """Have another process, which has imported Evidently, call a function; a backtest calls it here."""
    if GIVEN.get() is not None:
        return here(function, *args, **kwargs)
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, timeout=IDLE_SECONDS)
    # No function of this file, or that process would import Prefect too.
    future: Future[R] = executor.submit(after_large_import, "evidently.metrics", function, *args, **kwargs)
    return future


def here(function: Callable[..., R], *args: Any, **kwargs: Any) -> Future[R]:
    """Call a function at once; what it raises comes out where its answer is asked for."""
    future: Future[R] = Future()
    try:
        future.set_result(function(*args, **kwargs))
    except NotEnoughData as error:
        future.set_exception(error)
    return future


def report_path(run: Run) -> Path:
    """Where a run's drift report is written."""
    return run.context.settings.reports / run.model / f"drift-run-{run.id}.html"


def compare_inputs(run: Run, comparison: Comparison, importance: Mapping[str, float]) -> Future[DriftVerdict]:
    """Have the columns that arrived compared."""
    context, (reference, current) = run.context, comparison.windows
    columns = compared_columns(context.spec)
    return elsewhere(
        compare_rows,
        reference.rows,
        current.rows,
        columns,
        sharing_alpha(context.spec.drift, len(columns), expected_columns(context)),
        report=None if context.past else report_path(run),
        importance=dict(importance),
        reference_name=comparison.reference.name,
        title=f"{run.model}: drift check of run {run.id}",
    )


def compare_made(context: Context, champion: int, comparison: Comparison) -> Future[DriftVerdict]:
    """Have compared what the champion makes of both windows."""
    try:
        sides = output_sides(context, context.registry.version(context.spec.name, champion), comparison.windows)
    except NotEnoughData as error:
        cannot_tell: Future[DriftVerdict] = Future()
        cannot_tell.set_exception(error)
        return cannot_tell
    policy = sharing_alpha(context.spec.drift, expected_columns(context), len(compared_columns(context.spec)))
    name = comparison.reference.name
    return elsewhere(compare_sides, sides.reference, sides.current, sides.columns, policy, reference_name=name)


def broken_inputs(context: Context, comparison: Comparison) -> bool:
    """Whether a check would find a column broken of those that arrived: a third of its work tells."""
    (reference, current), columns = comparison.windows, compared_columns(context.spec)
    with suppress(NotEnoughData):
        found = drawn(reference.rows, current.rows, columns, context.spec.drift.max_rows)
        return bool(growing_and_faults(found.reference, found.current, found.columns)[1])
    return False


def broken_outputs(context: Context, champion: int, comparison: Comparison) -> bool:
    """The same of what the champion makes of the rows."""
    with suppress(NotEnoughData):
        found = output_sides(context, context.registry.version(context.spec.name, champion), comparison.windows)
        return bool(growing_and_faults(found.reference, found.current, found.columns)[1])
    return False


def sharing_alpha(policy: DriftPolicy, columns: int, others: int) -> DriftPolicy:
    """The policy for one part of a check: the chance of a false alarm is shared out by columns."""
    return replace(policy, alpha=max(LEAST_ALPHA, policy.alpha * columns / (columns + others)))


@step("begin drift check")
def begin_drift_check(run: Run, pending: Pending) -> Comparison | None:
    """Begin to compare the pending rows with what the champion learned from; None if there are too few."""
    context, arrived = run.context, without_late_labels(pending.partitions)
    if rows(arrived) < MIN_ROWS:
        return None
    reference = chosen_reference(context, pending.champion, arrived)
    if rows(reference.partitions) < MIN_ROWS:
        return None
    windows = window_files(context, reference.partitions, reference.spans), window_files(context, arrived)
    comparison = Comparison(reference, windows)
    if context.past:
        return comparison
    known = known_weights(context, context.registry.version(run.model, pending.champion))
    if known is None:  # they are measured first; meanwhile the other process may import
        elsewhere(len, ())
    else:
        comparison.asked = compare_inputs(run, comparison, known)
    return comparison


def verdict_of(run: Run, champion: int, comparison: Comparison) -> DriftVerdict | None:
    """What the two parts of a check come to; None, with a warning, where neither is possible."""
    context, asked, found = run.context, comparison.asked, list[DriftVerdict | None]()
    remarks = [comparison.reference.remark] if comparison.reference.remark else []
    if asked is None:
        asked = compare_inputs(run, comparison, weights(context, context.registry.version(run.model, champion)))
    # What the champion makes of the rows is computed while the other process is still at the columns.
    outputs = compare_made(context, champion, comparison)
    for what, part in {"the columns were": asked, "what the champion makes of the rows was": outputs}.items():
        try:
            found.append(part.result())
        except NotEnoughData as error:
            found.append(None)
            remarks.append(f"{what} not compared: {error}")
    verdict = together(found[0], found[1], tuple(remarks))
    if verdict is None:
        run_logger().warning("no check for drift: %s", "; ".join(remarks))
    return verdict


@step("check drift")
def check_drift(run: Run, pending: Pending, comparison: Comparison | None) -> DriftVerdict | None:
    """Have the pending rows drifted away from what they are compared with?"""
    if comparison is None:
        run_logger().info("too few rows to check for drift")
        return None
    try:
        past = run.context.past
        verdict = (
            past.drift_verdict(run, pending, comparison) if past else verdict_of(run, pending.champion, comparison)
        )
    except BrokenExecutor as error:
        raise ServerFailed(
            "the process that checks for drift", "something ended it", "see whether memory ran out, and run again"
        ) from error
    if verdict is None:
        return None
    found = {name: value for name, value in vars(verdict).items() if name != "attention"}
    run.context.registry.record_drift(
        NewDriftCheck(
            run_id=run.id, model=run.model, champion=pending.champion, report_uri=str(report_path(run)), **found
        )
    )
    if run.context.past is None:
        keep_newest(report_path(run).parent, REPORTS, PAGES)
        show_on_timeline(run)
    run.attention.extend(verdict.attention)
    run_logger().info(verdict.reason)
    return verdict
