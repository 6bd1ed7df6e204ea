"""Store what was trained, and register it as a version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.arrival_records import PartitionRecord
from db.records import EpochMetric, NewVersion
from learning.changes import MADE_FOR, made_for
from learning.environment import environment
from learning.files import ModelFiles, Trained
from learning.fitted import WARM_START
from learning.plans import FineTune
from learning.thresholds import break_even
from tasks.logs import run_logger
from tasks.run import Context, Run, step

ONLINE = "online"  # kind of the plan of a version that was learned event by event


@dataclass(frozen=True)
class Fold:
    """A stretch of the pending rows, and a challenger that learned from all others.

    Args:
        since: where it begins.
        until: where it ends; None of the newest.
        files: the challenger's.
    """

    since: datetime
    until: datetime | None
    files: ModelFiles


@dataclass(frozen=True)
class Learned:
    """What was trained, from which version (None for a first one), on which partitions.

    Args:
        trained: the files, and how it went.
        parent: number of the version it was trained from.
        partitions: those that it learned whole.
        partly: those of whose rows some prove it.
        refit_of: number of the version that was proven, of which this is the refit.
        folds: what proves it where it learned all rows: the challengers that each left some of them out.
    """

    trained: Trained
    parent: int | None
    partitions: tuple[PartitionRecord, ...]
    partly: tuple[PartitionRecord, ...] = ()
    refit_of: int | None = None
    folds: tuple[Fold, ...] = ()


def register(context: Context, run_id: int, learned: Learned) -> int:
    """Store a trained version's files, then its row: a crash between leaves an orphan file, never a row without one."""
    trained, files = learned.trained, learned.trained.files
    version = context.registry.register(
        NewVersion(
            model=context.spec.name,
            run_id=run_id,
            parent=learned.parent,
            base=context.store.put(files.base, kind="base", digest=files.base_digest),
            head=context.store.put(files.head, kind="head", digest=files.head_digest),
            plan={
                **break_even(context.spec),
                **trained.plan,
                MADE_FOR: made_for(context.spec, inherited(context, learned)),
            },
            environment=environment(),
            reason=trained.reason,
            trained=tuple(partition.digest for partition in learned.partitions),
            replayed=trained.replayed,
            partly=tuple(partition.digest for partition in learned.partly),
            refit_of=learned.refit_of,
            epochs=tuple(EpochMetric(e.stage, e.epoch, e.name, e.value) for e in trained.epochs),
        )
    )
    return version.number


def inherited(context: Context, learned: Learned) -> dict[str, Any] | None:
    """What the version was made for whose base and head were gone on with; None where they were built anew."""
    plan = learned.trained.plan
    if learned.parent is None or not (plan.get("kind") in {FineTune.__name__, ONLINE} or plan.get(WARM_START)):
        return None
    found: dict[str, Any] = context.registry.version(context.spec.name, learned.parent).plan.get(MADE_FOR, {})
    return found


@step("register the version")
def register_version(run: Run, learned: Learned) -> int:
    """Give what was trained a number in the registry."""
    if not run.rows:
        run.sees(learned.partitions)
    number = register(run.context, run.id, learned)
    run_logger().info("version %d: %s", number, learned.trained.reason)
    return number
