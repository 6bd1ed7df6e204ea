"""What is pending, whether it was settled before, and whether it is worth a retrain."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tiny
from db.arrival_records import PartitionRecord
from db.records import RunRecord
from learning.spec import FineTune, Gate, RetrainPolicy, Stage
from monitoring.decision import Pending, decide, why_settled
from monitoring.drift import DriftVerdict
from tasks.find_pending import work_key
from tiny import TINY


def pending(labelled: int, held_out: int = 0) -> Pending:
    """So many labelled rows, some of them held out."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    file = ("landing/a.csv", "partition/a", "0" * 64, 1000)
    rows = PartitionRecord("tiny", "a", *file, labelled, held_out, labelled, at, at, arrived_at=at)
    return Pending(1, (rows,), "key")


def test_the_work_key_is_the_same_in_every_process() -> None:
    """A killed run is resumed by another process, which has to find the same work."""
    code = "from tiny import TINY; from tasks.find_pending import work_key; print(work_key(TINY, 1, ['b', 'a']))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(Path(tiny.__file__).parent), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert keys == {work_key(TINY, 1, ["a", "b"])}


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
    now = datetime.now(UTC)
    earlier = RunRecord(7, "tiny", "by hand", None, now, now, "key", "retrain", "because", outcome, {})
    assert bool(why_settled(1, pending(10).partitions, earlier)) == settled


def test_few_rows_wait_and_enough_are_learned() -> None:
    """The policy's row count decides, whatever the drift check said."""
    drift = DriftVerdict(drifted=True, share=1.0, reason="all drifted", columns=())
    assert decide(pending(19), drift, RetrainPolicy(min_rows=20)).decision == "wait"
    assert decide(pending(20), drift, RetrainPolicy(min_rows=20)).decision == "retrain"


def test_nothing_is_trained_that_the_gate_could_not_judge() -> None:
    """Too few held-out rows would reject any challenger; with a few more rows it gets a fair hearing."""
    few, enough = pending(100, 19), pending(100, 20)
    assert "the gate needs 20" in decide(few, None, RetrainPolicy(min_rows=1), 20).reason
    assert decide(enough, None, RetrainPolicy(min_rows=1), 20).decision == "retrain"


def test_a_policy_may_wait_for_drift() -> None:
    """With only_on_drift, undrifted rows wait and drifted ones do not."""
    policy = RetrainPolicy(min_rows=1, only_on_drift=True)
    calm = DriftVerdict(drifted=False, share=0.0, reason="0 of 4 columns drifted", columns=())
    assert decide(pending(100), calm, policy).decision == "wait"
    assert decide(pending(100), None, policy).decision == "wait"  # too few rows to say
    assert decide(pending(100), replace(calm, drifted=True), policy).decision == "retrain"
