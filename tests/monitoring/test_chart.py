"""The chart says when the world turned, and rarely that it did when it did not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from losses import DAY, START, WEEK, quiet, rare_year, track

from db.verdict_records import Rare
from monitoring.chart import BREAKS, Chart, LiveLoss, breaks
from monitoring.performance import broken_since, judge

FLIGHTS = """
    46 53 62 59 44 45 50 65 48 47 52 36 45 36 48 58 90 49 43 45 58 44 44 45 61 50 68 70 49 46 46 70 65 68 45 34
    35 34 32 43 58 49 45 54 61 39 34 35 46 70 75 62 52 54 43 46 54 79 56 52 53 138 94 61 73 77 40 42 52 55 51 81 65
    41 36 42 30 69 63 53 57 33 39 33 47 48 45 30 50 58 51 60 71 57 44 30 38 45 49 54 47 33 60 68 46 35 50 61 42 42
    54 50 47 76 57 51 39 63 70 63 43 41 38 43 64 61 60 49 50 62 57 65 72 76 75 77 98 85 76 70
"""  # per cent, day by day
STATED = 0.08  # share of quiet years with a false alarm: `python -m benchmarks.performance`


@pytest.mark.parametrize("kind", ["normal", "student", "lognormal"])
def test_a_quiet_year_rarely_breaks(kind: str) -> None:
    """As often as the docs say, within what 12 years of weekly arrivals can tell, whatever the noise."""
    draw = np.random.default_rng(1)
    rate = np.mean([bool(breaks(Chart(track(quiet(kind, draw, 7 * 52))))) for _ in range(12)])
    assert rate <= STATED + 2 * np.sqrt(STATED * (1 - STATED) / 12)


@pytest.mark.parametrize(("rows", "rate"), [(140, 0.001), (1_000, 0.0003), (140, 0.005)])
def test_a_quiet_year_of_a_rare_class_rarely_breaks(rows: int, rate: float) -> None:
    """One rare row a week, two, or five: weeks without any say nothing, though a constant is better on each."""
    draw, years = np.random.default_rng(5), 40
    kinds = [rare_year(draw, rows, rate) for _ in range(years)]
    broken = np.mean([bool(breaks(Chart(losses), worse)) for losses, worse in kinds])
    print(f"{rows} rows a day, {rate:.2%}: {broken:.0%} of {years} quiet years broke")  # noqa: T201 - to read
    assert broken <= BREAKS + 2 * np.sqrt(BREAKS * (1 - BREAKS) / years)


@pytest.mark.parametrize(("rows", "rate", "weeks"), [(140, 0.005, 6), (1_000, 0.001, 6), (3_000, 0.001, 2)])
def test_a_turned_world_of_a_rare_class_is_seen(rows: int, rate: float, weeks: int) -> None:
    """With five rare rows a week, seven and twenty: later, the fewer there are, and in every year."""
    draw, seen = np.random.default_rng(6), []
    for _ in range(10):
        losses, worse = rare_year(draw, rows, rate, turned=26)
        found = breaks(Chart(losses), worse)
        seen.append(next(one.seen for one in found if one.seen >= 26) - 25)
    print(f"{rows} rows a day, {rate:.1%}: seen after {sorted(seen)} weeks")  # noqa: T201 - to read
    assert np.median(seen) <= weeks


def weekly(*rare: tuple[int, float]) -> list[LiveLoss]:
    """A week in one block, as often as given: how many rare rows came, and how many were expected."""
    return [
        LiveLoss(START + week * WEEK, f"week {week}", 1_000, 0.01, 1, Rare(*counts)) for week, counts in enumerate(rare)
    ]


def test_a_unit_is_as_long_as_it_takes_to_have_ten_rare_rows() -> None:
    """That came or were expected. The oldest weeks are no unit if they have fewer, and then tell nothing."""
    assert Chart(weekly((9, 0), (3, 0), (4, 0), (3, 0))).units(3, 0) == 1
    assert Chart(weekly((10, 0), (3, 0), (4, 0), (3, 0))).units(3, 0) == 2
    assert Chart(weekly((0, 9.5), (0, 11.0), (2, 10.5))).units(2, 0) == 2
    three = weekly((0, 0.1), (9, 0.1), (1, 0.1))
    assert not breaks(Chart(three), {one.arrival: 0.001 for one in three})


def test_where_rare_rows_are_not_known_all_is_as_it_was() -> None:
    """Blocks of before say nothing of whether the class is rare; the oldest 70 that do decide it, once and for all."""
    old = [replace(one, rare=None) for one in weekly(*[(0, 0.0)] * 10)]
    assert [Chart(old).units(9, 0), Chart(old).compared] == [10, "better half"]
    years = [LiveLoss(START + n * DAY, f"{n}", 10, 0.1, 1, Rare(int(n > 80), 0.0)) for n in range(400)]
    found = [Chart([*old, *years[:known]]).compared for known in (1, 69, 70, 100, 400)]
    assert found == ["better half", "better half", "mean", "mean", "mean"]


def test_a_block_without_a_loss_is_no_evidence() -> None:
    """Its rare rows make no unit of weeks that have none."""
    weeks = weekly((10, 0), (10, 0), (0, 0), (0, 0))
    weeks[1] = replace(weeks[1], loss=float("nan"))
    assert Chart(weeks).units(3, 0) == 1


@pytest.mark.parametrize("turned", [7, 26])
def test_a_turned_world_is_seen_in_its_first_week(turned: int) -> None:
    """Half as much loss again is a break at once, also when little more than the base is known."""
    draw = np.random.default_rng(1)
    for _ in range(10):
        year = quiet("normal", draw, 7 * (turned + 1))
        year[7 * turned :] *= 1.5
        assert broken_since(track(year)) == START + turned * WEEK


def test_a_turn_of_a_third_of_the_rows_is_seen_in_its_first_week() -> None:
    """The days of a model of flights, before and after the labels of one of three airports were inverted."""
    days = np.array(FLIGHTS.split(), float) / 100
    assert broken_since(track(days[:-7])) is None
    assert broken_since(track(days)) == START + timedelta(days=len(days) - 7)
    days[-7:] = days[:7]
    assert broken_since(track(days)) is None


def test_weeks_without_days_are_warned_of() -> None:
    """Of the same switch only weekly losses, of another model: too little for a break, enough for a warning."""
    before = [0.485, 0.492, 0.539, 0.605, 0.386, 0.451, 0.591, 0.695, 0.639, 0.401, 0.514, 0.447, 0.497, 0.509, 0.471]
    weeks = track([*before, 0.548, 0.516, 0.689, 0.809], blocks=1, apart=WEEK)
    assert judge(weeks[:-1], 1).state == "in control"
    assert judge(weeks, 1).state == "warning"


def test_a_small_rise_that_stays_is_seen_in_time() -> None:
    """A tenth more is too little for one week, and not for eight; it began about when it is said to have."""
    draw, found = np.random.default_rng(2), []
    for _ in range(10):
        year = quiet("normal", draw, 7 * 34)
        year[7 * 26 :] *= 1.1
        found.append(broken_since(track(year)))
    seen = [since for since in found if since]
    assert len(seen) >= 8
    assert all(abs(since - (START + 26 * WEEK)) <= 5 * WEEK for since in seen)


def test_a_break_that_passes_by_itself_is_none_any_more() -> None:
    """Eight weeks as good as before, of the same version: what is older is worth learning from again."""
    year = quiet("normal", np.random.default_rng(4), 7 * 34)
    year[7 * 20 : 7 * 22] *= 1.6
    assert broken_since(track(year[: 7 * 24])) == START + 20 * WEEK
    assert broken_since(track(year)) is None


def test_of_small_arrivals_a_few_worse_than_a_constant_are_chance() -> None:
    """Two days are; two weeks without one better day are not."""
    days = track(quiet("normal", np.random.default_rng(5), 7 * 10), blocks=1)
    assert broken_since(days, {one.arrival: 0.99 * one.loss for one in days[30:32]}) is None
    assert broken_since(days, {one.arrival: 0.99 * one.loss for one in days[30:44]}) == days[30].block


def test_three_days_of_storm_are_no_break() -> None:
    """The better half of a week's days is as good as ever."""
    losses = quiet("normal", np.random.default_rng(3), 7 * 20)
    losses[-5:-2] *= 3
    assert broken_since(track(losses)) is None


@pytest.mark.parametrize(
    ("blocks", "apart"), [(1, timedelta(days=1)), (1, timedelta(hours=1)), (24, timedelta(hours=1))]
)
def test_small_arrivals_are_looked_at_together(blocks: int, apart: timedelta) -> None:
    """Whether rows come by day or by hour: a doubled loss is seen within a unit, and quiet is quiet."""
    losses = quiet("normal", np.random.default_rng(4), 24 * 14)
    assert broken_since(track(losses, blocks=blocks, apart=apart)) is None
    losses[24 * 12 :] *= 2
    since = broken_since(track(losses[: 24 * 12 + max(7, blocks)], blocks=blocks, apart=apart))
    assert since is not None
    assert abs(since - (START + 24 * 12 * apart)) <= 14 * apart


def test_the_next_break_is_measured_against_the_time_after_the_last() -> None:
    """The level after a break is the new normal; the newest break is what counts."""
    draw = np.random.default_rng(5)
    losses = np.r_[quiet("normal", draw, 140), quiet("normal", draw, 140) + 0.4, quiet("normal", draw, 35) + 1.2]
    assert [found.since for found in breaks(Chart(track(losses)))] == [140, 280]
    assert broken_since(track(losses)) == START + 40 * WEEK


@pytest.mark.parametrize(("promoted", "found"), [(11, [70, 126]), (99, [70])])
def test_what_the_broken_version_lost_is_no_measure_for_who_learned_since(promoted: int, found: list[int]) -> None:
    """Its week of the turn makes all that follows look as if it varied much, and would hide the next turn."""
    weeks = [0.5, 0.51, 0.49, 0.5, 0.52, 0.5, 0.49, 0.51, 0.5, 0.5, 0.9, *[0.52, 0.5, 0.51, 0.49, 0.5, 0.52, 0.5], 0.62]
    versions = np.repeat([1 if week < promoted else 2 for week in range(len(weeks))], 7)
    losses = track(np.repeat(weeks, 7), versions=versions.tolist())
    assert [one.since for one in breaks(Chart(losses))] == found


def test_five_units_are_needed() -> None:
    """Four say too little of how much losses vary: of weeks, they may lack the end of a month."""
    assert broken_since([]) is None
    losses = np.repeat([0.5, 0.51, 0.49, 0.5, 0.5, 2.0], 7)
    assert broken_since(track(losses[7:])) is None
    assert broken_since(track(losses)) == START + 5 * WEEK


def test_a_rise_that_nobody_would_notice_is_no_break() -> None:
    """Losses that were all alike say that the limit is where they are; a rise of 1 % is allowed all the same."""
    assert broken_since(track([0.5] * 70 + [0.504] * 7)) is None
    assert broken_since(track([0.5] * 70 + [0.506] * 7)) == START + 10 * WEEK


def test_a_fall_is_no_break() -> None:
    """A champion that became better has nothing to forget."""
    assert broken_since(track([*quiet("normal", np.random.default_rng(1), 140), *[0.1] * 7])) is None


def test_worse_than_a_constant_twice_is_a_break() -> None:
    """From the first of the arrivals on; once is chance, and a long time of it is one break."""
    losses, worse = track([0.5] * 49), {f"arrival {n}": 0.499 for n in (1, 3, 4, 5)}
    assert broken_since(losses[:28], worse) is None
    for weeks in (5, 6, 7):
        assert [found.since for found in breaks(Chart(losses[: 7 * weeks]), worse)] == [21]


def test_one_week_far_worse_than_a_constant_is_a_break() -> None:
    """Where every day says so; a young model has no weeks to compare with. Two bad days of seven are chance."""
    days = quiet("normal", np.random.default_rng(6), 14)
    assert broken_since(track([*days[:7], *4 * days[7:]]), {"arrival 1": float(days[7:].mean())}) == START + WEEK
    days[8:10] *= 9
    assert broken_since(track(days), {"arrival 1": float(np.median(days))}) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_finite_loss_is_a_break_and_no_base(bad: float) -> None:
    """A loss that is not a number is above every limit, and says nothing of how much others vary."""
    losses = quiet("normal", np.random.default_rng(1), 154)
    losses[73] = bad
    assert [found.since for found in breaks(Chart(track(losses)))] == [73]
    assert broken_since(track([*losses, *[0.9] * 7])) == START + 22 * WEEK


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.5, 1e300, np.nan, np.inf])
def test_a_constant_loss_of_any_size_is_an_answer(value: float) -> None:
    """Nothing overflows, and what never changes breaks only where it is no number."""
    found = breaks(Chart(track([value] * 140)))
    assert bool(found) == (not np.isfinite(value))


def test_rarity_says_what_a_limit_means() -> None:
    """The limit is the loss at which the better half of the newest blocks is a break."""
    losses = quiet("normal", np.random.default_rng(1), 140)
    limit = Chart(track(losses)).rarity(19, 0)
    assert limit is not None
    for factor, broke in ((0.999, False), (1.001, True)):
        losses[-7:] = limit.limit * factor
        rarity = Chart(track(losses)).rarity(19, 0)
        assert rarity is not None
        assert (rarity.a_year < BREAKS) >= broke
