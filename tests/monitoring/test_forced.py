"""A retrain that a person forces: what the policy alone lets wait is trained, and what nobody could judge is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from learning.spec import RetrainPolicy
from monitoring.decision import Facts, Pending, decide

NOW = datetime(2026, 11, 26, tzinfo=UTC)
PENDING = Pending(1, (), "key", judged_rows=100, judged_events=50, forced=True)
FACTS = Facts(None, None, NOW - timedelta(days=9), NOW - timedelta(hours=1), NOW)


@pytest.mark.parametrize("policy", [RetrainPolicy(min_rows=500), RetrainPolicy(min_rows=0, cooldown="1d")])
def test_the_policy_does_not_hold_it_up(policy: RetrainPolicy) -> None:
    """Neither for want of a reason, nor for its cooldown; without force both wait."""
    ending = decide(PENDING, FACTS, policy, 50)
    assert (ending.decision, "a person asked for a retrain" in ending.reason) == ("retrain", True)
    assert decide(replace(PENDING, forced=False), FACTS, policy, 50).decision == "wait"


def test_too_few_rows_to_judge_by_wait_all_the_same() -> None:
    """The gate would answer that it cannot tell, and the same rows would not be tried again."""
    assert decide(replace(PENDING, judged_rows=10), FACTS, RetrainPolicy(min_rows=0), 50).decision == "wait"
