"""Let the challenger meet the champion on rows that neither was ever trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from db.records import VersionRecord
from db.verdict_records import NewEvaluation
from evaluation.curves import curves
from evaluation.gate import NEWEST, PROVING, Verdict, judge
from evaluation.losses import row_losses
from evaluation.past_verdicts import earlier_changes, looks
from evaluation.promises import announce
from learning.changes import MADE_FOR, comparable
from monitoring.decision import Pending
from tasks.find_pending import no_opponent
from tasks.logs import run_logger
from tasks.paired_rows import FoldedRows, Meeting, Rows, meet
from tasks.register_version import Fold
from tasks.run import Context, Run, step
from tasks.score_champion import by_block
from tasks.unlearned import judged_since, judging, partly_seen, unseen

ACTOR = "gate"
EARLIER = 100  # verdicts that what is announced learns from
LOOK_AT = (
    "look at the labels (`evergreen schema infer FILE` says what each column seems to be), at the learning curves "
    "(`evergreen registry curves {} {}`) and the learning rate, then bootstrap again"
)

NOTHING_LEARNED = (
    "nothing was learned: on the newest rows held back from training, no epoch of any stage was better than the "
    "champion as it is, so there is nothing to judge"
)
NO_EPOCHS = (
    "nothing was learned: of no stage an epoch was better than the start in more than half of the {} folds, so the "
    "challenger of all rows is as it began, and there is nothing to judge"
)


@dataclass(frozen=True)
class PromotionDecision:
    """What the gate said of a challenger, against which champion (None: a constant), seen at which sequence.

    `accepted` is whether it may be promoted. Beside those that passed, that is a first version that is not shown to be
    worse than a constant: there is no better one. `blocked` is whether it was better on what is new, and refused;
    `overtaken`, whether it was not judged at all, as somebody else promoted in the meantime. `work_key` is that of the
    pending work that it did; a bootstrap has none.
    """

    challenger: int
    champion: int | None
    seen: int
    evaluation_id: int
    passed: bool
    accepted: bool
    blocked: bool
    reason: str
    overtaken: bool = False
    work_key: str | None = None

    @property
    def bootstraps(self) -> bool:
        """Whether it begins anew: nothing is in production that may stay, and whoever bootstraps has decided."""
        return self.champion is None and self.work_key is None


def evaluate(
    context: Context, run_id: int, challenger: int, pending: Pending | None = None, folds: tuple[Fold, ...] = ()
) -> PromotionDecision:
    """Compare a challenger with the present champion, and record every figure.

    The first version has no champion to beat; it is compared with the best constant, and the registry says so. So is
    one that was bootstrapped because its champion had learned from recalled data, and one whose champion has nothing
    to say of what arrives now (`no_opponent`).
    """
    registry, spec = context.registry, context.spec
    seen, champion = registry.sequence(spec.name), registry.find_champion(spec.name)
    aside = no_opponent(context, champion, pending.partitions) if champion and pending else ""
    if champion and (aside or champion.number in registry.tainted(spec.name)):
        champion = None
    version = registry.version(spec.name, challenger)
    rows = rows_of(context, version, champion, pending, folds)
    late = overtaken(context, version, champion, pending)
    refused = late or has_seen(context, version, rows)
    refused = refused or (nothing_learned(version, champion, folds) if pending else "")
    meeting = None if refused else meet(context, version, champion, rows)
    verdict = judged(context, version, champion, rows, meeting) if meeting else Verdict(False, refused, ())
    accepted = verdict.passed or (champion is None and not verdict.harmful)
    if champion is None and not accepted:
        verdict = replace(verdict, reason=f"{verdict.reason}; {LOOK_AT.format(spec.name, challenger)}")
    seen_some = partly_seen(context, champion.number, judging(rows.new, rows.since)) if champion and rows.since else ""
    remark = rows.remark if meeting else ""
    verdict = replace(verdict, reason="; ".join(filter(None, (verdict.reason, remark, aside, seen_some))))
    against = champion.number if champion else None
    evaluation_id = registry.record_evaluation(
        NewEvaluation(run_id, spec.name, challenger, against, prove_from=rows.since, **vars(verdict)),
        curves(meeting.paired, spec.objective) if meeting else (),
    )
    newest = [m for m in verdict.metrics if m.dataset in {NEWEST, PROVING} and not m.slice]
    registry.record_metrics(spec.name, challenger, {m.metric: m.challenger_value for m in newest})
    return PromotionDecision(
        challenger,
        against,
        seen,
        evaluation_id,
        verdict.passed,
        accepted,
        verdict.blocked,
        verdict.reason,
        overtaken=bool(late),
        work_key=pending.work_key if pending else None,
    )


def nothing_learned(version: VersionRecord, champion: VersionRecord | None, folds: tuple[Fold, ...]) -> str:
    """Why there is nothing to judge, as no epoch was kept; "" if some were.

    Where the challenger of all rows kept none, those of some folds may have: they do not speak for it then.
    """
    if folds and not any(version.plan["refit"].values()):
        return NO_EPOCHS.format(len(folds))
    return NOTHING_LEARNED if same_weights(version, champion) else ""


def same_weights(one: VersionRecord, other: VersionRecord | None) -> bool:
    """Whether two versions are the same, weight by weight."""
    return other is not None and (one.base.digest, one.head.digest) == (other.base.digest, other.head.digest)


def rows_of(
    context: Context,
    challenger: VersionRecord,
    champion: VersionRecord | None,
    pending: Pending | None,
    folds: tuple[Fold, ...] = (),
) -> Rows:
    """The rows that decide: the proving window where there is one, else what was held out."""
    registry, model = context.registry, context.spec.name
    learned, since = registry.trained_on(model, champion.number) if champion else (), judged_since(context)
    past = judging(learned, since)
    if pending is None or champion is None:
        return Rows(past, judging(registry.trained_on(model, challenger.number), since), learned_before=since)
    known = {partition.digest for partition in learned}
    new = tuple(p for p in pending.partitions if p.digest not in known)
    if pending.asked and pending.prove_from is None:  # there may be nothing new: all that is held out decides
        return Rows((), (*past, *new), learned_before=since)
    start = folds[0].since if folds else pending.prove_from  # the oldest fold may begin where the world turned
    if start:
        new = unseen(context, champion.number, new, start)
    if folds:
        return FoldedRows(past, new, start, since, challenger=challenger.number, folds=folds)
    return Rows(past, new, start, since)


def judged(
    context: Context, challenger: VersionRecord, champion: VersionRecord | None, rows: Rows, meeting: Meeting
) -> Verdict:
    """The gate's verdict, with what is known from earlier trials; the challenger's losses by block are recorded."""
    registry, spec = context.registry, context.spec
    if champion is None:
        return judge(meeting.paired, spec.objective, spec.gate)
    if rows.since:
        found = meeting.challenger.take(meeting.challenger.partition < len(rows.new))
        losses = row_losses(spec.objective, found.target, found.prediction)
        blocks = tuple(by_block(spec.objective, found, losses, rows.new))
        registry.record_block_losses(spec.name, challenger.number, blocks, proving=True)
    earlier = registry.model_evaluations(spec.name, limit=EARLIER, online=False)
    against = [e.challenger for e in reversed(earlier) if e.champion == champion.number]
    same = comparable(champion.plan.get(MADE_FOR), spec)  # else its losses of earlier blocks are of another unit
    tried = [number for number in against if number != challenger.number] if same else []
    before = looks(registry.block_losses(spec.name, (champion.number, *tried)), champion.number, tried) if tried else ()
    known = earlier_changes(earlier, spec.gate.confidence, spec.objective.loss_name)
    promise = partial(announce, earlier=known, book=registry.promises(spec.name), confidence=spec.gate.confidence)
    return judge(
        meeting.paired,
        spec.objective,
        spec.gate,
        looks=before,
        uncounted=meeting.uncounted,
        against=meeting.against,
        announce=promise,
    )


def overtaken(
    context: Context, challenger: VersionRecord, champion: VersionRecord | None, pending: Pending | None
) -> str:
    """Why the figures no longer decide, as the champion changed while the challenger was trained; empty if they do."""
    registry, model = context.registry, context.spec.name
    began = pending.champion if pending else challenger.parent
    if champion is None or began == champion.number:
        return ""
    newest = registry.promotions(model)[-1]
    if newest.evaluation_id is None:  # a person, or the watch, knows more than the figures say
        return (
            f"version {champion.number} was put in production by {newest.actor} ({newest.kind}) while this one was "
            "trained"
        )
    learned, known = ({p.digest for p in registry.trained_on(model, n)} for n in (challenger.number, champion.number))
    if learned | {p.digest for p in (pending.partitions if pending else ())} <= known:
        return f"version {champion.number}, promoted while this one was trained, learned from the same rows"
    return ""


def has_seen(context: Context, challenger: VersionRecord, rows: Rows) -> str:
    """Why a proving window proves nothing of a challenger that learned from it; empty if it did not."""
    if rows.since is None or isinstance(rows, FoldedRows):  # of a fold, it is asked that left it out
        return ""
    learned = {p.digest for p in context.registry.learned_by(context.spec.name, challenger.number)}
    seen = sum(p.digest in learned and p.time_to >= rows.since for p in rows.new)
    window = f"{seen:,} partition{'s' * (seen != 1)} of the proving window"
    return f"it learned from {window}, which proves nothing then" if seen else ""


@step("judge the challenger")
def evaluate_challenger(
    run: Run, challenger: int, pending: Pending | None = None, folds: tuple[Fold, ...] = ()
) -> PromotionDecision:
    """Champion and challenger on the same rows."""
    decision = evaluate(run.context, run.id, challenger, pending, folds)
    if run.context.past and run.context.past.always:
        decision = replace(decision, accepted=True)
    if decision.accepted and not decision.passed:
        run_logger().warning("version %d is not shown to be better than a constant prediction", challenger)
    run_logger().info("version %d: %s", challenger, decision.reason)
    return decision
