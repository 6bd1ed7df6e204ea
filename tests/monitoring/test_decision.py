"""What is pending, whether it was settled before, and whether it is worth a retrain."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tiny
from db.arrival_records import PartitionRecord
from db.records import RunEnding, RunRecord
from db.verdict_records import DriftColumn
from errors import InvalidSpec
from learning.policies import RetrainReason
from learning.spec import FineTune, Gate, RetrainPolicy, Stage
from monitoring.alarms import Answered
from monitoring.decision import Facts, Pending, decide, rows_to_judge, strikes, why_settled
from monitoring.drift import DriftVerdict
from monitoring.performance import Performance
from tasks.decide_retrain import rows_since_refusal
from tasks.find_pending import work_key
from tiny import TINY

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
CALM = DriftVerdict(drifted=False, share=0.0, reason="0 of 4 columns drifted", columns=())
SPEED = DriftColumn("speed", "wasserstein", 0.9, 0.1, drifted=True)
DRIFT = DriftVerdict(drifted=True, share=1.0, reason="1 of 1 columns drifted", columns=(SPEED,))
FINE = Performance("in control", None, "the loss is as it was", 9, 0.5, 0.6)
WARNING = replace(FINE, state="warning", since=NOW, reason="the loss rises")
BROKEN = replace(WARNING, state="broken", reason="the loss is above its limit")
MONTH_OLD = NOW - timedelta(days=31)
NEEDED = 20  # judged rows


def pending(labelled: int, judged: int = 100) -> Pending:
    """So many labelled rows, on some of which a challenger would be judged."""
    file = ("landing/a.csv", "partition/a", "0" * 64, 1000)
    rows = PartitionRecord("tiny", "a", *file, labelled, judged, labelled, NOW, NOW, arrived_at=NOW)
    return Pending(1, (rows,), "key", judged_rows=judged, judged_events=judged)


def facts(drift: DriftVerdict | None = CALM, performance: Performance | None = FINE, **others: Any) -> Facts:
    """A quiet day, a week after the champion learned, unless a test says otherwise."""
    times = {"learned_at": NOW - timedelta(days=7), "last_retrain": None, "now": NOW}
    return Facts(drift, performance, **(times | others))


def decided(policy: RetrainPolicy, known: Facts, rows: int = 100, judged: int = 100) -> RunEnding:
    """What is decided of so many rows."""
    return decide(pending(rows, judged), known, policy, NEEDED)


@pytest.mark.slow
def test_the_work_key_is_the_same_in_every_process() -> None:
    """A killed run is resumed by another process, which has to find the same work."""
    code = "from tiny import TINY; from tasks.find_pending import work_key; print(work_key(TINY, 1, ['b', 'a']))"
    environment = os.environ | {"PYTHONPATH": str(Path(tiny.__file__).parent), "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == work_key(TINY, 1, ["a", "b"])


@pytest.mark.parametrize(
    "other",
    [
        work_key(TINY, 2, ["a"]),
        work_key(TINY, 1, ["a", "b"]),
        work_key(replace(TINY, finetune=FineTune((Stage(epochs=1),))), 1, ["a"]),
        work_key(replace(TINY, gate=Gate(max_forgetting=0.5)), 1, ["a"]),
        work_key(replace(TINY, pretrain=replace(TINY.pretrain, learning_rate=0.5)), 1, ["a"]),
    ],
)
def test_another_champion_rows_or_plan_is_other_work(other: str) -> None:
    """Whatever the result depends on makes the work new."""
    assert other != work_key(TINY, 1, ["a"])


@pytest.mark.parametrize(
    ("outcome", "settled"), [("rejected", True), ("waiting", True), ("needs attention", True), ("failed", False)]
)
def test_only_work_that_ended_is_settled(outcome: str, settled: bool) -> None:
    """A rejected challenger is not trained again; a failed run is tried again."""
    assert bool(why_settled(1, pending(10).partitions, ran(outcome))) == settled


def ran(outcome: str, reason: str = "because", at: datetime = NOW) -> RunRecord:
    """An earlier run with the same work."""
    return RunRecord(7, "tiny", "by hand", None, at, at, "key", "retrain", reason, outcome, {})


@pytest.mark.parametrize(
    ("earlier", "settled"),
    [
        (ran("waiting", at=NOW - timedelta(days=2)), False),
        (ran("needs attention", "waiting: too few. Needs attention (1): a", NOW - timedelta(days=2)), False),
        (ran("waiting", at=NOW), True),
        (ran("rejected", at=NOW - timedelta(days=2)), True),
        (ran("needs attention", "rejected: no better. Needs attention (1): a", NOW - timedelta(days=2)), True),
    ],
)
def test_what_waits_is_decided_anew_once_time_can_change_it(earlier: RunRecord, settled: bool) -> None:
    """A limit of age that was passed since, or a cooldown that is over; a challenger that was rejected stays so."""
    aged, hot = RetrainPolicy(every="30d"), RetrainPolicy(cooldown="1d")
    for policy, last in ((aged, None), (aged, NOW - timedelta(days=30)), (hot, NOW - timedelta(days=2))):
        past = strikes(policy, MONTH_OLD, last, NOW)
        assert len(past) == 1
        assert bool(why_settled(1, pending(10).partitions, earlier, past)) == settled
    assert strikes(RetrainPolicy(every="30d", cooldown="1d"), NOW, None, NOW) == ()
    assert strikes(RetrainPolicy(), MONTH_OLD, MONTH_OLD, NOW) == ()


def test_few_rows_wait_and_enough_are_learned() -> None:
    """By default the number of rows decides, whatever the checks say; they are told all the same."""
    waits = decided(RetrainPolicy(min_rows=101), facts(DRIFT, BROKEN))
    assert waits.decision == "wait"
    assert "100 labelled rows are pending; 101 are needed" in waits.reason
    assert "drift: 1 of 1 columns drifted" in waits.reason
    assert "performance, broken: the loss is above its limit" in waits.reason
    learns = decided(RetrainPolicy(min_rows=100), facts())
    assert learns.decision == "retrain"
    assert learns.reason == "100 labelled rows are pending; 100 are enough; 0 of 4 columns drifted"


@pytest.mark.parametrize(
    ("policy", "known", "decision"),
    [
        (RetrainPolicy(when=("drift",)), facts(DRIFT), "retrain"),
        (RetrainPolicy(when=("drift",)), facts(CALM, BROKEN), "wait"),
        (RetrainPolicy(when=("drift",)), facts(None), "wait"),  # too few rows to say
        (RetrainPolicy(when=("performance",)), facts(CALM, WARNING), "retrain"),
        (RetrainPolicy(when=("performance",)), facts(CALM, BROKEN), "retrain"),
        (RetrainPolicy(when=("performance",)), facts(DRIFT, FINE), "wait"),
        (RetrainPolicy(when=("performance",)), facts(DRIFT, None), "wait"),
        (RetrainPolicy(when=("performance", "drift")), facts(DRIFT, FINE), "retrain"),
        (RetrainPolicy(when=("rows", "drift")), facts(DRIFT), "retrain"),  # 500 rows are not waited for
        (RetrainPolicy(every="30d"), facts(), "wait"),
        (RetrainPolicy(every="30d"), facts(learned_at=MONTH_OLD), "retrain"),
        (RetrainPolicy(when=(), every="30d"), facts(DRIFT, BROKEN), "wait"),
        (RetrainPolicy(every="30d"), facts(learned_at=None), "wait"),
    ],
)
def test_any_one_reason_starts_a_retrain(policy: RetrainPolicy, known: Facts, decision: str) -> None:
    """Rows, performance, drift or age, as the policy names them; its sentence says which."""
    assert decided(policy, known).decision == decision


def test_the_age_is_told() -> None:
    """Whoever reads the run sees what made it start."""
    reason = decided(RetrainPolicy(every="30d"), facts(learned_at=MONTH_OLD)).reason
    assert "nothing was trained since 2026-10-26, and 30d are the most" in reason
    withstood = facts(learned_at=MONTH_OLD, last_retrain=NOW - timedelta(days=29))
    assert decided(RetrainPolicy(every="30d"), withstood).decision == "wait"


@pytest.mark.parametrize("known", [facts(), facts(DRIFT, BROKEN), facts(learned_at=MONTH_OLD)])
def test_what_the_gate_could_not_judge_waits_whatever_the_alarm(known: Facts) -> None:
    """One sentence says how many rows are needed and why, and what the alarm is."""
    policy = RetrainPolicy(when=("rows", "performance", "drift"), every="30d", min_rows=1)
    few = decided(policy, known, rows=60, judged=10)
    assert few.decision == "wait"
    assert "60 labelled rows are pending; about 120 are needed: the gate needs 20 to judge a" in few.reason
    assert ("drift: 1 of 1" in few.reason) == bool(known.drift and known.drift.drifted)
    assert ("30d are the most" in few.reason) == (known.learned_at == MONTH_OLD)
    assert decided(policy, known, rows=120, judged=20).decision == "retrain"


def test_of_two_thresholds_the_one_that_counts_is_told() -> None:
    """Without an alarm that is the larger one; with an alarm the policy's number of rows is not waited for."""
    policy = RetrainPolicy(when=("rows", "drift"), min_rows=500)
    assert "60 labelled rows are pending; 500 are needed; 0 of 4" in decided(policy, facts(), 60, 10).reason
    assert "about 120 are needed" in decided(policy, facts(DRIFT), 60, 10).reason
    assert "more are needed: the gate needs 20" in decided(policy, facts(DRIFT), 60, 0).reason
    window = replace(pending(60, 10), prove_from=NOW)
    assert "about 70 are needed" in decide(window, facts(DRIFT), policy, NEEDED).reason


@pytest.mark.parametrize(("rows", "rare", "needed"), [(0, 0, 50), (100, 0, 2000), (100, 30, 50), (100, 10, 200)])
def test_rare_outcomes_need_more_rows(rows: int, rare: int, needed: int) -> None:
    """Two hundred rows with one fraud in them say nothing about fraud."""
    found = replace(pending(500), judged_rows=rows, judged_events=rare)
    assert rows_to_judge(found, Gate(min_rows=50, min_events=20)) == needed


def test_after_a_retrain_the_next_waits_for_the_cooldown() -> None:
    """No reason breaks it: neither rows nor an alarm nor age."""
    policy = RetrainPolicy(when=("rows", "performance", "drift"), every="30d", min_rows=1, cooldown="6h")
    busy = facts(DRIFT, BROKEN, learned_at=MONTH_OLD, last_retrain=NOW - timedelta(hours=5))
    assert decided(policy, busy).decision == "wait"
    assert "the last retrain ended 2026-11-26 07:00, and 6h have to pass" in decided(policy, busy).reason
    assert "drift: 1 of 1" in decided(policy, busy).reason
    assert decided(policy, replace(busy, last_retrain=NOW - timedelta(hours=6))).decision == "retrain"


def test_broken_data_are_not_learned_from_unless_the_policy_says_so() -> None:
    """Whatever else speaks for a retrain."""
    faulty = replace(DRIFT, broken=True, reason="speed is broken: 40 % are missing")
    policy = RetrainPolicy(min_rows=1, every="30d")
    stopped = decided(policy, facts(faulty, BROKEN, learned_at=MONTH_OLD))
    assert stopped.decision == "wait"
    assert "the data are broken" in stopped.reason
    assert "40 % are missing; recall the partition (`evergreen registry recall " in stopped.reason
    assert decided(policy, facts(faulty, stop_when_broken=False)).decision == "retrain"


def test_an_alarm_that_was_answered_needs_something_new() -> None:
    """Its challenger was refused: more rows than a verdict takes, or a worse alarm, start the next."""
    policy = RetrainPolicy(when=("performance", "drift"))
    before = Answered(7, frozenset({"speed"}), warned=True, rows_since=NEEDED - 1)
    other = replace(DRIFT, columns=(SPEED, replace(SPEED, column="city")))
    assert "answered by version 7, which was not kept" in decided(policy, facts(DRIFT, answered=before)).reason
    for known, decision in (
        (facts(DRIFT, FINE), "wait"),
        (facts(DRIFT, WARNING), "wait"),
        (facts(other, FINE), "retrain"),
        (facts(DRIFT, BROKEN), "retrain"),
    ):
        assert decided(policy, replace(known, answered=before)).decision == decision
        assert decided(policy, replace(known, answered=replace(before, rows_since=NEEDED))).decision == "retrain"
    unwarned = replace(before, warned=False)
    assert decided(policy, facts(CALM, WARNING, answered=unwarned)).decision == "retrain"


def test_a_policy_that_never_retrains_is_refused() -> None:
    """So is a length of time that is none."""
    for values in ({"when": ()}, {"when": ("often",)}, {"every": "30"}, {"cooldown": timedelta(days=1)}):
        with pytest.raises(InvalidSpec, match=next(iter(values))):
            RetrainPolicy(**values)  # type: ignore[arg-type]


def test_after_a_refusal_only_new_rows_are_enough() -> None:
    """Else whatever arrives would bring the same old rows to trial again, run after run."""
    policy = RetrainPolicy(min_rows=100)
    for new, decision in ((None, "retrain"), (99, "wait"), (100, "retrain")):
        assert decided(policy, facts(new_rows=new), rows=1_000).decision == decision
    assert "99 of them new since the last challenger was refused" in decided(policy, facts(new_rows=99)).reason
    rows = pending(10)
    key = work_key(TINY, 1, ["a"])

    def since(outcome: str, work: str, at: datetime, reason: str = "because") -> int | None:
        return rows_since_refusal(TINY, rows, replace(ran(outcome, reason, at), work_key=work))

    assert rows_since_refusal(TINY, rows, None) is None
    assert since("promoted", key, NOW) is None
    assert since("rejected", key, NOW) == 0
    assert since("needs attention", key, NOW, "rejected: worse. Needs attention (1): x") == 0
    assert since("stuck", work_key(TINY, 1, []), NOW - timedelta(seconds=1)) == 10
    assert since("rejected", work_key(TINY, 2, ["a"]), NOW) is None  # another champion, or plan, or other rows


@pytest.mark.parametrize(
    ("known", "when", "new", "decision"),
    [
        (341, ("rows", "performance"), 100, "retrain"),
        (342, ("rows", "performance"), 100, "wait"),
        (341, ("rows", "drift"), 100, "wait"),
        (100, ("rows", "performance"), 100, "retrain"),
        (100, ("rows", "performance"), 0, "wait"),  # rows came late, of the world as it was
    ],
)
def test_a_new_world_is_learned_again_as_more_is_known_of_it(
    known: int, when: tuple[RetrainReason, ...], new: int, decision: str
) -> None:
    """From 1.41 times the rows on that were known when it was last learned, whatever came of that."""
    since = facts(turned=NOW - timedelta(days=9), since_turn=known, new_since_turn=new)
    found = decided(RetrainPolicy(when=when, min_rows=500), since)
    assert found.decision == decision
    assert ("rows are known since the world turned on" in found.reason) == (decision == "retrain")
