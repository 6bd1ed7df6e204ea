"""Decide whether the pending data are worth a retrain now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import clock
from db.arrival_records import PartitionRecord
from db.records import WATCH, RunEnding, RunRecord
from learning.spec import ModelSpec
from monitoring.alarms import Answered, answered_by
from monitoring.decision import TOO_FEW, Facts, Pending, decide, rows_to_judge
from monitoring.drift import DriftVerdict
from monitoring.performance import Performance
from monitoring.track_record import world_turned
from tasks.check_base import ageing
from tasks.find_pending import is_void, since_refusal
from tasks.logs import run_logger
from tasks.run import Context, Run, step
from tasks.unlearned import judging


def facts_of(
    context: Context,
    pending: Pending,
    drift: DriftVerdict | None,
    performance: Performance | None,
    now: datetime | None = None,
) -> Facts:
    """What is known when it is decided: what the checks found, and what the registry remembers."""
    registry, model = context.registry, context.spec.name
    last = registry.newest_run(model, ("retrain",))
    turned = world_turned(registry, context.spec) if "performance" in context.spec.retrain.when else None
    unjudged = last is not None and is_void(context, last)  # nothing was refused, and no alarm has its answer
    refused = None if unjudged else since_refusal(context.spec, pending.champion, pending.partitions, last)
    return Facts(
        drift=drift,
        performance=performance,
        learned_at=registry.champion(model).created_at,
        last_retrain=last.finished_at if last else None,
        now=now or clock.now(),
        answered=None if unjudged else answered(context, pending),
        new_rows=None if unjudged else rows_since_refusal(context.spec, pending, last),
        stop_when_broken=context.spec.drift.stop_when_broken,
        unchecked="no check for drift" if context.past else TOO_FEW,
        turned=turned,
        since_turn=rows_since(turned, (*registry.trained_on(model, pending.champion), *pending.partitions)),
        new_since_turn=rows_since(turned, pending.partitions if refused is None else refused),
    )


def rows_since(turned: datetime | None, partitions: Sequence[PartitionRecord]) -> int:
    """Labelled rows of partitions that have some since the world turned; none where it did not."""
    return sum(one.labelled_rows for one in judging(partitions, turned)) if turned else 0


def rows_since_refusal(spec: ModelSpec, pending: Pending, last: RunRecord | None) -> int | None:
    """Labelled rows that arrived since the last retrain refused its challenger; None if it did not."""
    new = since_refusal(spec, pending.champion, pending.partitions, last)
    return None if new is None else sum(partition.labelled_rows for partition in new)


def answered(context: Context, pending: Pending) -> Answered | None:
    """The alarms that the champion's newest challenger answered, if a retrain made one; online none does."""
    registry, model = context.registry, context.spec.name
    tried = next(iter(registry.model_evaluations(model, limit=1, online=False)), None)
    if tried is None or tried.run_id is None:
        return None
    checks = (
        registry.drift_checks(model, run_id=tried.run_id),
        registry.performance_checks(model, run_id=tried.run_id),
    )
    return answered_by(tried, pending.champion, pending.partitions, *checks)


def decision(
    context: Context,
    pending: Pending,
    drift: DriftVerdict | None,
    performance: Performance | None,
    now: datetime | None = None,
) -> RunEnding:
    """Whether the pending data are worth a retrain at a time: by default, the present."""
    spec, facts = context.spec, facts_of(context, pending, drift, performance, now)
    return decide(pending, facts, spec.retrain, rows_to_judge(pending, spec.gate))


@step("decide whether to retrain")
def decide_retrain(
    run: Run, pending: Pending, drift: DriftVerdict | None, performance: Performance | None
) -> RunEnding:
    """Whether the pending data are worth a retrain now; and whether the base is still one for them."""
    if remark := ageing(run.context, pending):
        run_logger().warning(remark)
        run.remarks.append(remark)
    return decision(run.context, pending, drift, performance, run.started_at)


def watched(ending: RunEnding) -> RunEnding:
    """What a watch came to: a retrain is due, or waits; the watch itself trains nothing."""
    return RunEnding("due" if ending.decision == "retrain" else ending.outcome, WATCH, ending.reason)
