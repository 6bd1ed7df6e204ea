"""Is what arrived worth a retrain? Any one reason is enough, if the gate can judge what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from db.records import AWAITING, CUT_SHORT, NEEDS_ATTENTION, RunEnding, came_to
from monitoring.alarms import Answered, grew

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord
    from db.records import RunRecord
    from learning.spec import Gate, RetrainPolicy
    from monitoring.drift import DriftVerdict
    from monitoring.performance import Performance


Asked = Literal["", "again", "from scratch"]
TOO_FEW = "too few new rows to check for drift"
OUTGROWN = 2**0.5  # times the rows of a new world that were learned: it is learned twice while they double
WAY_ON = (
    "recall the partition (`evergreen registry recall MODEL DIGEST --reason ...`), or, if the world is like that now, "
    "say DriftPolicy(stop_when_broken=False)"
)


@dataclass(frozen=True)
class Pending:
    """What arrived and the champion has not learned from.

    Args:
        champion: number of the champion.
        partitions: the pending ones, oldest first.
        work_key: digest of all that a retrain on them depends on.
        settled: why this very work need not be done again; empty when it must be.
        awaits: whether that is a version of this work that awaits approval, of a run that was cut short behind it.
        prove_from: when the proving window begins: the newest of these rows, that a challenger is judged on before
            it may learn them. None where they are no two time blocks; then held-out entities are the proof.
        folds: where each fold begins, where the newest rows alone hold too few events: then the proving window is all
            rows, and each fold is judged by a challenger that learned from the others.
        judged_rows: labelled rows that a challenger is judged on: of the proving window, else of held-out entities.
        judged_events: how many of them are of the rarer outcome; where there is none, how many they are.
        stuck: how many challengers in a row were better on what is new, and refused.
        asked: what a person asked for, new data or none: base and head anew, as a version without a parent ("again"),
            or as the champion's challenger ("from scratch").
        forced: whether a person asked for a retrain though the policy says wait.
    """

    champion: int
    partitions: tuple[PartitionRecord, ...]
    work_key: str
    settled: str = ""
    prove_from: datetime | None = None
    folds: tuple[datetime, ...] = ()
    judged_rows: int = 0
    judged_events: int = 0
    stuck: int = 0
    asked: Asked = ""
    forced: bool = False
    awaits: bool = False

    @property
    def nothing_to_do(self) -> RunEnding:
        """How a run ends whose work is settled; one that goes on from a question ends as the one that asked it."""
        return RunEnding(*(AWAITING, "retrain") if self.awaits else ("no new data", "skip"), self.settled)

    @property
    def labelled_rows(self) -> int:
        """How many of the rows have a label."""
        return sum(partition.labelled_rows for partition in self.partitions)


@dataclass(frozen=True)
class Facts:
    """What is known when it is decided.

    Args:
        drift: what the drift check found; None if there was none.
        performance: how the champion fares; None where that was not looked at.
        learned_at: when the champion learned.
        last_retrain: when the last retrain ended, whatever came of it.
        now: the time.
        answered: what the last challenger of this champion answered, if it was refused.
        new_rows: labelled rows that arrived since a challenger was refused; None if the newest was not.
        stop_when_broken: whether nothing is learned while a column is broken.
        unchecked: what is said where there was no drift check.
        turned: since when the world is another; None if it is as it was, or nobody asks.
        since_turn: labelled rows of the new world, pending ones and those that the champion learned.
        new_since_turn: those of them that are pending; after a refused challenger, that arrived since.
    """

    drift: DriftVerdict | None
    performance: Performance | None
    learned_at: datetime | None
    last_retrain: datetime | None
    now: datetime
    answered: Answered | None = None
    new_rows: int | None = None
    stop_when_broken: bool = True
    unchecked: str = TOO_FEW
    turned: datetime | None = None
    since_turn: int = 0
    new_since_turn: int = 0

    @property
    def broken(self) -> bool:
        """Whether a fault in the data forbids to learn from them."""
        return self.stop_when_broken and self.drift is not None and self.drift.broken

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is not as it was, in the words of `RetrainPolicy.when`."""
        worse = self.performance is not None and self.performance.state in {"warning", "broken"}
        drifted = self.drift is not None and self.drift.drifted
        return ("performance",) * worse + ("drift",) * drifted


def decide(pending: Pending, facts: Facts, policy: RetrainPolicy, needed: int) -> RunEnding:
    """Retrain, or wait for more: an ending whose decision is "retrain" or "wait", and whose reason says why.

    Broken data are not learned from, whatever else holds; too little to judge by waits, whatever the alarm; and so does
    everything until the cooldown is over. A person may force what the policy alone lets wait.

    Args:
        pending: what has not been learned.
        facts: what the checks found, and when what happened.
        policy: when a retrain is worth it.
        needed: judged rows without which the gate could give no verdict on a challenger (`rows_to_judge`).

    Example:
        >>> from learning.spec import RetrainPolicy
        >>> now = datetime(2026, 11, 26)
        >>> decide(Pending(1, (), "key"), Facts(None, None, now, None, now), RetrainPolicy(), 0).reason
        '0 labelled rows are pending; 500 are needed; too few new rows to check for drift'
    """
    if pending.asked:  # a person has decided, and knows what the checks say
        return _ending("retrain", f"asked for {pending.asked}", *findings(facts, policy, needed))
    if facts.broken and facts.drift:
        return RunEnding(
            "waiting", "wait", f"the data are broken, nothing is learned from them: {facts.drift.reason}; {WAY_ON}"
        )
    reasons = dict(reasons_to_retrain(pending, facts, policy, needed))
    rows, found = f"{pending.labelled_rows:,} labelled rows are pending", findings(facts, policy, needed)
    if facts.new_rows is not None:
        rows += f", {facts.new_rows:,} of them new since the last challenger was refused"
    if "every" in reasons:
        found.insert(0, reasons["every"])
    if pending.judged_rows < needed:
        return _ending("wait", rows, too_few(pending, facts, policy, needed), *found)
    if not reasons:
        least = f"{policy.min_rows:,} are needed" if "rows" in policy.when else ""
        return _ending("wait", rows, least, *found)
    enough = reasons.get("asked") or reasons.get("rows") or reasons.get("turned", "")
    cooldown = None if pending.forced else policy.shortest
    if cooldown and facts.last_retrain and facts.now < facts.last_retrain + cooldown:
        ended = f"the last retrain ended {facts.last_retrain:%Y-%m-%d %H:%M}, and {policy.cooldown} have to pass"
        return _ending("wait", rows, enough, *found, ended)
    return _ending("retrain", rows, enough, *found)


def _ending(decision: str, *sentences: str) -> RunEnding:
    """An ending whose reason is these, with what is empty left out."""
    outcome = {"wait": "waiting", "retrain": "retraining"}[decision]
    return RunEnding(outcome, decision, "; ".join(filter(None, sentences)))


def reasons_to_retrain(pending: Pending, facts: Facts, policy: RetrainPolicy, needed: int) -> Iterator[tuple[str, str]]:
    """Each reason that holds: its word in the policy, and what is to be said of it beside the findings."""
    new = pending.labelled_rows if facts.new_rows is None else facts.new_rows
    if pending.forced:
        yield "asked", "a person asked for a retrain, whatever the policy says"
    if "rows" in policy.when and new >= policy.min_rows:
        yield "rows", f"{policy.min_rows:,} are enough"
    known, more = facts.since_turn, facts.new_since_turn
    if "performance" in policy.when and facts.turned and more and known >= OUTGROWN * (known - more):
        yield "turned", f"{known:,} rows are known since the world turned on {facts.turned:%Y-%m-%d}"
    for alarm in facts.alarms:
        if alarm in policy.when and not has_answer(alarm, facts, needed):
            yield alarm, ""
    trained = last_trained(facts.learned_at, facts.last_retrain)
    if policy.longest and trained and facts.now - trained >= policy.longest:
        yield "every", f"nothing was trained since {trained:%Y-%m-%d}, and {policy.every} are the most"
    # What a retrain is expected to gain, against what it costs, would be one more reason, once both are measured.


def last_trained(learned_at: datetime | None, last_retrain: datetime | None) -> datetime | None:
    """When the champion learned, or was last challenged: it is as fresh as the challenger that it withstood."""
    return max(filter(None, (learned_at, last_retrain)), default=None)


def has_answer(alarm: str, facts: Facts, needed: int) -> bool:
    """Whether a challenger was refused that answered this alarm, and nothing has changed since (hysteresis).

    What changes it is more rows, as many as the gate judges a challenger by, or an alarm that got worse. A break is
    answered by nothing: it costs with every row that is served, so whatever arrives is tried.
    """
    before = facts.answered
    if before is None or before.rows_since >= needed:
        return False
    if alarm == "drift":
        return facts.drift is not None and not grew(facts.drift.columns, before.drifted)
    return facts.performance is not None and facts.performance.state == "warning" and before.warned


def findings(facts: Facts, policy: RetrainPolicy, needed: int) -> list[str]:
    """What the checks found: every alarm, the drift check in any case, and how the champion fares if that counts."""
    aside = f" (answered by version {facts.answered.challenger}, which was not kept)" if facts.answered else ""
    told = {alarm: aside if alarm in policy.when and has_answer(alarm, facts, needed) else "" for alarm in facts.alarms}
    found = []
    if facts.performance and ("performance" in told or "performance" in policy.when):
        state = f"performance, {facts.performance.state}: {facts.performance.reason}"
        found.append(state + told.get("performance", ""))
    if facts.drift is None:
        return [*found, facts.unchecked]
    return [*found, "drift: " * facts.drift.drifted + facts.drift.reason + told.get("drift", "")]


def too_few(pending: Pending, facts: Facts, policy: RetrainPolicy, needed: int) -> str:
    """How many rows are needed, and why: so that the gate can judge, or as the policy has it if that is more.

    New rows come into the proving window, as it is the newest of them; of others the same share as before is held out.
    """
    judged, rows = pending.judged_rows, pending.labelled_rows
    least = rows + needed - judged if pending.prove_from else math.ceil(needed * rows / judged) if judged else 0
    if least < policy.min_rows and not facts.alarms and "rows" in policy.when:
        return f"{policy.min_rows:,} are needed"
    about = f"about {least:,} are needed" if least else "more are needed"
    where = f"of the proving window, since {pending.prove_from:%Y-%m-%d %H:%M}" if pending.prove_from else "held out"
    return f"{about}: the gate needs {needed:,} to judge a challenger by, and {judged:,} are {where}"


def rows_to_judge(pending: Pending, gate: Gate) -> int:
    """How many judged rows the gate needs: its own least, or more where few of them are of the rarer outcome.

    Example:
        >>> from learning.spec import Gate
        >>> rows_to_judge(Pending(1, (), "key", judged_rows=200, judged_events=10), Gate(min_rows=50, min_events=20))
        400
    """
    if pending.judged_events >= gate.min_events:
        return gate.min_rows
    return max(gate.min_rows, math.ceil(pending.judged_rows * gate.min_events / max(pending.judged_events, 1)))


def why_settled(
    champion: int, partitions: Sequence[PartitionRecord], earlier: RunRecord | None, strikes: Sequence[datetime] = ()
) -> str:
    """Why work need not be done again, or "".

    Args:
        champion: number of the champion.
        partitions: the pending ones.
        earlier: the newest finished run that had the same work.
        strikes: the moments, all of them past, at which time alone might have changed what was decided (`strikes`).
    """
    if not partitions:
        return f"no new data since version {champion} learned"
    if earlier is None or earlier.outcome in CUT_SHORT:
        return ""
    if came_to(earlier) == "waiting" and any(earlier.started_at < moment for moment in strikes):
        return ""
    # The reason of a run that needs attention begins with what else it came to.
    told = earlier.reason if earlier.outcome == NEEDS_ATTENTION else f"{earlier.outcome}: {earlier.reason}"
    if came_to(earlier) == "promoted":  # and yet this is the champion again
        return f"no new data since the version that run {earlier.id} promoted was rolled back"
    return f"no new data since run {earlier.id}, which ended {told}"


def why_done(earlier: RunRecord | None, promoted_at: datetime) -> str:
    """Why what a person asked for need not be done again, or "".

    Args:
        earlier: the newest finished run that was asked for the same, of the same rows, plan and code.
        promoted_at: when the champion took its place: what somebody has put there since may be worse.
    """
    if (
        earlier is None
        or earlier.finished_at is None
        or came_to(earlier) not in {"promoted", "rejected", "stuck", AWAITING}
    ):
        return ""
    if promoted_at > earlier.finished_at:
        return ""
    told = earlier.reason if earlier.outcome == NEEDS_ATTENTION else f"{earlier.outcome}: {earlier.reason}"
    return f"nothing has changed since run {earlier.id} did the same, which ended {told}"


def strikes(
    policy: RetrainPolicy, learned_at: datetime, last_retrain: datetime | None, now: datetime
) -> tuple[datetime, ...]:
    """The moments, all of them past, at which a decision to wait may have become another one by time alone."""
    ends = (last_trained(learned_at, last_retrain), policy.longest), (last_retrain, policy.shortest)
    return tuple(at + time for at, time in ends if at and time and at + time <= now)
