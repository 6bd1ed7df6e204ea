"""What earlier trials say: blocks that were looked at, changes with their errors, and challengers that were stuck."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from scipy.special import stdtrit

from db.verdict_records import BlockLossRecord, EvaluationMetric, EvaluationRecord
from evaluation.gate import PROVING
from evaluation.past_verdicts import earlier_changes, looks, stuck
from evaluation.sequential import Look

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def loss(number: int, partition: str, value: float, *, day: int = 0, proving: bool = True) -> BlockLossRecord:
    """A version's loss on a day of a partition; partition b has thirty rows, others ten."""
    rows = 30 if partition == "b" else 10
    return BlockLossRecord(partition, DAY + timedelta(days=day), rows, value, number=number, proving=proving)


def judged(
    challenger: int, *, champion: int = 1, blocked: bool = True, interval: float | None = None
) -> EvaluationRecord:
    """A verdict whose proving window has two blocks, or one where it has no interval."""
    ends = (None, None, 1) if interval is None else (-0.02 - interval, -0.02 + interval, 2)
    figure = EvaluationMetric(PROVING, "", "log_loss", 20, 1.0, 0.98, -0.02, *ends[:2], "same", ends[2])
    return EvaluationRecord(
        None, "tiny", challenger, champion, False, "", (figure,), blocked=blocked, id=challenger, at=DAY
    )


def test_a_block_is_looked_at_once_by_the_first_challenger_over_all_its_partitions() -> None:
    """Later challengers have learned from it; the champion's own loss is that on arrival, and no trial of its own."""
    losses = [
        loss(1, "a", 1.0, proving=False),
        loss(1, "b", 2.0, proving=False),
        loss(1, "a", 9.0, day=1),
        loss(3, "a", 0.1),
        loss(2, "a", 0.9),
        loss(2, "b", 1.0),
        loss(2, "a", 0.5, day=1),
        loss(4, "a", 0.2, day=2),
    ]
    assert looks(losses, 1, [2, 3]) == (Look(DAY, 40, pytest.approx(1.75), pytest.approx(0.975)),)


def test_the_error_of_an_earlier_change_is_read_off_its_interval() -> None:
    """Half of it is Student's quantile times the error; a single block has none, and says nothing.

    The lower half may end where the loss would be 0.
    """
    ended = judged(4, interval=0.05)
    ended = replace(ended, metrics=(replace(ended.metrics[0], ci_low=-0.03),))
    found = earlier_changes([judged(2, interval=0.05), judged(3), ended], confidence=0.9)
    assert found == ((-0.02, pytest.approx(0.05 / stdtrit(1, 0.95))),) * 2


def test_stuck_are_the_newest_in_a_row_against_the_same_champion() -> None:
    """One that was refused for another reason, or another champion, ends the row."""
    assert stuck([judged(6), judged(5), judged(4, blocked=False), judged(3)], champion=1) == 2
    assert stuck([judged(6), judged(5, champion=2)], champion=1) == 1
    assert stuck([], champion=1) == 0
