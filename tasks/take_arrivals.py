"""Take the rows that arrived for a run's model."""

from arrivals.ingest import ingest
from arrivals.ingest_result import IngestResult
from evergreen_client.shown import markdown
from tasks.logs import run_logger
from tasks.report import publish
from tasks.run import Run, step
from tasks.shown_progress import shown_progress


@step("take arrivals")
def take_arrivals(run: Run) -> IngestResult:
    """Take what arrived for the run's model, and say so in the log; what needs attention in the UI too."""
    context, log = run.context, run_logger()
    if context.past:
        return context.past.arrive(run)
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
    for sentence in dict.fromkeys((*arrived.reasons, *arrived.attention)):
        log.warning(sentence)
    log.info(arrived.summary)
    run.attention += arrived.attention
    if run.attention:
        listed = "\n".join(f"- {markdown(sentence)}" for sentence in run.attention)
        publish(f"# {run.model}: needs attention\n\n{listed}", f"attention-{run.model}", arrived.summary)
    return arrived
