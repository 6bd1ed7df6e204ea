"""A promoted version that is shown to be worse than its predecessor goes back; an equal one stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from db.verdict_records import BlockLossRecord
from evaluation.watch import paired_blocks, shown_worse
from learning.spec import Gate

START = datetime(2025, 1, 1, tzinfo=UTC)
GATE = Gate()


def losses(  # noqa: PLR0913 - what a block may be, by name
    number: int,
    values: np.ndarray,
    *,
    rows: int = 100,
    partition: str = "p",
    rare: np.ndarray | None = None,
    expected: float = 0.0,
) -> list[BlockLossRecord]:
    """One block a day, with so many rare rows, and the same number of expected ones on each."""
    known = [(None, None)] * len(values) if rare is None else [(int(count), expected) for count in rare]
    return [
        BlockLossRecord(
            partition, START + timedelta(days=day), rows, float(value), *counts, number=number, proving=False
        )
        for day, (value, counts) in enumerate(zip(values, known, strict=True))
    ]


def of_constants(rare: np.ndarray, rows: int, *chances: float) -> list[np.ndarray]:
    """Losses by block of those that always say the same chance."""
    return [-(rare * np.log(chance) + (rows - rare) * np.log1p(-chance)) / rows for chance in chances]


def blocks_until_back(worse: float, spread: float, cases: int = 800, gate: Gate = GATE) -> np.ndarray:
    """After how many blocks a version so much worse is taken back, looked at after each; 99: never while watched."""
    draw, until = np.random.default_rng(1), np.full(cases, 99)
    for case in range(cases):
        before = 0.5 + draw.normal(0, 0.05, gate.watch)  # the weather of the day, which both share
        change = draw.normal(worse, spread, gate.watch)
        after = losses(2, before * (1 + change))
        looks = (n for n in range(1, gate.watch + 1) if shown_worse(after[:n], losses(1, before)[:n], gate))
        until[case] = next(looks, 99)
    return until


@pytest.mark.parametrize("spread", [0.02, 0.03])
def test_a_version_5_percent_worse_is_taken_back_within_four_blocks(spread: float) -> None:
    """In half of the cases at least, where the difference varies by 2 to 3 % of the loss from block to block."""
    until = blocks_until_back(0.05, spread)
    print(f"5 % worse, {spread:.0%}: {[f'{(until <= n).mean():.0%}' for n in range(1, 8)]}")  # noqa: T201 - to read
    assert (until <= 4).mean() >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.02, 0.03])
def test_an_equal_version_is_rarely_taken_back(spread: float) -> None:
    """At most as often as the confidence allows, over the whole watch."""
    rate = (blocks_until_back(0.0, spread, cases=800) < 99).mean()
    print(f"equal, {spread:.0%}: {rate:.1%} taken back")  # noqa: T201 - to read
    assert rate <= 0.1


@pytest.mark.slow
def test_a_long_watch_is_as_honest() -> None:
    """The error is shared among as many looks as there are."""
    assert (blocks_until_back(0.0, 0.03, gate=Gate(watch=30), cases=120) < 99).mean() <= 0.1


def test_a_better_version_stays() -> None:
    """Whatever else is certain about it, also if every block says the same."""
    assert not shown_worse(losses(2, np.full(7, 0.45)), losses(1, np.full(7, 0.5)), GATE)
    assert not shown_worse(losses(2, np.full(7, 0.5)), losses(1, np.full(7, 0.5)), GATE)


def test_the_sentence_says_by_how_much() -> None:
    """The versions, the blocks, both losses and the change."""
    draw = np.random.default_rng(2)
    said = shown_worse(losses(2, 0.525 + draw.normal(0, 0.001, 4)), losses(1, np.full(4, 0.5)), GATE)
    assert said == "shown worse than version 1 over 4 blocks: 0.5000 to 0.5242 (+4.8%)"


@pytest.mark.parametrize(("rows", "rate"), [(200, 0.001), (1_000, 0.001), (3_000, 0.001), (200, 0.05)])
def test_days_without_an_event_take_nobody_back(rows: int, rate: float) -> None:
    """Of two that are equally far off, the one that fears events more is worse on each day without one."""
    draw, back = np.random.default_rng(4), 0
    for _ in range(300):
        rare = draw.binomial(rows, rate, GATE.watch)
        low, high = of_constants(rare, rows, rate / 1.2, rate * 1.2)
        before, after = losses(1, low, rare=rare), losses(2, high, rare=rare, expected=1.2 * rate * rows)
        back += any(shown_worse(after[:seen], before[:seen], GATE) for seen in range(1, GATE.watch + 1))
    print(f"{rows} rows a day, {rate:.1%}: {back / 300:.0%} taken back")  # noqa: T201 - to read
    assert back / 300 <= 0.13  # 10 % that are allowed, and what is chance in 300 cases


def test_events_enough_take_back_who_is_worse() -> None:
    """Of the same losses, 19 events show nothing and 20 do; blocks of which nobody knows count as they did."""
    before, after = np.full(4, 0.5), 0.525 + np.array([0.001, 0.0, -0.001, 0.0])
    few, enough = np.array([5, 5, 5, 4]), np.array([5, 5, 5, 5])
    assert not shown_worse(losses(2, after, rare=few), losses(1, before, rare=few), GATE)
    assert shown_worse(losses(2, after, rare=enough), losses(1, before, rare=enough), GATE)
    assert shown_worse(losses(2, after), losses(1, before), GATE)


def test_events_that_do_not_come_take_back_who_expects_far_too_many() -> None:
    """One row in ten, where one in five hundred is rare: they need not come."""
    rare = np.array([2, 1, 2, 1])
    before, after = of_constants(rare, 1_000, 0.002, 0.1)
    assert shown_worse(losses(2, after, rare=rare, expected=100), losses(1, before, rare=rare), GATE)


def test_a_watch_ends() -> None:
    """What comes after `watch` blocks is for the next challenger to make better; 0 never watches, 2 cannot tell."""
    after = losses(2, np.r_[np.full(7, 0.5), np.full(30, 0.9)] + np.arange(37) % 2 * 1e-3)
    before = losses(1, np.full(37, 0.5004))
    assert not shown_worse(after, before, GATE)
    assert shown_worse(after, before, Gate(watch=37))
    for watch in (0, 1, 2):
        assert not shown_worse(losses(2, np.full(9, 0.9)), losses(1, np.full(9, 0.5)), Gate(watch=watch))


def test_only_the_same_rows_are_compared() -> None:
    """A block of which each version saw another part says nothing; parts of one block count by their rows."""
    assert not list(paired_blocks(losses(2, np.ones(3)), losses(1, np.ones(3), partition="q")))
    mine = [*losses(2, np.array([1.0]), rows=100), *losses(2, np.array([4.0]), rows=200, partition="q")]
    theirs = [*losses(1, np.array([2.0]), rows=100), *losses(1, np.array([5.0]), rows=200, partition="q")]
    assert list(paired_blocks(mine, theirs)) == [(START, 3.0, 4.0, tuple(mine))]
    assert not shown_worse([], [], GATE)


def test_what_a_version_was_promoted_for_does_not_count() -> None:
    """Its proving window is where it looked best."""
    mine, theirs = losses(2, np.array([0.4])), losses(1, np.array([0.5]))
    assert not list(paired_blocks([replace(record, proving=True) for record in mine], theirs))
