"""Evidence that a line of challengers is better: looking again costs nothing, and luck is rarely taken for skill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi, halfnorm

from evaluation import sequential
from evaluation.sequential import Look, block_gains, e_value, e_values, proven
from learning.spec import Gate

START = datetime(2025, 1, 1, tzinfo=UTC)
GATE = Gate(rule="proven", min_gain=0.0)
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

NO_GAIN: dict[str, tuple[Draw, float]] = {  # how gains of mean 0 are drawn, and the rate of "proven" that is stated
    "normal": (lambda draw, shape: draw.normal(size=shape), 0.03),
    "Student's t of 3 degrees": (lambda draw, shape: draw.standard_t(3, shape), 0.02),
    "blocks of unequal size": (lambda draw, shape: draw.normal(size=shape) / np.sqrt(draw.gamma(2, size=shape)), 0.03),
    "skewness -1": (lambda draw, shape: 4 - draw.gamma(4, size=shape), 0.07),
    "skewness -1.75": (lambda draw, shape: np.exp(1 / 8) - np.exp(draw.normal(0, 0.5, shape)), 0.1),
    "skewness -2": (lambda draw, shape: 1 - draw.exponential(size=shape), 0.15),
    "one of two values": (lambda draw, shape: draw.choice([-1.0, 1.0], shape), 0.08),
}


def looks(gains: np.ndarray, rows: int = 100) -> list[Look]:
    """One look a day, at a champion whose loss is 0.5."""
    return [Look(START + timedelta(days=day), rows, 0.5, 0.5 - gain) for day, gain in enumerate(gains)]


@pytest.mark.parametrize("kind", NO_GAIN)
def test_no_gain_is_rarely_proven_over_a_hundred_looks(kind: str) -> None:
    """Of 4,000 lines without a gain, looked at after each of 100 blocks, as many are "proven" as the docs say."""
    draw, most = NO_GAIN[kind]
    rate = (e_values(draw(np.random.default_rng(1), (4_000, 100))) >= 10).any(axis=-1).mean()
    print(f"{kind}: {rate:.1%} proven at a stated rate of 10 %")  # noqa: T201 - a figure to read
    assert rate <= most


def test_rows_alike_within_days_change_nothing() -> None:
    """The block is the observation: the share of variance that its rows have in common is neither here nor there."""
    draw, rows = np.random.default_rng(2), 100
    for common in (0.0, 0.01, 0.1):
        gains = draw.normal(0, np.sqrt(common), (2_000, 100)) + draw.normal(
            0, np.sqrt((1 - common) / rows), (2_000, 100)
        )
        assert (e_values(gains) >= 10).any(axis=-1).mean() <= 0.03


@pytest.mark.parametrize(("effect", "most"), [(2.0, 9), (1.0, 16), (0.5, 36)])
def test_a_gain_is_proven_in_time(effect: float, most: int) -> None:
    """A gain of two, one, half a standard deviation of a block is proven within so many blocks in half of the lines."""
    reached = e_values(np.random.default_rng(3).normal(effect, 1, (2_000, 100))) >= 10
    blocks = np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1, 1_000)
    print(f"a gain of {effect} standard deviations: half are proven after {np.median(blocks):.0f} blocks")  # noqa: T201 - a figure to read
    assert np.median(blocks) <= most


def test_the_closed_form_is_the_integral(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the likelihood ratio, integrated over the half-normal size and the Haar prior."""
    monkeypatch.setattr(sequential, "AGAINST", 0.0)
    gains = np.array([0.4, -0.2, 0.7, 0.1])
    share, blocks = gains.sum() / np.sqrt((gains**2).sum()), len(gains)
    radius = np.linspace(0, 40, 2_001)
    density = chi.pdf(radius, blocks)

    def inner(size: float) -> float:
        ratio = np.trapezoid(density * np.exp(radius * size * share), radius)
        return float(ratio * np.exp(-blocks * size**2 / 2) * halfnorm.pdf(size))

    assert e_value(gains.tolist()) == pytest.approx(quad(inner, 0, 12)[0], rel=1e-6)


def test_the_unit_of_the_loss_does_not_matter() -> None:
    """Dollars or cents, also near the ends of what a float holds."""
    gains = np.random.default_rng(4).normal(1, 1, 12)
    for unit in (1e-290, 100.0, 1e290):
        assert e_value((gains * unit).tolist()) == pytest.approx(e_value(gains.tolist()))


def test_the_imagined_block_only_lowers_what_counts_as_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the guard against skewness keeps what is exact for normal gains."""
    gains = np.random.default_rng(5).normal(0.3, 1, (500, 40))
    guarded = e_values(gains)
    monkeypatch.setattr(sequential, "AGAINST", 0.0)
    counts = guarded > 1
    assert (guarded[counts] < e_values(gains)[counts]).all()


def test_extremes_are_numbers_too() -> None:
    """No block, no difference, ever the same difference, a loss that is infinite."""
    assert e_value([]) == 1
    assert e_value([0.0] * 5) < 1
    assert e_value([1.0] * 3_000) > 1e300
    assert e_value([-1.0] * 3_000) == 0
    for strange in (np.inf, -np.inf, np.nan):
        assert e_value([0.1, 0.1, strange, 0.1]) < 1


def test_the_sentence_says_how_far_the_evidence_is() -> None:
    """Before and after; and never a number that was rounded up to what is needed."""
    gains = 0.03 + 0.01 * np.random.default_rng(6).normal(size=12)
    before, after = proven(looks(gains[:4]), GATE), proven(looks(gains), GATE)
    assert not before.passed
    assert before.reason == "not proven yet: evidence 1.9 of 10 over 4 blocks"
    assert after.passed
    assert after.reason.startswith("proven: evidence ")
    assert after.reason.endswith(" of 10 over 12 blocks")
    assert proven(looks(gains[:1]), GATE).reason.endswith("over 1 block")
    assert not proven([], GATE).passed


def test_a_gain_nobody_would_notice_is_not_proven() -> None:
    """0.1 % in every block is less than the least gain, however sure it is."""
    gains = 0.0005 + 0.00001 * np.random.default_rng(7).normal(size=100)
    assert proven(looks(gains), GATE).passed
    assert not proven(looks(gains), Gate(rule="proven", min_gain=0.005)).passed


def test_a_block_counts_once_as_it_was_first_seen() -> None:
    """A later challenger has learned from it: what it says there is worth nothing."""
    gains = np.random.default_rng(8).normal(0, 0.01, 10)
    again = looks(np.full(10, 0.4))
    assert proven([*looks(gains), *again], GATE) == proven(looks(gains), GATE)


def test_small_blocks_are_judged_together() -> None:
    """Blocks of 20 rows make one of 60, weighted by their rows; what is left over waits."""
    small = [Look(START + timedelta(days=day), 20, 0.5, 0.5 - gain) for day, gain in enumerate((0.1, 0.2, 0.3, 0.9))]
    assert list(block_gains(small, GATE)) == pytest.approx([0.2])


def test_confidence_is_the_evidence_that_is_asked_for() -> None:
    """99 % ask for evidence of 100."""
    verdict = proven(looks(np.full(8, 0.01) + np.arange(8) * 1e-3), Gate(rule="proven", min_gain=0.0, confidence=0.99))
    assert " of 100 over 8 blocks" in verdict.reason


def test_rare_events_are_no_gain_where_blocks_are_large_enough() -> None:
    """Understating a risk of 0.1 % threefold gains a little on every row but the one in a thousand that it costs."""
    draw, rows, risk = np.random.default_rng(9), 200, 0.001
    events = draw.binomial(rows, risk, (150, 500))

    def loss(said: float) -> np.ndarray:
        return -(events * np.log(said) + (rows - events) * np.log1p(-said)) / rows

    def rate(least: int) -> float:
        gate = Gate(rule="proven", min_rows=least)
        return float(np.mean([proven(looks(gains, rows), gate).passed for gains in loss(risk) - loss(risk / 3)]))

    assert rate(20_000) == 0
