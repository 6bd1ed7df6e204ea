"""Check how the champion fares on what arrives, by its track record: in control, a warning, or broken since when."""

from __future__ import annotations

from db.verdict_records import NewPerformanceCheck
from monitoring.decision import Pending
from monitoring.performance import Performance, judge
from monitoring.track_record import live_track
from tasks.logs import run_logger
from tasks.run import Context, Run, step


def performance_of(context: Context) -> Performance:
    """How the champion fares, from what the registry has of it.

    Raises:
        NoChampion: nothing was promoted yet.
    """
    registry, spec = context.registry, context.spec
    champion = registry.champion(spec.name).number
    promises = registry.promises(spec.name)
    losses, worse = live_track(registry, spec)
    promise = promises[-1] if promises and promises[-1].number == champion else None
    return judge(losses, champion, worse=worse, promise=promise)


@step("check performance")
def check_performance(run: Run, pending: Pending) -> Performance:
    """How the champion fares, once it was scored on what arrived."""
    found = performance_of(run.context)
    run.context.registry.record_performance(
        NewPerformanceCheck(run_id=run.id, model=run.model, champion=pending.champion, **vars(found))
    )
    log = run_logger()
    (log.warning if found.state in ("warning", "broken") else log.info)("%s: %s", found.state, found.reason)
    return found
