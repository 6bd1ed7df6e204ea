"""The records of a backtest, and their JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from errors import InvalidBacktest
from evaluation.backtests import Backtest, BlockScore, Crossed, PolicyResult, Step, from_json, to_json

DAY = datetime(2024, 3, 1, tzinfo=UTC)
SCORES = (BlockScore(DAY, 10, 0.5, 1), BlockScore(DAY, 30, 0.1, 2))
STEPS = (Step(DAY, "promoted", "better so far", 3, 1.5, 2_000, 700), Step(DAY, "waiting", "too few", None, 0.1, 0, 7))
FOUND = Backtest(
    "flights",
    "present",
    (PolicyResult("present", {}, SCORES, STEPS), PolicyResult("every=30d", {"retrain.every": "30d"}, (), ())),
    {"constant": SCORES},
    (Crossed(0, 2, 40, 0.25),),
)


def test_what_is_written_is_read_again() -> None:
    """Times, numbers and words."""
    assert from_json(to_json(FOUND)) == FOUND


def test_a_loss_is_a_mean_over_rows() -> None:
    """A block of more rows counts for more."""
    assert FOUND.policy("present").loss == pytest.approx(0.2)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", json.dumps({"format": 0}), to_json(FOUND).replace("rows", "r")]
)
def test_what_is_no_backtest_is_refused(text: str) -> None:
    """In a sentence."""
    with pytest.raises(InvalidBacktest, match="run `evergreen backtest` again"):
        from_json(text)
