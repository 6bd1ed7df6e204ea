"""From champion to challenger: the head learns on cached features, or thawed layers on raw rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import TrainingError
from evergreen_client.model_files import load_model
from learning.absurd import absurd_rows_named
from learning.assembly import assemble, freeze_except, weights_outside
from learning.checkpoint import TrainingState
from learning.data import PartitionFile, Selection, read_inputs, row_count, select
from learning.digests import weights_digest
from learning.examples import Examples, Read
from learning.features import FeatureCache, FrozenBase
from learning.files import ModelFiles, Progress, Trained, save_model
from learning.finite import INHERITED, refuse_features, refuse_weights
from learning.held_back import Divided, all_of, hold_back
from learning.keras_private import set_seed
from learning.loop import Learner, TrainingContext, train
from learning.losses import anchored, distilled, fisher_information, plain
from learning.plans import FineTune, FromScratch, Stage
from learning.pretraining import pretrain, sample
from learning.readapt import readapt, warmed_up
from learning.replay import draw
from learning.work_folder import record_of, task_digest, train_once

if TYPE_CHECKING:
    import keras

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
    before: datetime | None = None,
    refit: Mapping[str, int] | None = None,
    replay_since: datetime | None = None,
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
        progress: called after every epoch.
        plan: by default `spec.finetune`.
        before: learn only from rows before this time: what comes after proves the challenger.
        refit: `Trained.kept` of an earlier training, its proof: each stage learns for as many epochs, by the same
            schedule, with no row held back. It needs a work folder of its own.
        replay_since: replay only rows from this time on; a challenger from scratch learns from no others either.

    Raises:
        NotEnoughData: there is no labelled new row to train on.
        TrainingDiverged: the loss became NaN, infinite or absurdly large, or a weight is not finite.
        UnusableFeatures: the champion's base makes features of a row that are not finite.
    """
    plan = plan or spec.finetune
    if isinstance(plan, FromScratch):
        return pretrain(
            spec,
            [*old, *new],
            work=work,
            logs=logs,
            seed=seed,
            progress=progress,
            plan=plan.pretrain,
            since=replay_since,
            before=before,
            refit=refit,
        )
    if plan.readapt:
        plan = warmed_up(plan, spec.pretrain)
    rates = {stage.name: stage.rate(spec.pretrain) for stage in plan.stages}
    record = record_of(plan, seed, learning_rates=rates, before=before, refit=refit, replay_since=replay_since)
    context = TrainingContext(work, logs, progress, spec.callbacks() if spec.callbacks else (), seed)

    def train_anew() -> Trained:
        fresh = select(spec.schema, new, "train", before=before)
        replays = plan.replay.rows != 0 and plan.replay.share > 0
        past = select(spec.schema, old if replays else (), "train", since=replay_since, before=before)
        replayed = draw(plan.replay, past, row_count(fresh), seed)
        every: Divided = [*all_of(fresh), *replayed], []
        divided = every if refit is not None else hold_back(spec.schema, fresh, plan, seed, replayed)
        rows = _Rows(*divided, replayed, row_count(fresh), refit)
        start = readapt(spec, champion, [*fresh, *replayed], work) if plan.readapt else champion
        challenger = _Challenger(spec, plan, start, rows, context)
        # A base that readapts is trained on afterwards: to keep its features of whole partitions would be for nothing.
        read = challenger.base.of_rows if plan.readapt else FeatureCache(cache).reader(challenger.base)
        refuse_features(spec, [*rows.learning, *rows.validating], read)
        states = [challenger.train(stage, read) for stage in plan.stages if rows.epochs(stage) != 0]
        curves = tuple(value for state in states for value in state.curve)
        again = tuple(selection.partition.digest for selection in replayed)
        kept = {stage.name: 0 for stage in plan.stages} | {state.stage: state.best_epoch for state in states}
        return Trained(challenger.save(work), curves, again, record, _reason(rows, states), kept)

    begun = (champion.base_digest, champion.head_digest)
    with absurd_rows_named(spec, new, old):
        return train_once(work, task_digest(spec, record, begun, [new, old]), train_anew)


@dataclass(frozen=True)
class _Rows:
    """The rows of one fine-tuning."""

    learning: list[Selection]
    validating: list[Selection]
    replayed: list[Selection]
    new: int
    refit: Mapping[str, int] | None

    def epochs(self, stage: Stage) -> int | None:
        """How many a stage is to keep; None where rows are held back to choose."""
        return None if self.refit is None else self.refit[stage.name]


class _Challenger:
    """A base and a head on their way from champion to challenger."""

    def __init__(
        self, spec: ModelSpec, plan: FineTune, champion: ModelFiles, rows: _Rows, context: TrainingContext
    ) -> None:
        self.spec, self.plan, self.champion, self.rows, self.context = spec, plan, champion, rows, context
        set_seed(context.seed)
        self.base = FrozenBase(champion.base, champion.base_digest, spec.schema)
        self.head = load_model(champion.head)
        refuse_weights(self.head, "the champion's head", INHERITED.format(spec.name), TrainingError)
        self.head.trainable = True
        self.base_changed = False
        self.loss: float | None = None  # on the validation rows, after the stage before
        if plan.shrink < 1 or plan.perturb > 0:
            _shrink_and_perturb(self.head, plan.shrink, plan.perturb)

    def train(self, stage: Stage, features: Read) -> TrainingState:
        """Train through one stage: on features where the base stays as it is, else on raw rows."""
        if stage.thaw or self.base_changed or self.spec.augment is not None:
            state = self._on_raw_rows(stage)
        else:
            state = self._on_features(stage, features)
        self.loss = state.best
        return state

    def save(self, work: Path) -> ModelFiles:
        """Write what changed; a base that did not is the champion's own file."""
        head = work / "head.keras"
        head_digest = save_model(self.head, head)
        if not self.base_changed:
            return ModelFiles(self.champion.base, head, self.champion.base_digest, head_digest)
        base = work / "base.keras"
        return ModelFiles(base, head, save_model(self.base.model, base), head_digest)

    def _on_features(self, stage: Stage, features: Read) -> TrainingState:
        teacher = load_model(self.champion.head) if self.plan.distill else None
        return self._train(stage, self.head, self.head.variables, teacher, features)

    def _on_raw_rows(self, stage: Stage) -> TrainingState:
        base = self.base.model
        thawed = freeze_except(base, stage.thaw)
        augment = self._augment()
        variables = [*self.head.variables, *(weight for layer in thawed for weight in layer.variables)]
        variables += augment.variables if augment else []
        teacher = None
        if self.plan.distill:
            teacher = assemble(load_model(self.champion.base), load_model(self.champion.head), frozen=True)
        model = assemble(base, self.head, frozen=True, augment=augment)
        kept = weights_outside(base, thawed)
        before = weights_digest(kept)
        state = self._train(stage, model, variables, teacher, partial(read_inputs, self.spec.schema))
        if weights_digest(kept) != before:
            raise TrainingError(
                f"stage '{stage.name}'",
                "it changed weights of frozen layers",
                "look for layers that assign in call()",
            )
        self.base_changed = self.base_changed or (bool(thawed) and state.best_epoch > 0)
        return state

    def _train(
        self, stage: Stage, model: keras.Model, variables: list[Any], teacher: keras.Model | None, read: Read
    ) -> TrainingState:
        """Train a model, which may change these variables, on the inputs that `read` gives to it and to its teacher."""
        loss, rate = self._loss(model, teacher, read), stage.rate(self.spec.pretrain)
        learner = Learner(model, variables, self.spec.objective, loss, stage, rate, self.loss)
        examples, validation = (Examples(rows, read) for rows in (self.rows.learning, self.rows.validating))
        return train(learner, examples, validation, self.context, self.rows.epochs(stage))

    def _loss(self, model: keras.Model, teacher: keras.Model | None, read: Read) -> Loss:
        objective = self.spec.objective
        loss = plain(objective)
        if teacher is not None:
            loss = distilled(objective, teacher, self.plan.distill)
        if not self.plan.anchor or not self.rows.replayed:
            return loss
        step = max(1, row_count(self.rows.replayed) // FISHER_ROWS)
        thinned = [selection.every(step) for selection in self.rows.replayed]
        inputs, target = next(Examples(thinned, read).blocks())
        fisher = fisher_information(model, plain(objective), inputs, target)
        return anchored(loss, model.trainable_variables, fisher, self.plan.anchor)

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


def _reason(rows: _Rows, states: Sequence[TrainingState]) -> str:
    learned = f"{rows.new:,} new and {row_count(rows.replayed):,} replayed rows"
    if rows.refit is not None:
        epochs = [f"stage '{name}' {number} epochs" for name, number in rows.refit.items() if number]
        return f"{learned}, refit as proven: {', '.join(epochs) or 'no epoch, so that it is as it began'}"
    stages = []
    for state in states:
        kept = f"kept epoch {state.best_epoch}" if state.best_epoch else "no epoch was better than the start"
        stages.append(f"stage '{state.stage}' ran {state.epoch} epochs and {kept}")
    return f"{learned}; " + "; ".join(stages)
