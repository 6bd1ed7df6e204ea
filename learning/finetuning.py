"""From champion to challenger: the head learns on cached features, or thawed layers on raw rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import TrainingError
from learning import work as work_folder
from learning.assembly import assemble, freeze_except, weights_outside
from learning.checkpoint import Standing
from learning.data import Columns, Indices, PartitionFile, Selection, read_inputs, select
from learning.digests import weights_digest
from learning.examples import Examples, Read
from learning.features import FeatureCache, Features, FrozenBase
from learning.files import EpochValue, ModelFiles, Progress, Trained, load_model, save_model
from learning.loop import Learner, Steps, Surroundings, train
from learning.losses import anchored, distilled, fisher_information, plain
from learning.plans import FineTune, FromScratch, Stage
from learning.pretraining import hold_back, pretrain, sample
from learning.replay import draw
from learning.seeds import own_random_numbers, set_seed
from learning.startup import start_tensorflow

if TYPE_CHECKING:
    import keras

    from learning.loop import Outcome
    from learning.losses import Loss
    from learning.spec import ModelSpec

FISHER_ROWS = 1000


def finetune(  # noqa: PLR0913 - what differs from run to run, all but the first four by name
    spec: ModelSpec,
    champion: ModelFiles,
    new: Sequence[PartitionFile],
    old: Sequence[PartitionFile],
    *,
    cache: Path,
    work: Path,
    logs: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    plan: FineTune | FromScratch | None = None,
) -> Trained:
    """Train a challenger on new rows, with old rows replayed as the plan says.

    Args:
        spec: the model.
        champion: where the challenger starts.
        new: partitions that the champion has not learned.
        old: partitions that it or its ancestors have.
        cache: folder of cached features, shared by all runs.
        work: folder for checkpoints and new files; run again with the same one, it goes on where it stopped.
        logs: TensorBoard's folder, if wanted.
        seed: the same seed, rows and plan give the same weights on the same machine.
        progress: told about every epoch.
        plan: by default `spec.finetune`.

    Raises:
        NotEnoughData: there is no labelled new row to train on.
        TrainingDiverged: the loss became NaN, infinite or absurdly large.
    """
    start_tensorflow()
    plan = plan or spec.finetune
    if isinstance(plan, FromScratch):
        everything = [*old, *new]
        return pretrain(spec, everything, work=work, logs=logs, seed=seed, progress=progress, plan=plan.pretrain)
    tuning = _Tuning(spec, plan, champion, new, old, seed)
    callbacks = tuple(spec.callbacks()) if spec.callbacks else ()
    with work_folder.alone_in(work), own_random_numbers():
        return tuning.run(FeatureCache(cache), Surroundings(work, logs, progress, callbacks))


@dataclass(frozen=True)
class _Tuning:
    """What is trained: all that the result depends on."""

    spec: ModelSpec
    plan: FineTune
    champion: ModelFiles
    new: Sequence[PartitionFile]
    old: Sequence[PartitionFile]
    seed: int

    def run(self, cache: FeatureCache, around: Surroundings) -> Trained:
        """Train through all stages, or take what was trained."""
        spec, plan, champion = self.spec, self.plan, self.champion
        rates = {stage.name: stage.rate(spec.pretrain) for stage in plan.stages}
        record = {**work_folder.plan_of(plan), "learning_rates": rates, "seed": self.seed}
        start = (champion.base_digest, champion.head_digest)
        done = work_folder.enter(around.work, work_folder.task_digest(spec, record, start, [self.new, self.old]))
        if done is not None:
            return done
        rows = _Rows.choose(spec, plan, self.new, self.old, self.seed)
        challenger = _Challenger(spec, plan, champion, cache, rows)
        standings: list[Standing] = []
        values: list[EpochValue] = []
        for stage in plan.stages:
            standing, points = challenger.run(stage, around)
            standings.append(standing)
            values += points
        files = challenger.save(around.work)
        replayed = tuple(selection.partition.digest for selection in rows.replayed)
        trained = Trained(files, tuple(values), replayed, record, _reason(plan, standings, rows))
        return work_folder.finish(around.work, trained)


@dataclass(frozen=True)
class _Rows:
    """The rows of one fine-tuning."""

    learning: list[Selection]
    validating: list[Selection]
    replayed: list[Selection]
    new_rows: int
    seed: int

    @staticmethod
    def choose(
        spec: ModelSpec,
        plan: FineTune,
        new: Sequence[PartitionFile],
        old: Sequence[PartitionFile],
        seed: int,
    ) -> _Rows:
        fresh = select(spec.schema, new, "train")
        new_rows = sum(len(selection.rows) for selection in fresh)
        past = select(spec.schema, old, "train") if plan.replay.rows != 0 and plan.replay.share > 0 else []
        replayed = draw(plan.replay, past, new_rows, seed)
        learning, validating = hold_back(spec.schema, [*fresh, *replayed], plan, seed)
        return _Rows(learning, validating, replayed, new_rows, seed)


@dataclass(frozen=True)
class _Setting:
    """What one stage trains, and on what: features or raw rows."""

    model: keras.Model
    state: list[Any]
    teacher: keras.Model | None
    read: Read


class _Challenger:
    """A base and a head on their way from champion to challenger."""

    def __init__(self, spec: ModelSpec, plan: FineTune, champion: ModelFiles, cache: FeatureCache, rows: _Rows) -> None:

        self.spec, self.plan, self.champion, self.cache, self.rows = spec, plan, champion, cache, rows
        set_seed(rows.seed)
        self.base = FrozenBase(champion.base, champion.base_digest, spec.schema)
        self.head = load_model(champion.head)
        self.head.trainable = True
        self.base_changed = False
        self.loss: float | None = None  # on the validation rows, after the stage before
        if plan.shrink < 1 or plan.perturb > 0:
            _shrink_and_perturb(self.head, plan.shrink, plan.perturb)

    def run(self, stage: Stage, around: Surroundings) -> Outcome:
        """Train through one stage: on cached features where the base stays as it is, else on raw rows."""
        raw = stage.thaw or self.base_changed or self.spec.augment is not None
        outcome = self._on_raw_rows(stage, around) if raw else self._on_features(stage, around)
        self.loss = outcome[0].best
        return outcome

    def save(self, work: Path) -> ModelFiles:
        """Write what changed; a base that did not is the champion's own file."""
        head = work / "head.keras"
        head_digest = save_model(self.head, head)
        if not self.base_changed:
            return ModelFiles(self.champion.base, head, self.champion.base_digest, head_digest)
        base = work / "base.keras"
        return ModelFiles(base, head, save_model(self.base.model, base), head_digest)

    def _on_features(self, stage: Stage, around: Surroundings) -> Outcome:
        @functools.cache
        def features(partition: PartitionFile) -> Features:
            return self.cache.open(self.base, partition)

        def read(partition: PartitionFile, rows: Indices) -> Features:
            return np.asarray(features(partition)[rows])

        teacher = load_model(self.champion.head) if self.plan.distill else None
        return self._train(_Setting(self.head, list(self.head.variables), teacher, read), stage, around)

    def _on_raw_rows(self, stage: Stage, around: Surroundings) -> Outcome:
        def read(partition: PartitionFile, rows: Indices) -> Columns:
            return read_inputs(self.spec.schema, partition, rows)

        base = self.base.model
        thawed = freeze_except(base, stage.thaw)
        augment = self._augment()
        model = assemble(base, self.head, frozen=True, augment=augment)
        state = [*self.head.variables, *(weight for layer in thawed for weight in layer.variables)]
        state += augment.variables if augment else []
        teacher = None
        if self.plan.distill:
            teacher = assemble(load_model(self.champion.base), load_model(self.champion.head), frozen=True)
        kept = weights_outside(base, thawed)
        before = weights_digest(kept)
        result = self._train(_Setting(model, state, teacher, read), stage, around)
        if weights_digest(kept) != before:
            raise TrainingError(
                f"stage '{stage.name}'",
                "it changed weights of frozen layers",
                "look for layers that assign in call()",
            )
        self.base_changed = self.base_changed or (bool(thawed) and result[0].best_epoch > 0)
        return result

    def _train(self, setting: _Setting, stage: Stage, around: Surroundings) -> Outcome:
        learner = Learner(setting.model, setting.state, self.spec.objective, self._loss(setting), self.loss)
        learning, validating = (Examples(rows, setting.read) for rows in (self.rows.learning, self.rows.validating))
        steps = Steps.of_stage(stage, self.spec.pretrain, self.rows.seed)
        return train(learner, learning, validating, steps, around)

    def _loss(self, setting: _Setting) -> Loss:
        objective = self.spec.objective
        loss = plain(objective)
        if setting.teacher is not None:
            loss = distilled(objective, setting.teacher, self.plan.distill)
        if not self.plan.anchor or not self.rows.replayed:
            return loss
        every = max(1, sum(len(part.rows) for part in self.rows.replayed) // FISHER_ROWS)
        thinned = [part.take(np.arange(0, len(part.rows), every)) for part in self.rows.replayed]
        inputs, target = next(Examples(thinned, setting.read).blocks())
        fisher = fisher_information(setting.model, plain(objective), inputs, target)
        return anchored(loss, setting.model.trainable_variables, fisher, self.plan.anchor)

    def _augment(self) -> keras.Model | None:
        if self.spec.augment is None:
            return None
        return self.spec.augment(sample(self.spec, self.rows.learning, self.spec.pretrain.sample_rows))


def _shrink_and_perturb(head: keras.Model, shrink: float, perturb: float) -> None:
    """Weights times `shrink`, plus `perturb` times those of a head that was just born."""
    import keras

    newborn = keras.models.clone_model(head)
    for weight, fresh in zip(head.trainable_weights, newborn.trainable_weights, strict=True):
        weight.assign(shrink * weight.numpy() + perturb * fresh.numpy())


def _reason(plan: FineTune, standings: Sequence[Standing], rows: _Rows) -> str:
    old = sum(len(selection.rows) for selection in rows.replayed)
    told = []
    for stage, standing in zip(plan.stages, standings, strict=True):
        kept = f"kept epoch {standing.best_epoch}" if standing.best_epoch else "no epoch was better than the start"
        told.append(f"stage '{stage.name}' ran {standing.epoch} epochs and {kept}")
    return f"{rows.new_rows:,} new and {old:,} replayed rows; " + "; ".join(told)
