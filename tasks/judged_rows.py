"""Which of the pending rows judge a challenger: the newest, all of them in folds, or what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from evaluation.comparison import events
from learning.data import Selection, Split, blocks_of, row_count, select
from learning.folds import fold_starts
from monitoring.decision import Pending, rows_to_judge
from monitoring.track_record import world_turned
from tasks.run import Context, Run, step
from tasks.unlearned import BEGINNING, judged_since, judging, later, unseen, window

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from learning.objectives import Objective


def judged_by(context: Context, pending: Pending, new: Sequence[PartitionRecord] = ()) -> Pending:
    """The pending work with the rows that judge it.

    After a refusal, a share of all that is pending would grow with each one, and leave each challenger older rows to
    learn from. So the window is of what is new since, where that is enough for a verdict.

    Folds take as many trainings more, so they are only where the newest rows hold too few events, as where a class is
    rare: to wait until a quarter of the pending rows holds enough takes four times as long as until all of them do.

    Args:
        context: what is opened for the model.
        pending: the work.
        new: those of its partitions that arrived since a challenger was refused; () if the newest was not.
    """
    since = window(context, pending.champion, pending.partitions)
    if since is None:
        return judged(context, pending, None, "holdout")[0]
    recent = window(context, pending.champion, new) if new else None
    if recent and recent > since:
        narrower, rows = judged(context, pending, recent)
        blocks = blocks_of(rows)
        enough = narrower.judged_rows >= rows_to_judge(narrower, context.spec.gate)
        # Of a single block there is no interval, and what cannot be shown worse would pass.
        if enough and blocks is not None and len(np.unique(blocks)) > 1:
            return narrower
    newest, _ = judged(context, pending, since)
    if not context.spec.objective.class_count or newest.judged_events >= context.spec.gate.min_events:
        return newest
    return folded(context, pending, BEGINNING) or newest


def since_the_turn(context: Context, pending: Pending, turned: datetime | None) -> Pending:
    """The pending work, judged by what came since the world turned, as far as that is enough for a verdict.

    Else folds of the old world would judge who follows the new one. And where the newest rows of long work judge, they
    may be all of the new world's, and leave none of them to learn from.
    """
    if not turned or pending.asked == "again":
        return pending
    if pending.folds:
        found = folded(context, pending, turned)
        return found if found and found.judged_events >= context.spec.gate.min_events else pending
    if pending.prove_from is None:
        return pending
    found = judged_by(context, pending, judging(pending.partitions, turned))
    narrower = found.prove_from is not None and found.prove_from > max(pending.prove_from, turned)
    return found if narrower and not found.folds else pending


@step("find what judges")
def judge_by_the_new_world(run: Run, pending: Pending) -> Pending:
    """What judges a challenger: known only after the champion was scored on what is pending."""
    return since_the_turn(run.context, pending, world_turned(run.context.registry, run.context.spec))


def folded(context: Context, pending: Pending, since: datetime) -> Pending | None:
    """The pending work, judged by all rows since a time; None where they are not of blocks enough for two folds."""
    found, rows = judged(context, pending, since)
    starts = fold_starts(rows, context.spec.gate.prove_on)
    return replace(found, prove_from=starts[0], folds=starts) if len(starts) > 1 else None


def judged(
    context: Context, pending: Pending, since: datetime | None, split: Split = "all"
) -> tuple[Pending, list[Selection]]:
    """The pending work, judged by the rows of a split from a time on; and these rows."""
    spec, partitions = context.spec, pending.partitions
    seen = unseen(context, pending.champion, partitions, since) if since else partitions
    rows = select(spec.schema, context.partition_files(seen), split, since=later(since, judged_since(context)))
    rare = events_of(spec.objective, rows)
    return replace(pending, prove_from=since, judged_rows=row_count(rows), judged_events=rare), rows


def events_of(objective: Objective, rows: Sequence[Selection]) -> int:
    """Rows of the rarer outcomes: of a champion that learned every partition, there may be none at all."""
    return events(objective, np.concatenate([one.target for one in rows])) if rows else 0
