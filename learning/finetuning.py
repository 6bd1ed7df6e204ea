"""From champion to challenger: the head learns on cached features, or thawed layers on raw rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import TrainingError
from evergreen_client.batches import in_batches
from evergreen_client.model_files import load_model
from learning.absurd import absurd_rows_named
from learning.alike import graph_digest, is_of_keras
from learning.assembly import assemble, freeze_except, named_layers, weights_outside
from learning.built import sample
from learning.calibration import calibrates, fold, moves_chances
from learning.checkpoint import TrainingState
from learning.data import PartitionFile, Selection, read_inputs, row_count, select
from learning.digests import weights_digest
from learning.environment import code_digest, function_record
from learning.examples import Examples, Read
from learning.features import FeatureCache, FrozenBase
from learning.files import ModelFiles, Progress, Trained, save_model
from learning.finite import INHERITED, refuse_features, refuse_weights
from learning.first_answers import loss_of_one, unit_of
from learning.fitted import Fitted, fit_held_back
from learning.from_scratch import from_scratch
from learning.heads import remember_head
from learning.held_back import held_apart, refuse_negative
from learning.kept_head import give_back, shrink_and_perturb, take_head
from learning.keras_private import set_seed
from learning.loop import Learner, TrainingContext, predictor, train
from learning.lora import adapt, copy_of, merge
from learning.losses import Measure, anchored, distilled, fisher_information, own, plain
from learning.plans import FineTune, FromScratch, Stage
from learning.pretraining import pretrain
from learning.readapt import readapt, warmed_up
from learning.steps import Steps
from learning.taught_rows import TaughtRows, reason_of, replays, taught_rows
from learning.weights import counted
from learning.work_folder import record_of, task_digest, train_once

if TYPE_CHECKING:
    import keras

    from learning.losses import Loss
    from learning.spec import ModelSpec

FISHER_ROWS = 1000
ADAPTED = "adapted.keras"


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
    after: datetime | None = None,
    refit: Mapping[str, int] | None = None,
    replay_since: datetime | None = None,
    fitted: Fitted | None = None,
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
        before: learn only from rows before this time,
        after: or from this one on: what lies between proves the challenger.
        refit: `Trained.kept` of an earlier training, its proof: each stage learns for as many epochs, by the same
            schedule, with no row held back. It needs a work folder of its own.
        replay_since: replay only rows from this time on; a challenger from scratch learns from no others either.
        fitted: `Trained.fitted` of the training that `refit` is of.

    Raises:
        NotEnoughData: there is no labelled new row to train on.
        TrainingDiverged: the loss became NaN, infinite or absurdly large, or a weight is not finite.
        UnusableFeatures: the champion's base makes features of a row that are not finite.
    """
    plan = plan or spec.finetune
    if isinstance(plan, FromScratch):
        anew = partial(pretrain, spec, [*old, *new], seed=seed, progress=progress, plan=plan.pretrain)
        rows = {"since": replay_since, "before": before, "after": after, "refit": refit, "fitted": fitted}
        return from_scratch(plan, champion, partial(anew, **rows), work, logs)
    if plan.readapt:
        plan = warmed_up(plan, spec.pretrain)
    rates = {stage.name: stage.rate(spec.pretrain) for stage in plan.stages}
    asked: dict[str, Any] = {"before": before, "after": after, "refit": refit, "replay_since": replay_since}
    asked |= {"loss": function_record(spec.loss), "fitted": (fitted.recorded or None) if fitted else None}
    record = record_of(plan, seed, learning_rates=rates, **asked)
    context = TrainingContext(work, logs, progress, spec.callbacks or list, seed)

    def train_anew() -> Trained:
        fresh = select(spec.schema, new, "train", before=before, after=after)
        wanted = old if replays(plan) or plan.anchor else ()
        past = select(spec.schema, wanted, "train", since=replay_since, before=before, after=after)
        refuse_negative(spec.objective, [*fresh, *past])
        calibrated = moves_chances(spec) and calibrates(spec, load_model(champion.head))
        rows = taught_rows(spec, plan, fresh, past, (seed, refit), calibrated=calibrated)
        start = readapt(spec, champion, [*fresh, *rows.replayed], work) if plan.readapt else champion
        challenger = _Challenger(spec, plan, start, rows, context)
        # A base that readapts is trained on afterwards: to keep its features of whole partitions would be for nothing.
        read = challenger.base.of_rows if plan.readapt else FeatureCache(cache).reader(challenger.base)
        refuse_features(spec, [*rows.learning, *rows.validating], read)
        states = [challenger.train(stage, read) for stage in plan.stages if rows.epochs(stage) != 0]
        curves = tuple(value for state in states for value in state.curve)
        again = tuple(selection.partition.digest for selection in rows.replayed)
        kept = {stage.name: 0 for stage in plan.stages} | {state.stage: state.best_epoch for state in states}
        learned = rows.new + row_count(rows.replayed)
        found = challenger.put_right(read, fitted, learned=any(state.best_epoch for state in states))
        reason = reason_of(rows, states, plan.anchor) + (found.remark if refit is None else "")
        made = record | found.recorded
        return Trained(challenger.save(work), curves, again, made, reason, kept, learned, found)

    begun = (champion.base_digest, champion.head_digest)
    with absurd_rows_named(spec, new, old):
        return train_once(work, task_digest(spec, record, begun, [new, old]), train_anew)


class _Challenger:
    """A base and a head on their way from champion to challenger."""

    def __init__(
        self, spec: ModelSpec, plan: FineTune, champion: ModelFiles, rows: TaughtRows, context: TrainingContext
    ) -> None:
        self.spec, self.plan, self.champion, self.rows, self.context = spec, plan, champion, rows, context
        rates = {stage.name: stage.rate(spec.pretrain) for stage in plan.stages}
        start = [champion.base_digest, champion.head_digest, str(champion.head)]
        task = task_digest(spec, record_of(plan, context.seed, learning_rates=rates), start, [])
        # Of a loss from a notebook, no digest tells all.
        self._kept = take_head((task, spec.loss), self._new_head, self._graphs)
        self.head = self._kept.model
        self.own_code = bool(spec.loss or spec.callbacks or spec.augment) or not is_of_keras(self.head)
        # From here on it draws the same, whether the head was loaded or kept.
        set_seed(context.seed, tensorflow=self.own_code)
        self.base = FrozenBase(champion.base, champion.base_digest, spec.schema)
        self.base_changed = False
        self.unit = unit_of(spec.objective, self.head)
        self.loss: float | None = None  # on the validation rows, after the stage before
        self.apart = held_apart(rows.learning, rows.validating)
        self.calibrated = self.apart and calibrates(spec, self.head)

    def train(self, stage: Stage, features: Read) -> TrainingState:
        """Train through one stage: on features where the base stays as it is, else on raw rows."""
        if stage.thaw or self.base_changed or self.spec.augment is not None:
            state = self._on_raw_rows(stage)
        else:
            state = self._on_features(stage, features)
        self.loss = state.best
        return state

    def put_right(self, read: Read, known: Fitted | None, *, learned: bool) -> Fitted:
        """Fit what is fitted on rows held back; a refit, of which it is known, holds none back."""
        if self.rows.refit is not None:
            if known and learned:
                fold(known.calibration, self.head)
            return known or Fitted()
        model, inputs = self.head, read
        if self.base_changed:
            model, inputs = assemble(self.base.model, self.head, frozen=True), partial(read_inputs, self.spec.schema)
        examples = Examples(self.rows.validating, inputs) if self.apart else None
        return fit_held_back(self.spec, self.head, examples, predictor(in_batches(model)), learned=learned)

    def save(self, work: Path) -> ModelFiles:
        """Write what changed; a base that did not is the champion's own file."""
        head = work / "head.keras"
        head_digest = save_model(self.head, head)
        remember_head(self.head, head_digest)
        if not self.spec.callbacks:  # which may do anything to the head, and only its variables are put back
            give_back(self._kept)
        if not self.base_changed:
            return ModelFiles(self.champion.base, head, self.champion.base_digest, head_digest)
        base = work / "base.keras"
        return ModelFiles(base, head, save_model(self.base.model, base), head_digest)

    def _new_head(self) -> keras.Model:
        """The champion's head, shrunk and perturbed as the plan says."""
        perturbed = self.plan.shrink < 1 or self.plan.perturb > 0
        set_seed(self.context.seed, tensorflow=perturbed)  # initial weights may be drawn by code of the user's
        head = load_model(self.champion.head)
        refuse_weights(head, "the champion's head", INHERITED.format(self.spec.name), TrainingError)
        head.trainable = True
        if perturbed:
            shrink_and_perturb(head, self.plan.shrink, self.plan.perturb)
        return head

    def _graphs(self, head: keras.Model) -> object:
        """What the graphs of gradient steps on features depend on; a teacher's weights are in them."""
        alike = None if self.plan.distill else graph_digest(head)
        return alike and (alike, self.plan.stages, code_digest(self.spec), self.spec.pretrain, self.spec.loss)

    def _on_features(self, stage: Stage, read: Read) -> TrainingState:
        with self._adapted(stage, self.head, ()) as head:
            learning, shift = counted(self.spec.objective, stage, self.rows.learning, self.rows.more)
            loss = self._loss(head, load_model(self.champion.head) if self.plan.distill else None, read, shift)
            # Steps that were kept have neither anchor nor shift: of a plan without one, or classes that were even.
            known = None if self.plan.anchor or shift else self._kept.steps.get(stage.name)
            steps = known or Steps(head, loss, stage, stage.rate(self.spec.pretrain))
            if not (self.plan.anchor or stage.lora_rank or self.spec.callbacks or shift):
                # Anchor and shift are of these very rows, and in the graph; a callback may do anything to the head.
                self._kept.steps[stage.name] = steps
            return self._train(steps, head.variables, read, learning)

    def _on_raw_rows(self, stage: Stage) -> TrainingState:
        # The base first: where its features were cached it is loaded only here, and draws seeds before augment does.
        self.own_code = self.own_code or not is_of_keras(self.base.model)
        freeze_except(self.base.model, stage.thaw)
        augment, read = self._augment(), partial(read_inputs, self.spec.schema)
        with self._adapted(stage, self.base.model if stage.thaw else self.head, stage.thaw) as part:
            base, head = (part, self.head) if stage.thaw else (self.base.model, part)
            thawed = named_layers(base, stage.thaw)
            variables = [*head.variables, *(weight for layer in thawed for weight in layer.variables)]
            variables += augment.variables if augment else []
            teacher = None
            if self.plan.distill:
                teacher = assemble(load_model(self.champion.base), load_model(self.champion.head), frozen=True)
            model = assemble(base, head, frozen=True, augment=augment)
            kept = weights_outside(base, thawed)
            before = weights_digest(kept)
            learning, shift = counted(self.spec.objective, stage, self.rows.learning, self.rows.more)
            loss = self._loss(model, teacher, read, shift)
            state = self._train(Steps(model, loss, stage, stage.rate(self.spec.pretrain)), variables, read, learning)
            if weights_digest(kept) != before:
                raise TrainingError(
                    f"stage '{stage.name}'",
                    "it changed weights of frozen layers",
                    "look for layers that assign in call()",
                )
        self.base_changed = self.base_changed or (bool(thawed) and state.best_epoch > 0)
        return state

    @contextmanager
    def _adapted(self, stage: Stage, part: keras.Model, thaw: Sequence[str]) -> Iterator[keras.Model]:
        """The part that a stage trains; where it is to have adapters, a copy that has, which is merged in the end."""
        if not stage.lora_rank:
            yield part
            return
        # First weights and dropout of the copy draw the same, whatever was loaded before.
        set_seed(self.context.seed, tensorflow=self.own_code)
        copy = copy_of(part, self.context.work / ADAPTED)
        adapt(stage, freeze_except(copy, thaw) if thaw else [copy])
        yield copy
        merge(copy, part)

    def _train(
        self, steps: Steps, variables: Sequence[Any], read: Read, learning: Sequence[Selection]
    ) -> TrainingState:
        """Go through the steps, which may change these variables, on the inputs that `read` gives."""
        stage, objective = steps.plan, self.spec.objective
        own_loss, one = self.spec.loss is not None, loss_of_one(objective, self.unit)
        learner = Learner(
            steps,
            variables,
            objective,
            self.loss,
            own=own_loss,
            one=1.0 if own_loss else one,
            calibrated=self.calibrated,
            own_code=self.own_code,
        )
        examples, validation = (Examples(rows, read) for rows in (learning, self.rows.validating))
        return train(learner, examples, validation, self.context, self.rows.epochs(stage))

    def _loss(self, model: keras.Model, teacher: keras.Model | None, read: Read, shift: tuple[float, ...]) -> Loss:
        objective, measure = self.spec.objective, Measure(self.unit, shift)
        loss = own(self.spec.loss) if self.spec.loss else plain(objective, measure)
        if teacher is not None:
            loss = distilled(objective, teacher, self.plan.distill, measure)
        if not self.plan.anchor or not row_count(self.rows.old):
            return loss
        step = max(1, row_count(self.rows.old) // FISHER_ROWS)
        thinned = [selection.every(step) for selection in self.rows.old]
        inputs, target = next(Examples(thinned, read).blocks())
        fisher = fisher_information(model, objective, inputs, target, Measure(self.unit))
        return anchored(loss, model.trainable_variables, fisher, self.plan.anchor)

    def _augment(self) -> keras.Model | None:
        if self.spec.augment is None:
            return None
        return self.spec.augment(sample(self.spec, self.rows.learning, self.spec.pretrain.sample_rows))
