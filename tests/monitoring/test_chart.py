"""The chart says when the world turned, and rarely that it did when it did not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitoring.chart import ArrivalLoss, broken_since

START = datetime(2025, 1, 1, tzinfo=UTC)


def week(number: int) -> datetime:
    """The start of a week."""
    return START + timedelta(weeks=number)


def track(losses: Sequence[float] | np.ndarray, constants: Sequence[float | None] | None = None) -> list[ArrivalLoss]:
    """One arrival a week."""
    beside = constants or [None] * len(losses)
    return [ArrivalLoss(week(n), float(loss), beside[n]) for n, loss in enumerate(losses)]


def noise(series: int, correlation: float, weeks: int = 52) -> np.ndarray:
    """Losses around 0.5 that vary by 0.02, neighbours correlated."""
    shocks = np.random.default_rng(1).normal(0, 0.02 * np.sqrt(1 - correlation**2), (series, weeks))
    shocks[:, 0] /= np.sqrt(1 - correlation**2)
    for n in range(1, weeks):
        shocks[:, n] += correlation * shocks[:, n - 1]
    return 0.5 + shocks


@pytest.mark.parametrize(("correlation", "stated"), [(0.0, 0.17), (0.3, 0.19), (0.5, 0.2)])
def test_a_quiet_year_rarely_breaks(correlation: float, stated: float) -> None:
    """As often as the docstring says, within what 250 years can tell."""
    rate = np.mean([broken_since(track(year)) is not None for year in noise(250, correlation)])
    print(f"correlation {correlation}: {rate:.1%} of years have a false alarm")  # noqa: T201 - a figure to read
    assert rate <= stated + 2 * np.sqrt(stated * (1 - stated) / 250)


@pytest.mark.parametrize("turned", [7, 26])
def test_a_turned_world_is_seen_in_its_first_week(turned: int) -> None:
    """Half as much loss again is a break at once, also when little more than the base is known."""
    for year in noise(20, 0.0):
        year[turned:] *= 1.5
        assert broken_since(track(year[: turned + 1])) == week(turned)


def test_a_turn_of_a_third_of_the_rows_is_seen() -> None:
    """The weekly losses of a model of flights, before and after the labels of one of three airports were inverted."""
    before = [0.485, 0.492, 0.539, 0.605, 0.386, 0.451, 0.591, 0.695, 0.639, 0.401, 0.514, 0.447, 0.497, 0.509, 0.471]
    year = [*before, 0.548, 0.516, 0.689, 0.809, 0.754, 0.725]
    assert broken_since(track(year[:18])) is None
    assert broken_since(track(year)) == week(18)


def test_the_next_break_is_measured_against_the_time_after_the_last() -> None:
    """The level after a break is the new normal; the newest break is what counts."""
    losses = np.r_[noise(1, 0.0, 20)[0], noise(1, 0.0, 20)[0] + 0.3, noise(1, 0.0, 5)[0] + 0.6]
    assert broken_since(track(losses[:40])) == week(20)
    assert broken_since(track(losses)) == week(40)


def test_six_arrivals_are_needed() -> None:
    """Five say too little of how much losses vary."""
    assert broken_since([]) is None
    assert broken_since(track([0.5, 0.51, 0.49, 0.5, 0.5, 2.0])) is None
    assert broken_since(track([0.5, 0.51, 0.49, 0.5, 0.5, 0.5, 2.0])) == week(6)


def test_a_rise_that_nobody_would_notice_is_no_break() -> None:
    """Losses that were all alike say that the limit is where they are; a rise of 1 % is allowed all the same."""
    assert broken_since(track([0.5] * 10 + [0.504])) is None
    assert broken_since(track([0.5] * 10 + [0.506])) == week(10)


def test_a_fall_is_no_break() -> None:
    """A champion that became better has nothing to forget."""
    assert broken_since(track([*noise(1, 0.0, 20)[0], 0.1])) is None


def test_worse_than_a_constant_twice_is_a_break() -> None:
    """From the first of the arrivals on; once is chance, and a long time of it is one break."""
    losses = [0.5, 0.6, 0.5, 0.7, 0.7, 0.7, 0.5]
    beside = [0.6] * 7
    assert broken_since(track(losses[:4], beside[:4])) is None
    for known in (5, 6, 7):
        assert broken_since(track(losses[:known], beside[:known])) == week(3)
    assert broken_since(track(losses, [None] * 7)) is None


def test_no_prediction_is_a_break_and_no_base() -> None:
    """A loss that is not a number is above every limit, and says nothing of how much others vary."""
    losses = [*noise(1, 0.0, 10)[0], np.nan, *noise(1, 0.0, 10)[0]]
    assert broken_since(track(losses)) == week(10)
    assert broken_since(track([*losses, 0.9])) == week(21)
