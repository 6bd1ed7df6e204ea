"""Find what arrived and the champion has not learned from, and whether that work was done before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from db.arrival_records import PartitionRecord
from errors import NoChampion, TaintedVersion
from evaluation.comparison import events
from evaluation.past_verdicts import MOST_STUCK, stuck
from learning.blocks import proving_window
from learning.data import row_count, select
from learning.digests import json_digest
from learning.environment import code_digest
from learning.spec import ModelSpec
from learning.work_folder import plan_of
from monitoring.decision import Pending, strikes, why_settled
from tasks.run import Context, Run, step


def pending_work(context: Context, *, watching: bool = False, now: datetime | None = None) -> Pending:
    """What the champion has not learned from.

    Args:
        context: what is opened for the model.
        watching: whether it is settled for a watch already where one has looked at it; a retrain does the work itself.
        now: the time that an age or a cooldown is measured by; by default, the present.

    Raises:
        NoChampion: nothing was promoted yet.
        TaintedVersion: the champion learned from recalled data.
    """
    spec, registry = context.spec, context.registry
    champion = registry.champion(spec.name)
    number = champion.number
    if number in registry.tainted(spec.name):
        raise TaintedVersion(
            f"the champion of model '{spec.name}', version {number}",
            "it, or a version it descends from, learned from a recalled partition",
            f"`evergreen registry rollback {spec.name}`; if no clean version was in production before, "
            f"`evergreen bootstrap {spec.name}` trains anew on what is left",
        )
    partitions = context.newest.counted(learnable(spec, registry.pending(spec.name)))
    key = work_key(spec, number, [partition.digest for partition in partitions])
    earlier = registry.run_with_work_key(spec.name, key, watched=watching)
    last = registry.newest_run(spec.name, ("retrain",))
    ended, at = last.finished_at if last else None, now or datetime.now(UTC)
    past = strikes(spec.retrain, champion.created_at, ended, at)
    settled = why_settled(number, partitions, earlier, past)
    if settled:
        return Pending(number, partitions, key, settled)
    files = context.partition_files(partitions)
    prove_from = proving_window(spec.schema, spec.gate, files)
    judged = select(spec.schema, files, "all" if prove_from else "holdout", since=prove_from)
    rare = events(spec.objective, np.concatenate([selection.target for selection in judged]))
    in_a_row = stuck(registry.model_evaluations(spec.name, limit=MOST_STUCK), number)
    return Pending(number, partitions, key, "", prove_from, row_count(judged), rare, in_a_row)


def learnable(spec: ModelSpec, partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
    """Leave out what arrived late, where the source says to keep such rows without training on them."""
    return tuple(p for p in partitions if not p.late or spec.source.late == "train")


def work_key(spec: ModelSpec, champion: int, partitions: Sequence[str]) -> str:
    """Digest of all that a retrain's result depends on: champion, pending rows, plan, and the code of the model.

    It is the same in every process: a killed run is resumed by another one, and rejected work is known to it.
    """
    policies = [plan_of(part) for part in (spec.pretrain, spec.finetune, spec.drift, spec.retrain, spec.gate)]
    return json_digest([spec.name, champion, sorted(partitions), policies, code_digest(spec)])[:32]


@step("find pending data")
def find_pending(run: Run) -> Pending:
    """What the champion has not learned from; NoChampion says to run bootstrap."""
    return pending_work(run.context, now=run.started_at)


@step("find pending data")
def find_unwatched(run: Run) -> Pending:
    """What the champion has not learned from, settled if a watch or a retrain has looked at it."""
    return pending_work(run.context, watching=True, now=run.started_at)


def unstarted(run: Run) -> str:
    """Why there is nothing to watch yet, or "": a schedule may begin before the bootstrap, and need not fail."""
    try:
        run.context.registry.champion(run.model)
    except NoChampion as error:
        return f"no champion to watch: {error}"
    return ""
