"""What a run leaves for people to look at: the page about its model, and the drift check on Evidently's timeline."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from clock import now
from db.records import RunEnding
from evaluation.promises import in_a_sentence
from evergreen_client.shown import gist
from learning.startup import after_large_import
from monitoring.document import save
from monitoring.overview import overview
from monitoring.page import monitor_page
from tasks.logs import run_logger
from tasks.run import Run

TIMELINE = "the drift check's place on Evidently's timeline"

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def write_page(run: Run, ending: RunEnding) -> None:
    """Write the page about the run's model afresh, with this run as it is about to end; a dry run leaves it alone."""
    if run.dry:
        return

    def write() -> None:
        seen = overview(run.context.registry, run.model)
        here = {"finished_at": now(), **vars(ending)}
        runs = tuple(replace(one, **here) if one.id == run.id else one for one in seen.runs)
        page = monitor_page(replace(seen, runs=runs), in_a_sentence(seen.promises))
        save(page, run.context.settings.monitor_page(run.model))

    unless_it_fails(write, "the page about the model")


def show_on_timeline(run: Run) -> None:
    """Add the run's drift check to Evidently's timeline, in the process that has imported Evidently already.

    Nobody waits for it, and where it fails, the log says so.
    """
    if not run.dry:
        unless_it_fails(lambda: begin_to_show(run), TIMELINE)


def begin_to_show(run: Run) -> Future[None]:
    """Have the other process write the newest drift check to the timeline."""
    from loky import get_reusable_executor

    from monitoring.evidently_report import add_to_timeline

    (check,) = run.context.registry.drift_checks(run.model, limit=1)
    facts = {
        "name": f"run {run.id}",
        "at": check.current.time_to if check.current else check.at,
        "share": check.share,
        "columns": check.columns,
    }
    work = (add_to_timeline, run.context.settings.workspace, run.model)
    executor = get_reusable_executor(max_workers=1, reuse=True)
    writing: Future[None] = executor.submit(after_large_import, "evidently.metrics", *work, **facts)
    writing.add_done_callback(partial(warn_of_failure, run_logger()))
    return writing


def warn_of_failure(logger: Logger, writing: Future[None]) -> None:
    """Say in the log that the timeline could not be written, if that is so."""
    if not writing.cancelled() and (error := writing.exception()):
        logger.warning("%s could not be written: %s", TIMELINE, gist(error))


def unless_it_fails(write: Callable[[], object], what: str) -> None:
    """Write something to look at; if that fails, the run is what it was, and its log says so."""
    try:
        write()
    except Exception:  # noqa: BLE001 - a full disk, a file that somebody holds open, a format that has moved
        run_logger().warning("%s could not be written", what, exc_info=True)
