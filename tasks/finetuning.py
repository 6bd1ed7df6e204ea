"""Train a version, store its files and register it: from history, or from the champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from db.records import EpochMetric, NewVersion
from errors import AlreadyBootstrapped, NotEnoughData
from tasks.decision import Pending, learnable
from tasks.house import House, opened
from tasks.progress import Progress, shown_progress
from tasks.recording import Run, step

if TYPE_CHECKING:
    from db.records import VersionRecord
    from models.training.files import Trained

SEED = 2013


def pretrain_on_history(house: House, run_id: int, progress: Progress | None = None) -> VersionRecord:
    """Train base and head on everything that arrived, and register a version without a parent.

    Raises:
        AlreadyBootstrapped: the model has a champion, and it learned from nothing that was recalled.
        NotEnoughData: fewer labelled rows than the model's retrain policy asks for.
    """
    from models.training.pretraining import pretrain

    spec, registry = house.spec, house.registry
    champion = registry.find_champion(spec.name)
    if champion is not None and champion.number not in registry.tainted(spec.name):
        raise AlreadyBootstrapped(
            f"model '{spec.name}'",
            f"version {champion.number} is its champion already",
            f"keep it fresh with `evergreen retrain {spec.name}`",
        )
    history = learnable(spec, registry.partitions(spec.name))
    labelled = sum(partition.labelled_rows for partition in history)
    if labelled < spec.retrain.min_rows:
        raise NotEnoughData(
            f"{labelled:,} labelled rows",
            f"model '{spec.name}' needs {spec.retrain.min_rows:,} to start from",
            f"put more files where its source looks: {house.settings.landing}/{spec.source.path}",
        )
    trained = pretrain(
        spec,
        house.rows(history),
        work=house.settings.work / spec.name / "bootstrap",
        logs=house.settings.logs / spec.name / f"run-{run_id}",
        seed=SEED,
        progress=progress,
    )
    return register(house, run_id, trained, parent=None, learned=[partition.digest for partition in history])


def finetune_champion(house: House, run_id: int, pending: Pending, progress: Progress | None = None) -> VersionRecord:
    """Fine-tune the champion on the pending partitions, with replay from what it learned before, and register it."""
    from models.training.finetuning import finetune
    from models.training.work import remove_old

    spec, registry = house.spec, house.registry
    champion = registry.version(spec.name, pending.champion)
    work = house.settings.work / spec.name
    remove_old(work)
    new = [p for p in registry.partitions(spec.name) if p.digest in pending.partitions]
    trained = finetune(
        spec,
        house.files(champion),
        house.rows(new),
        house.rows(registry.trained_on(spec.name, champion.number)),
        cache=house.settings.cache,
        work=work / pending.work_key,
        logs=house.settings.logs / spec.name / f"run-{run_id}",
        seed=SEED,
        progress=progress,
    )
    return register(house, run_id, trained, parent=champion.number, learned=pending.partitions)


def register(
    house: House, run_id: int, trained: Trained, *, parent: int | None, learned: Sequence[str]
) -> VersionRecord:
    """Store a trained version's files, then its row: a crash between leaves an orphan file, never a row without one."""
    from models.training.environment import environment

    files = trained.files
    return house.registry.register(
        NewVersion(
            model=house.spec.name,
            run_id=run_id,
            parent=parent,
            base=house.store.put(files.base, kind="base", digest=files.base_digest),
            head=house.store.put(files.head, kind="head", digest=files.head_digest),
            plan=trained.plan,
            environment=environment(),
            trained=tuple(learned),
            replayed=trained.replayed,
            metrics={},
            epochs=tuple(EpochMetric(e.stage, e.epoch, e.name, e.value) for e in trained.epochs),
        )
    )


@step("pretrain base and head")
def pretrain_first(run: Run) -> int:
    """Train version 1 from all that arrived; returns its number."""
    with opened(run.model) as house, shown_progress(f"pretrain {run.model}") as progress:
        return pretrain_on_history(house, run.id, progress).number


@step("fine-tune the head")
def finetune_challenger(run: Run, pending: Pending) -> int:
    """Train a challenger from the champion and the pending data; returns its number."""
    with opened(run.model) as house, shown_progress(f"fine-tune {run.model}") as progress:
        return finetune_champion(house, run.id, pending, progress).number
