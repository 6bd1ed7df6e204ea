"""Version 1, or a challenger from scratch: base and head learn together from raw rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen_client.batches import in_batches
from learning.absurd import absurd_rows_named
from learning.assembly import assemble
from learning.built import Parts, checked_parts, continued_parts, sample
from learning.calibration import calibrates, fold, moves_chances
from learning.data import (
    PartitionFile,
    Selection,
    read_inputs,
    row_count,
    select,
)
from learning.environment import function_record
from learning.examples import Examples
from learning.files import HeldBack, ModelFiles, Progress, Trained, save_model
from learning.first_answers import first_answers, loss_of_one, unit_of
from learning.fitted import Fitted, fit_held_back
from learning.held_back import Divided, all_of, held_apart, hold_back, refuse_negative
from learning.keras_private import set_seed
from learning.loop import Learner, TrainingContext, constant_loss, predictor, train
from learning.losses import Measure, own, plain
from learning.steps import Steps
from learning.weights import counted
from learning.work_folder import record_of, task_digest, train_once

if TYPE_CHECKING:
    from learning.checkpoint import TrainingState
    from learning.spec import ModelSpec, Pretrain


def pretrain(  # noqa: PLR0913 - what differs from run to run, all but the first two by name
    spec: ModelSpec,
    history: Sequence[PartitionFile],
    *,
    work: Path,
    logs: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    plan: Pretrain | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    after: datetime | None = None,
    refit: Mapping[str, int] | None = None,
    fitted: Fitted | None = None,
    start: ModelFiles | None = None,
) -> Trained:
    """Train base and head on the training rows of all partitions.

    Args:
        spec: the model.
        history: the partitions to learn from.
        work: folder for checkpoints and the two files; run again with the same one, it goes on where it stopped.
        logs: TensorBoard's folder, if wanted.
        seed: the same seed, rows and plan give the same weights on the same machine.
        progress: called after every epoch.
        plan: by default `spec.pretrain`.
        since: learn only from rows from this time on.
        before: learn only from rows before this time,
        after: or from this one on.
        refit: `Trained.kept` of an earlier training, its proof: learn for as many epochs, by the same schedule, with
            no row held back.
        fitted: `Trained.fitted` of the same one.
        start: a version whose base and head learn on, in place of new ones: a warm start.

    Raises:
        NotEnoughData: there is no labelled row to train on.
        TrainingDiverged: the loss became NaN, infinite or absurdly large.
    """
    plan = plan or spec.pretrain
    taken = (fitted.recorded or None) if fitted else None
    asked: dict[str, Any] = {"since": since, "before": before, "after": after, "refit": refit, "fitted": taken}
    record = record_of(plan, seed, loss=function_record(spec.loss), **asked)
    context = TrainingContext(work, logs, progress, spec.callbacks or list, seed, start)

    def train_anew() -> Trained:
        rows = select(spec.schema, history, "train", since=since, before=before, after=after)
        refuse_negative(spec.objective, rows)
        known = None if refit is None else (refit[plan.name], fitted or Fitted())
        ready = _divided(spec, plan, all_of(rows), context, held=refit is None)
        files, state, found = _pretrain(spec, plan, ready, context, known)
        best = f"the best was epoch {state.best_epoch}, validation loss {state.best:.4f}{state.remark}"
        reason = (
            f"learned from {row_count(ready[0][0]):,} rows of {len(history)} partitions in {state.epoch} epochs; "
            f"{f'{best}{found.remark}' if refit is None else 'as many as its proof kept'}"
        )
        made = record | found.recorded
        kept = {plan.name: state.best_epoch}
        held = _held_back(spec, ready[0][1], state) if refit is None and held_apart(*ready[0]) else None
        return Trained(files, state.curve, (), made, reason, kept, row_count(rows), found, held)

    with absurd_rows_named(spec, history):
        begun = (start.base_digest, start.head_digest) if start else ()
        return train_once(work, task_digest(spec, record, begun, [history]), train_anew)


def _held_back(spec: ModelSpec, held: Sequence[Selection], state: TrainingState) -> HeldBack:
    """How a training fared on what it held back."""
    rows = Examples(held, partial(read_inputs, spec.schema))
    return HeldBack(state.best, constant_loss(spec.objective, rows.target, rows.weight))


def _divided(
    spec: ModelSpec, plan: Pretrain, rows: list[Selection], context: TrainingContext, *, held: bool
) -> tuple[Divided, Parts]:
    """Rows to learn from and rows held back, if they are; and the parts, as built from the former or as they start.

    More rows are held back where they can put the head's chances right, which only the head that was built says.
    """
    classes = spec.objective.class_count
    for calibrated in (classes or 0, 0) if held and moves_chances(spec) else (0,):
        divided: Divided = rows, []
        if held:
            divided = hold_back(
                spec.schema, rows, plan, context.seed, classes=classes is not None, calibrated=calibrated
            )
        set_seed(context.seed)
        columns, start = sample(spec, divided[0], plan.sample_rows), context.start
        parts = continued_parts(spec, start, columns) if start else checked_parts(spec, columns, context.work)
        if not calibrated or calibrates(spec, parts[1]):
            break
    return divided, parts


def _pretrain(
    spec: ModelSpec,
    plan: Pretrain,
    ready: tuple[Divided, Parts],
    context: TrainingContext,
    known: tuple[int, Fitted] | None,
) -> tuple[ModelFiles, TrainingState, Fitted]:
    """Train base and head, as they are: their files, where training ended, and what was fitted then.

    Of a refit it is `known` how many epochs it learns, and what was fitted. A warm start has its first answers.
    """
    (learning, validating), (base, head, model) = ready
    apart = held_apart(learning, validating)
    target = np.concatenate([selection.target for selection in learning])
    if spec.loss is None and not context.start:
        # A loss of one's own sees errors in the target's own unit: a head in another would learn by longer steps.
        head = first_answers(spec.objective, head, target, balanced=plan.class_weight is not None)
    model = assemble(base, head, frozen=False, augment=model.augment)
    paths = context.work / "base.keras", context.work / "head.keras"
    learning, shift = counted(spec.objective, plan, learning)
    measure = Measure(unit_of(spec.objective, head), shift)
    loss = own(spec.loss) if spec.loss else plain(spec.objective, measure)
    learner = Learner(
        Steps(model, loss, plan, plan.learning_rate),
        model.variables,
        spec.objective,
        own=spec.loss is not None,
        one=1.0 if spec.loss else loss_of_one(spec.objective, measure.unit),
        calibrated=apart and calibrates(spec, head),
    )
    learned, validated = (Examples(part, partial(read_inputs, spec.schema)) for part in (learning, validating))
    state = train(learner, learned, validated, context, known[0] if known else None)
    if known:
        found = known[1]
        fold(found.calibration, head)
    else:
        predict = predictor(in_batches(model))
        found = fit_held_back(spec, head, validated if apart else None, predict, learned=state.best_epoch > 0)
        found = replace(found, warm_start=context.start is not None)
    return ModelFiles(*paths, save_model(base, paths[0]), save_model(head, paths[1])), state, found
