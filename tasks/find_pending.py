"""Find what arrived and the champion has not learned from, and whether that work was done before."""

from __future__ import annotations

from collections.abc import Sequence

from db.arrival_records import PartitionRecord
from errors import TaintedVersion
from evaluation.past_verdicts import MOST_STUCK, stuck
from learning.blocks import proving_window
from learning.data import row_count, select
from learning.digests import json_digest
from learning.environment import code_digest
from learning.spec import ModelSpec
from learning.work_folder import plan_of
from monitoring.decision import Pending, why_settled
from tasks.run import Context, Run, step


def pending_work(context: Context) -> Pending:
    """What the champion has not learned from.

    Raises:
        NoChampion: nothing was promoted yet.
        TaintedVersion: the champion learned from recalled data.
    """
    spec, registry = context.spec, context.registry
    champion = registry.champion(spec.name).number
    if champion in registry.tainted(spec.name):
        raise TaintedVersion(
            f"the champion of model '{spec.name}', version {champion}",
            "it, or a version it descends from, learned from a recalled partition",
            f"`evergreen registry rollback {spec.name}`; if no clean version was in production before, "
            f"`evergreen bootstrap {spec.name}` trains anew on what is left",
        )
    partitions = context.newest.counted(learnable(spec, registry.pending(spec.name)))
    key = work_key(spec, champion, [partition.digest for partition in partitions])
    settled = why_settled(champion, partitions, registry.run_with_work_key(spec.name, key))
    if settled:
        return Pending(champion, partitions, key, settled)
    files = context.partition_files(partitions)
    prove_from = proving_window(spec.schema, spec.gate, files)
    rows = row_count(select(spec.schema, files, "all", since=prove_from)) if prove_from else 0
    in_a_row = stuck(registry.model_evaluations(spec.name, limit=MOST_STUCK), champion)
    return Pending(champion, partitions, key, "", prove_from, rows, in_a_row)


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
    return pending_work(run.context)
