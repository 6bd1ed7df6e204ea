"""Fine-tune the champion on what arrived since it last learned: to be proven first, then on all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from db.arrival_records import PartitionRecord
from evaluation.past_verdicts import STUCK_AFTER
from learning.data import select
from learning.escalation import escalated, last_rung
from learning.files import Progress, Trained
from learning.finetuning import finetune
from learning.fitted import Fitted
from learning.folds import refit_epochs
from learning.plans import FineTune, FromScratch
from learning.startup import start_tensorflow
from learning.work_folder import remove_old
from monitoring.decision import OUTGROWN, Pending
from monitoring.track_record import world_turned
from tasks.find_pending import learnable
from tasks.judged_rows import events_of
from tasks.logs import run_logger
from tasks.past_agrees import Agreement, agreement_of, find_agreement, proving_since
from tasks.register_version import Fold, Learned
from tasks.run import Context, Run, step
from tasks.shown_progress import shown_progress
from tasks.unlearned import judging

SEED = 2013
WITH_PAST = "with-past"  # work folders of trainings that learn from before the turn, too


@dataclass(frozen=True)
class Proven:
    """A challenger that passed the gate on its proving window.

    Args:
        number: its version's.
        kept: the epochs that each stage kept.
        fitted: on the rows that its training held back.
    """

    number: int
    kept: Mapping[str, int]
    fitted: Fitted = field(default_factory=Fitted)


def finetune_champion(
    context: Context, run_id: int, pending: Pending, progress: Progress | None = None, proven: Proven | None = None
) -> Learned:
    """Fine-tune the champion on the pending partitions, with replay from what it learned before.

    Rows of the proving window are left out, unless they have proven a challenger already: then this is its refit. Where
    the window is all rows, in folds, each fold is left out by a challenger of its own, and the refit comes first.
    """
    remove_old(context.settings.work / context.spec.name)
    start_tensorflow()
    again = pending.asked == "again"
    turned = None if again else world_turned(context.registry, context.spec)
    plan = plan_for(context, pending, learned_since(pending, turned))
    since = learned_since(pending, turned) if isinstance(plan, FromScratch) else turned
    train = partial(training(context, run_id, pending, plan, progress), since=since)
    proof = context.registry.version(context.spec.name, proven.number).plan if proven else None
    found = agreement_of(proof, turned) if proof else find_agreement(context, pending, plan, turned, train)
    train = partial(train, agreement=found)
    parent, own = (None, learned_before(context, pending)) if again else (pending.champion, ())
    everything = (*own, *pending.partitions)
    if pending.folds:
        refit, folds = cross_fitted(pending.folds, train)
        return Learned(refit, parent, everything, folds=folds)
    if proven:
        refit = train("refit", refit=proven.kept, fitted=proven.fitted)
        return Learned(refit, parent, everything, refit_of=proven.number)
    challenger = train("", before=pending.prove_from)
    if pending.prove_from:
        before = tuple(p for p in pending.partitions if p.time_from < pending.prove_from)
        return Learned(challenger, parent, own, partly=before)
    return Learned(challenger, parent, everything)


def training(
    context: Context, run_id: int, pending: Pending, plan: FineTune | FromScratch, progress: Progress | None
) -> Callable[..., Trained]:
    """A function that trains the champion on pending rows: files are fetched once for all folds.

    Args:
        context: what is opened for the model.
        run_id: number of the run.
        pending: the rows.
        plan: what it is trained with.
        progress: called after every epoch.

    Returns:
        It takes the name of the training's work folder, empty for the challenger's, and by name `before`, `after`,
        `refit` and `fitted` of `learning.finetuning.finetune`, as far as they are there; `since`, from when on rows of
        the past are learned; and `agreement`, which may say that all of them are.
    """
    spec, registry, settings = context.spec, context.registry, context.settings
    learned = learned_before(context, pending)
    champion = context.model_files(registry.version(spec.name, pending.champion))
    new, old = (context.partition_files(partitions) for partitions in (pending.partitions, learned))
    names = {file.digest: partition.digest for file, partition in zip(old, learned, strict=True)}

    def train(name: str, since: datetime | None = None, agreement: Agreement | None = None, **rows: Any) -> Trained:
        name = "-".join(filter(None, (name, WITH_PAST))) if agreement and agreement.kept else name
        found = (context.past.finetune if context.past else finetune)(
            spec,
            champion,
            new,
            old,
            cache=settings.cache,
            work=settings.work / spec.name / "-".join(filter(None, (pending.work_key, name))),
            logs=settings.logs / spec.name / f"run-{run_id}" / name,
            seed=SEED,
            progress=progress,
            plan=plan,
            replay_since=None if agreement and agreement.kept else since,
            **rows,
        )
        made = found.plan | (agreement.recorded if agreement else {})
        return replace(found, plan=made, replayed=tuple(names[digest] for digest in found.replayed))

    return train


def learned_since(pending: Pending, turned: datetime | None) -> datetime | None:
    """Since when base and head are built anew: the turn of the world, or None where all rows since then judge.

    Who may learn no older ones would have nothing to learn from.
    """
    judged = proving_since(pending)
    return None if turned and judged and turned >= judged else turned


def cross_fitted(starts: Sequence[datetime], train: Callable[..., Trained]) -> tuple[Trained, tuple[Fold, ...]]:
    """A challenger for each fold, that learned from all other rows; and one of all rows, as the folds found.

    Each stage learns for the middle one of their epochs; from scratch, for the latest. What else is fitted on rows held
    back is that of the newest fold, whose challenger learned from older rows only. The challenger of a fold is a refit,
    too: the champion is one, and where a class is rare, a third of the rows is held back to choose the epoch.
    """
    folds, proofs = [], []
    times = "too few events for a proving window: %d folds judge, which takes %d trainings"
    run_logger().info(times, len(starts), 2 * len(starts) + 1)
    for place, (since, until) in enumerate(zip(starts, (*starts[1:], None), strict=True), 1):
        proof = train(f"fold-{place}", before=since, after=until)
        run_logger().info("fold %d of %d, since %s: %s", place, len(starts), f"{since:%Y-%m-%d %H:%M}", proof.reason)
        again = {"refit": proof.kept, "fitted": proof.fitted}
        files = train(f"fold-{place}-refit", before=since, after=until, **again).files
        proofs.append(proof)
        folds.append(Fold(since, until, files))
    refit = train("refit", refit=refit_epochs(proofs), fitted=proofs[-1].fitted)
    return replace(refit, plan=refit.plan | {"folds": [start.isoformat() for start in starts]}), tuple(folds)


def learned_before(context: Context, pending: Pending) -> tuple[PartitionRecord, ...]:
    """What the champion's line learned from; of a version without a parent, all else that there is."""
    registry, model = context.registry, context.spec.name
    if pending.asked != "again":
        return registry.trained_on(model, pending.champion)
    new = {partition.digest for partition in pending.partitions}
    everything = context.newest.counted(learnable(context.spec, registry.partitions(model)))
    return tuple(partition for partition in everything if partition.digest not in new)


def plan_for(context: Context, pending: Pending, turned: datetime | None) -> FineTune | FromScratch:
    """What a challenger is trained with: what a person asked for, or the plan, as far as it is escalated.

    It is after challengers were stuck; and at once where the base has seen nothing of the world as it is now. Events
    that are too few for a proving window are too few to say what to begin with, too: from scratch is with new weights.
    """
    spec = context.spec
    if pending.asked == "again":
        return FromScratch()
    if pending.asked:
        return replace(spec.finetune, warm_start=False) if isinstance(spec.finetune, FromScratch) else FromScratch()
    level = pending.stuck // STUCK_AFTER
    if (top := last_rung(spec)) > level and turned and base_is_outgrown(context, pending, turned):
        level = top
    plan = escalated(spec, level)
    # Without a turn, rows held back are of those that the champion has learned, and would speak for it.
    if isinstance(plan, FromScratch) and (pending.folds or not turned):
        return replace(plan, warm_start=False)
    return plan


def base_is_outgrown(context: Context, pending: Pending, turned: datetime) -> bool:
    """Whether there are 1.4 times as many rows of the world as it is now as the champion's base has learned from.

    So a base that is built soon after the turn, of a few days, is built again as more is known, and ever more rarely.
    One that has seen fewer events than a proving window asks of all rows is built again at once: what it found in a
    few dozen frauds is no ground for the frauds to come.
    """
    registry, model = context.registry, context.spec.name
    line = registry.lineage(model, pending.champion)
    *_, maker = takewhile(lambda version: version.base.digest == line[0].base.digest, line)
    learned = judging(registry.trained_on(model, maker.number), turned)
    more = judging((*registry.trained_on(model, pending.champion), *pending.partitions), turned)
    seen, known = (sum(one.rows for one in partitions) for partitions in (learned, more))
    if known <= seen or known >= OUTGROWN * seen:
        return known > 0 and known >= OUTGROWN * seen
    objective, gate = context.spec.objective, context.spec.gate
    if objective.class_count is None:  # of numbers none is rare
        return False
    rows = select(context.spec.schema, context.partition_files(learned), "all", since=turned)
    return events_of(objective, rows) < gate.min_events / gate.prove_on


@step("fine-tune the head")
def finetune_challenger(run: Run, pending: Pending) -> Learned:
    """Train a challenger from the champion and the pending data."""
    with shown_progress(f"fine-tune {run.model}") as progress:
        return finetune_champion(run.context, run.id, pending, progress)


@step("refit on everything")
def refit(run: Run, pending: Pending, proven: Proven) -> Learned:
    """Train what was proven once more, with the rows that proved it."""
    with shown_progress(f"refit {run.model}") as progress:
        return finetune_champion(run.context, run.id, pending, progress, proven)
