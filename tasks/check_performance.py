"""Check how the champion fares on what arrived."""

from __future__ import annotations

import math

from db.verdict_records import NewPerformanceCheck
from monitoring.decision import Pending
from monitoring.performance import Performance
from tasks.run import Context, Run, step


def performance_of(_context: Context) -> Performance:
    """How the champion fares, from its track record."""
    return Performance("cannot tell", None, "too few blocks", 0, math.nan, None)


@step("check performance")
def check_performance(run: Run, pending: Pending) -> Performance:
    """How the champion fares on what arrived; it is recorded."""
    found = performance_of(run.context)
    run.context.registry.record_performance(
        NewPerformanceCheck(run_id=run.id, model=run.model, champion=pending.champion, **vars(found))
    )
    return found
