"""Find what arrived and the champion has not learned from, and whether that work was done before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import clock
from db.arrival_records import PartitionRecord
from db.records import AWAITING, CUT_SHORT, STUCK, RunRecord, VersionRecord, came_to
from errors import NoChampion, TaintedVersion
from evaluation.past_verdicts import MOST_STUCK, stuck
from learning.changes import MADE_FOR, changes
from learning.digests import json_digest
from learning.environment import code_digest
from learning.spec import ModelSpec
from learning.work_folder import plan_of
from monitoring.decision import Asked, Pending, rows_to_judge, strikes, why_done, why_settled
from tasks.judged_rows import judged_by
from tasks.run import Context, Run, step

UNANSWERED = (
    "version {} awaits approval, of an earlier run that was cut short after it had asked: {}. To answer: `evergreen "
    "registry approve {} {} --reason ...`, or reject"
)
SINCE = "no new data since version {}, of a run that was cut short, was {}"


def pending_work(
    context: Context, *, watching: bool = False, now: datetime | None = None, forced: bool = False
) -> Pending:
    """What the champion has not learned from.

    Args:
        context: what is opened for the model.
        watching: whether it is settled for a watch already where one has looked at it; a retrain does the work itself.
        now: the time that an age or a cooldown is measured by; by default, the present.
        forced: whether a person asked for a retrain though the policy says wait.

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
    ended, at = last.finished_at if last else None, now or clock.now()
    past = strikes(spec.retrain, champion.created_at, ended, at)
    if earlier and ((forced and came_to(earlier) == "waiting") or is_void(context, earlier)):
        earlier = None
    settled = why_settled(number, partitions, earlier, past)
    if settled:
        return Pending(number, partitions, key, settled)
    if question := left_behind(context, key, earlier):
        return replace(question, champion=number, partitions=partitions)
    in_a_row = stuck(registry.model_evaluations(spec.name, limit=MOST_STUCK, online=False), number)
    found = Pending(number, partitions, key, stuck=in_a_row, forced=forced)
    refused = None if last is None or is_void(context, last) else since_refusal(spec, number, partitions, last)
    return judged_by(context, found, refused or ())


def since_refusal(
    spec: ModelSpec, champion: int, partitions: Sequence[PartitionRecord], last: RunRecord | None
) -> tuple[PartitionRecord, ...] | None:
    """The pending partitions that arrived since the last retrain, if it promoted nobody; None if it did.

    None, too, where that was other work than what is pending from before: of another champion, plan or code, or of
    other rows. Then all of them are news.
    """
    if last is None or last.finished_at is None or came_to(last) not in {"rejected", STUCK, AWAITING}:
        return None
    ended = last.finished_at
    older = [partition.digest for partition in partitions if partition.arrived_at <= ended]
    if work_key(spec, champion, older) != last.work_key:
        return None
    return tuple(partition for partition in partitions if partition.arrived_at > ended)


def asked_work(context: Context, asked: Asked) -> Pending:
    """What a person asked for: base and head anew, from all rows there are, whether any are new or not.

    A challenger is proven on pending rows if they are enough for a verdict. Where they are not, it learns everything,
    and what was held out decides, which neither of both was trained on.

    Raises:
        NoChampion: nothing was promoted yet.
    """
    spec, registry = context.spec, context.registry
    champion, newest = registry.champion(spec.name), registry.promotions(spec.name)[-1]
    everything = context.newest.counted(learnable(spec, registry.partitions(spec.name)))
    partitions = context.newest.counted(learnable(spec, registry.pending(spec.name)))
    key = work_key(spec, 0, [asked, *(partition.digest for partition in everything)])
    earlier = registry.run_with_work_key(spec.name, key)
    settled = why_done(earlier, newest.at)
    if settled:
        return Pending(champion.number, partitions, key, settled, asked=asked)
    if question := left_behind(context, key, earlier):
        return replace(question, champion=champion.number, partitions=partitions, asked=asked)
    pending = Pending(champion.number, partitions, key, asked=asked)
    if no_opponent(context, champion, partitions):
        return pending
    proven = judged_by(context, pending)
    return proven if proven.prove_from and proven.judged_rows >= rows_to_judge(proven, spec.gate) else pending


def is_void(context: Context, run: RunRecord) -> bool:
    """Whether a run asked for approval of what nobody can approve any more: it was overtaken, as by a rollback.

    The same champion may be back since, and the work be the same again.
    """
    if came_to(run) != AWAITING:
        return False
    question = context.registry.question(context.spec.name, run.work_key)
    return question is not None and question.is_void(clock.now())


def left_behind(context: Context, key: str, earlier: RunRecord | None) -> Pending | None:
    """What is settled by the question of a run that was cut short behind it; None if there is none, or it is void.

    To do the work again would let an equal version wait beside the one that does.

    Args:
        context: what is opened for the model.
        key: digest of the work.
        earlier: the newest finished run that had it; None if none did.
    """
    question, model, at = context.registry.question(context.spec.name, key), context.spec.name, clock.now()
    if question is None or question.is_void(at) or (earlier and earlier.outcome not in CUT_SHORT):
        return None
    number, state = question.number, question.state(at)
    awaits = state == "awaits approval"
    settled = UNANSWERED.format(number, question.verdict, model, number) if awaits else SINCE.format(number, state)
    return Pending(0, (), key, settled, awaits=awaits)


def no_opponent(context: Context, champion: VersionRecord, arrived: Sequence[PartitionRecord]) -> str:
    """Why a constant stands in the champion's place where a challenger is judged; "" if the champion can be asked.

    Rows that it cannot read are how rows come now: of those to come, it will say nothing. On older rows, which have
    the column that is gone, it would win, and the model that can serve what comes would never take its place.
    """
    found = changes(champion.plan.get(MADE_FOR), context.spec)
    if found.answers:
        return f"a constant stands in for version {champion.number}, which predicts something else"
    if not found.inputs:
        return ""
    there = {partition.digest for partition in context.readable(champion, arrived)}
    rows = sum(partition.rows for partition in arrived if partition.digest not in there)
    if not rows:
        return ""
    what = ", ".join(found.inputs)
    return f"a constant stands in for version {champion.number}, which cannot read {rows:,} of the new rows ({what})"


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
def find_pending(run: Run, asked: Asked = "", *, forced: bool = False) -> Pending:
    """What the champion has not learned from; NoChampion says to run bootstrap."""
    context = run.context
    found = asked_work(context, asked) if asked else pending_work(context, now=run.started_at, forced=forced)
    run.sees(found.partitions)
    return found


@step("find pending data")
def find_again(run: Run) -> Pending | None:
    """The work of a bootstrap that is to be done again; None where there is no champion, or none that may stay."""
    champion = run.context.registry.find_champion(run.model)
    if champion is None or champion.number in run.context.registry.tainted(run.model):
        return None
    return asked_work(run.context, "again")


@step("find pending data")
def find_unwatched(run: Run) -> Pending:
    """What the champion has not learned from, settled if a watch or a retrain has looked at it."""
    found = pending_work(run.context, watching=True, now=run.started_at)
    run.sees(found.partitions)
    return found


def unstarted(run: Run) -> str:
    """Why there is no champion to go on from, or "": a schedule may begin before the bootstrap, and need not fail."""
    try:
        run.context.registry.champion(run.model)
    except NoChampion as error:
        return f"no champion yet: {error}"
    return ""
