"""A checkpoint of an online learner challenges the champion: frozen as a version, and proven on what comes after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from clock import now
from db.records import AWAITING
from db.verdict_records import NewEvaluation
from errors import TrainingDiverged, UnusableVersion
from evaluation.curves import curves
from evaluation.gate import PROVING, judge
from evaluation.past_verdicts import earlier_changes
from evaluation.promises import announce
from learning.data import PartitionFile
from learning.prediction import Predictions, predict
from tasks.deliver import deliver_promotions
from tasks.evaluate import EARLIER, PromotionDecision
from tasks.event_file import write_events
from tasks.infra_check import begin_try_out, infra_check, try_out_version
from tasks.logs import run_logger
from tasks.online import Consumer
from tasks.online_learner import Candidate
from tasks.paired_rows import Rows, meet
from tasks.promote import promote
from tasks.register_version import Learned, register_version
from tasks.run import Context, Run, step
from tasks.unlearned import judged_since, judging

if TYPE_CHECKING:
    from db.records import VersionRecord

MOST = 50_000  # rows that prove, after which the gate is asked whatever they hold


@dataclass(frozen=True)
class EventRows(Rows):
    """Rows that decide, where those that are new were events, written as a partition is.

    Args:
        file: them.
    """

    file: PartitionFile = field(kw_only=True)

    def predicted(self, context: Context, version: VersionRecord, columns: Sequence[str] = ()) -> Predictions:
        """What a version says of them, then of the past."""
        past = Rows(self.past, (), self.since, self.learned_before).predicted(context, version, columns)
        spec, files = context.spec_of(version), context.model_files(version)
        with TemporaryDirectory() as cache:  # nobody asks again for the features of these rows
            new = predict(spec, files, [self.file], split="all", cache=Path(cache), columns=columns)
        return new.followed_by(past, 1)


def challenge(consumer: Consumer) -> None:
    """Freeze a challenger now and then, and let the gate judge it once enough has come after it."""
    run, spec = consumer.run, consumer.run.context.spec
    if consumer.candidate is None:
        rested = time.time() - consumer.challenged > max(consumer.pace.between, _cooldown(run.context))
        if rested and consumer.learned >= max(spec.retrain.min_rows, 1):
            freeze(run, consumer)
    elif not is_asked_about(consumer, consumer.candidate) and is_proof_enough(consumer, consumer.candidate):
        judge_candidate(run, consumer, consumer.candidate)


def is_asked_about(consumer: Consumer, candidate: Candidate) -> bool:
    """Whether a person was asked about the challenger; one that nobody can approve of any more is none.

    Meanwhile there is no other one: whoever is approved was learned on from, so the learner goes on as it is.
    """
    registry, model = consumer.run.context.registry, consumer.run.model
    asked = next((one for one in registry.approvals(model) if one.number == candidate.number), None)
    if asked is None:
        return False
    consumer.remembered.end_proof()  # it was proven: more rows would only pile up until there is an answer
    followed = registry.sequence(model) == consumer.seen  # else who was promoted is seen to at the next event
    if followed and asked.state(now()) not in {"awaits approval", "approved"}:
        consumer.end_challenge()
        consumer.checkpoint()
    return True


def is_proof_enough(consumer: Consumer, candidate: Candidate) -> bool:
    """Whether as much came after the challenger as the gate asks for: a share of what it learned, and enough events.

    Rows that all weigh nothing prove nothing.
    """
    spec, labels = consumer.run.context.spec, consumer.remembered.proof_labels()
    rows, gate = sum(labels.values()), spec.gate
    share = gate.prove_on / (1 - gate.prove_on) * candidate.learned
    rarer = rows - max(labels.values(), default=0) if spec.objective.class_count else gate.min_events
    enough = rows >= MOST or (rows >= max(gate.min_rows, share) and rarer >= gate.min_events)
    weight = spec.schema.weight
    return enough and (weight is None or any(one["row"].get(weight) for one, _ in consumer.remembered.proof()))


@step("freeze a challenger")
def freeze(run: Run, consumer: Consumer) -> None:
    """Register what was learned so far as a version; what comes from now on proves it."""
    with TemporaryDirectory() as work:
        try:
            trained = consumer.learner.freeze(Path(work))
        except TrainingDiverged as error:
            consumer.start_over(error)
            consumer.checkpoint()
            return
        digests = consumer.source.lineage(consumer.since, consumer.position)
        known = {p.digest: p for p in run.context.registry.partitions(run.model)}
        whole, partly = (tuple(known[digest] for digest in some if digest in known) for some in digests)
        number = register_version.fn(run, Learned(trained, consumer.parent, whole, partly))
    consumer.candidate = Candidate(number, consumer.events, consumer.learned, consumer.position)
    consumer.changed = True
    consumer.checkpoint()


@step("judge the challenger")
def judge_candidate(run: Run, consumer: Consumer, candidate: Candidate) -> None:
    """Let the gate compare it with the champion on what came after it, and promote it if it passes."""
    with TemporaryDirectory() as folder:
        decision = evaluate(consumer, candidate.number, Path(folder))
    run_logger().info("version %d: %s", candidate.number, decision.reason)
    settle(run, consumer, candidate, decision)


def settle(run: Run, consumer: Consumer, candidate: Candidate, decision: PromotionDecision) -> None:
    """Promote what passed and can be used, or ask a person, by the same rule as a retrain; and tell of it at once."""
    registry, log = run.context.registry, run_logger()
    passed = decision.accepted and is_usable(run, consumer, candidate.number)
    ending = promote(run.context, decision, candidate.number) if passed else None
    if ending is None:  # refused; or somebody else promoted, whose version is followed at the next event
        consumer.end_challenge()
    elif ending.outcome == AWAITING:
        log.warning(ending.reason)
        run.attention.append(ending.reason)
    else:
        consumer.win(candidate)
        consumer.seen = registry.sequence(run.model)
    consumer.checkpoint()
    # The end of the run may be an hour away.
    if ending and (complaint := deliver_promotions(registry, run.context.settings)):
        log.warning(complaint)


def is_usable(run: Run, consumer: Consumer, number: int) -> bool:
    """Whether a fresh process can use a version, as fast as is asked for."""
    try:
        with infra_check(run) as check:
            begin_try_out(run.context, number, consumer.parent, check)
            slow = try_out_version.fn(run, number, consumer.parent, check)
    except UnusableVersion as error:  # the learner goes on, and its next challenger may be usable
        run.attention.append(str(error))
        return False
    if slow:
        run_logger().info("version %d: %s", number, slow)
    return not slow


def evaluate(consumer: Consumer, number: int, folder: Path) -> PromotionDecision:
    """Champion and challenger on the rows that came after it and on past eras, by the gate as it is."""
    run, context = consumer.run, consumer.run.context
    registry, spec = context.registry, context.spec
    challenger, champion = (registry.version(spec.name, one) for one in (number, consumer.parent))
    record, file = write_events(spec, consumer.remembered.proof(), folder)
    since = judged_since(context)
    past = judging(registry.trained_on(spec.name, champion.number), since)
    rows = EventRows(past, (record,), record.time_from, since, file=file)
    meeting = meet(context, challenger, champion, rows)
    before = registry.model_evaluations(spec.name, limit=EARLIER, online=True)
    known = earlier_changes(before, spec.gate.confidence, spec.objective.loss_name)
    verdict = judge(
        meeting.paired,
        spec.objective,
        spec.gate,
        uncounted=meeting.uncounted,
        against=meeting.against,
        announce=partial(announce, earlier=known, book=registry.promises(spec.name), confidence=spec.gate.confidence),
    )
    new = NewEvaluation(run.id, spec.name, number, champion.number, prove_from=rows.since, **vars(verdict))
    evaluation_id = registry.record_evaluation(new, curves(meeting.paired, spec.objective))
    newest = [m for m in verdict.metrics if m.dataset == PROVING and not m.slice]
    registry.record_metrics(spec.name, number, {m.metric: m.challenger_value for m in newest})
    judged = verdict.passed, verdict.passed, verdict.blocked, verdict.reason
    return PromotionDecision(number, champion.number, consumer.seen, evaluation_id, *judged)


def _cooldown(context: Context) -> float:
    shortest = context.spec.retrain.shortest
    return shortest.total_seconds() if shortest else 0.0
