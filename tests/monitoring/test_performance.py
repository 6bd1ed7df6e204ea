"""How the champion fares: four states, each with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from losses import START, WEEK, quiet, track

from db.verdict_records import PromiseRecord
from monitoring.performance import judge

USUAL = quiet("normal", np.random.default_rng(1), 140)


def test_a_quiet_champion_is_in_control() -> None:
    """The sentence has the loss and the limit."""
    found = judge(track(USUAL), 1)
    assert (found.state, found.since, found.blocks) == ("in control", None, 140)
    assert found.limit is not None
    assert found.reason.startswith(
        f"loss {found.loss:.4f} on the newest arrival (its better half may come to {found.limit:.4f})"
    )


@pytest.mark.parametrize("losses", [[], [0.5], [0.5] * 5, [0.5] * 34])
def test_too_few_blocks_cannot_tell(losses: list[float]) -> None:
    """Five weeks of days are not enough; the sentence says what is missing."""
    found = judge(track(losses), 1)
    assert (found.state, found.limit, found.blocks) == ("cannot tell", None, len(losses))
    assert "too few" in found.reason or "no arrival" in found.reason


def test_a_rise_of_a_tenth_in_a_week_is_a_warning() -> None:
    """More than a quiet year shows once, and less than a break."""
    losses = USUAL.copy()
    losses[-7:] = 0.5 * 1.08
    found = judge(track(losses), 1)
    assert (found.state, found.since) == ("warning", START + 19 * WEEK)
    assert "times a year" in found.reason


def test_a_break_lasts_until_the_loss_is_back() -> None:
    """A champion that nobody replaced stays broken, however long, and is in control once the world is back."""
    losses = np.r_[USUAL, USUAL * 2, USUAL]
    states = [judge(track(losses[:end]), 1) for end in range(140, 421, 35)]
    assert [one.state for one in states] == ["in control", *["broken"] * 4, *["in control"] * 4]
    assert {one.since for one in states[1:5]} == {START + 20 * WEEK}
    assert "as before the break" in states[-1].reason


def test_a_version_promoted_since_the_break_makes_a_new_level() -> None:
    """It is broken as long as little is known of it, and judged by the time since the break after that."""
    losses = track(np.r_[USUAL, USUAL * 2], versions=[1] * 147 + [2] * 133)
    assert judge(losses[:154], 2).state == "broken"
    assert judge(losses, 2).state == "in control"
    assert judge(losses, 1).state == "broken"


def test_worse_than_a_constant_is_broken_without_any_base() -> None:
    """Two weeks are enough for that."""
    found = judge(track(USUAL[:14]), 1, worse={"arrival 0": 0.45, "arrival 1": 0.45})
    assert (found.state, found.since) == ("broken", START)
    assert "worse than a constant" in found.reason


def test_a_loss_that_is_no_number_is_broken() -> None:
    """Said with the block since when."""
    found = judge(track([*USUAL[:133], *[np.nan] * 7]), 1)
    assert (found.state, found.since) == ("broken", START + 19 * WEEK)


def test_a_broken_promise_is_told() -> None:
    """Worse than announced beyond the interval; within it, nothing is said."""
    times = {"at": datetime(2025, 1, 1, tzinfo=UTC), "until": None}
    promised = {"announced": -0.02, "low": -0.05, "high": 0.01, "rows": 9_000, "blocks": 14}
    came = {came: PromiseRecord(2, 2, 1, came=came, **times, **promised) for came in (0.0, 0.04)}  # type: ignore[arg-type]
    assert "announced" not in judge(track(USUAL), 2, promise=came[0.0]).reason
    told = judge(track(USUAL), 2, promise=came[0.04]).reason
    assert told.endswith("; since its promotion +4.0% over 14 blocks, where the gate announced -2.0%, at most +1.0%")
