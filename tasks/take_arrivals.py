"""Take the rows that arrived for a run's model."""

from prefect import get_run_logger

from arrivals.ingest import ingest
from arrivals.sources import IngestResult
from tasks.run import Run, shown_progress, step


@step("take arrivals")
def take_arrivals(run: Run) -> IngestResult:
    """Take what arrived for the run's model, and say so in the log."""
    context, log = run.context, get_run_logger()
    with shown_progress("arrivals") as progress:
        arrived = ingest(
            context.spec,
            context.registry,
            context.store,
            landing=context.settings.landing,
            cache=context.settings.cache,
            run_id=run.id,
            progress=progress,
        )
    for reason in arrived.reasons:
        log.warning(reason)
    log.info(arrived.summary)
    return arrived
