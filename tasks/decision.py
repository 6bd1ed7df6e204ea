"""Is there anything to learn, and is it worth a retrain?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from errors import TaintedVersion
from tasks.house import opened
from tasks.recording import Ending, Run, step

if TYPE_CHECKING:
    from db.records import PartitionRecord, RunRecord
    from models.spec import ModelSpec, RetrainPolicy
    from tasks.drift import DriftVerdict


@dataclass(frozen=True)
class Pending:
    """What arrived and the champion has not learned from."""

    champion: int
    partitions: tuple[str, ...]
    rows: int
    labelled_rows: int
    work_key: str
    settled: str = ""
    """Why this very work need not be looked at again; empty when it must be."""
    holdout_rows: int = 0


def learnable(spec: ModelSpec, partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
    """Leave out what arrived late, where the source says to keep such rows without training on them."""
    return tuple(p for p in partitions if not p.late or spec.source.late == "train")


def pending_work(
    spec: ModelSpec, champion: int, partitions: Sequence[PartitionRecord], earlier: RunRecord | None = None
) -> Pending:
    """Sum up the pending partitions; `earlier` is a finished run that had the same work."""
    digests = tuple(partition.digest for partition in partitions)
    settled = ""
    if not partitions:
        settled = f"no new data since version {champion} learned"
    elif earlier is not None and earlier.outcome == "promoted":  # and yet this is the champion again
        settled = f"no new data since the version that run {earlier.id} promoted was rolled back"
    elif earlier is not None and earlier.outcome in {"rejected", "waiting"}:
        settled = f"no new data since run {earlier.id}, which ended {earlier.outcome}: {earlier.reason}"
    return Pending(
        champion,
        digests,
        rows=sum(partition.rows for partition in partitions),
        labelled_rows=sum(partition.labelled_rows for partition in partitions),
        work_key=work_key(spec, champion, digests),
        settled=settled,
        holdout_rows=sum(partition.holdout_rows for partition in partitions),
    )


def work_key(spec: ModelSpec, champion: int, partitions: Sequence[str]) -> str:
    """Digest of all that a retrain's result depends on: champion, pending rows, plan, and the code of the model.

    It is the same in every process: a killed run is resumed by another one, and rejected work is known to it.
    """
    from models.training.environment import code_digest
    from models.training.work import plan_of

    policies = [plan_of(part) for part in (spec.pretrain, spec.finetune, spec.drift, spec.retrain, spec.gate)]
    work = json.dumps([spec.name, champion, sorted(partitions), policies, code_digest(spec)], sort_keys=True)
    return hashlib.sha256(work.encode()).hexdigest()[:32]


def decide(pending: Pending, drift: DriftVerdict | None, policy: RetrainPolicy, judged_rows: int = 0) -> Ending:
    """Retrain, or wait for more: an Ending whose decision is "retrain" or "wait".

    Args:
        pending: what has not been learned.
        drift: what the drift check found, if there was one.
        policy: when a retrain is worth it.
        judged_rows: new holdout rows without which the gate could give no verdict on a challenger.
    """
    rows = f"{pending.labelled_rows:,} labelled rows are pending"
    if pending.labelled_rows < policy.min_rows:
        return Ending("waiting", "wait", f"{rows}, a retrain needs {policy.min_rows:,}")
    if pending.holdout_rows < judged_rows:
        held = f"{pending.holdout_rows:,} of the pending rows are held out"
        return Ending("waiting", "wait", f"{held}, the gate needs {judged_rows:,} to judge a challenger")
    found = drift.reason if drift else "too few new rows to check for drift"
    if policy.only_on_drift and not (drift and drift.drifted):
        return Ending("waiting", "wait", f"{rows}, but without drift: {found}")
    return Ending("retraining", "retrain", f"{rows}; {found}")


@step("find pending data")
def find_pending(run: Run) -> Pending:
    """What the champion has not learned from; NoChampion says to run bootstrap."""
    with opened(run.model) as house:
        champion = house.registry.champion(run.model).number
        if champion in house.registry.tainted(run.model):
            raise TaintedVersion(
                f"the champion of model '{run.model}', version {champion}",
                "it, or a version it descends from, learned from a recalled partition",
                f"`evergreen registry rollback {run.model}`; if no clean version was in production before, "
                f"`evergreen bootstrap {run.model}` trains anew on what is left",
            )
        partitions = learnable(house.spec, house.registry.pending(run.model))
        key = work_key(house.spec, champion, [partition.digest for partition in partitions])
        earlier = house.registry.run_with_work_key(run.model, key)
        return pending_work(house.spec, champion, partitions, earlier)


@step("decide")
def decide_retrain(run: Run, pending: Pending, drift: DriftVerdict | None) -> Ending:
    """Whether the pending data are worth a retrain now."""
    with opened(run.model) as house:
        return decide(pending, drift, house.spec.retrain, house.spec.gate.min_rows)
