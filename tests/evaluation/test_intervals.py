"""The interval of a mean: Student's where rows are independent, and wider where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evaluation.intervals import Interval, mean_interval


def held(sample: Callable[[np.random.Generator], tuple[np.ndarray, list[np.ndarray]]], trials: int = 250) -> float:
    """How often a 90 % interval holds the true mean, which is 0."""
    draw = np.random.default_rng(1)
    found = [mean_interval(*sample(draw), 0.9) for _ in range(trials)]
    return float(np.mean([one is not None and one.low <= 0 <= one.high for one in found]))


@pytest.mark.parametrize("rows", [2, 30, 5000])
def test_the_interval_of_independent_rows_is_students(rows: int) -> None:
    """The limits are those of scipy's own t-test, without clusters and with a cluster for each row."""
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(rows).normal(0.1, 2.0, rows)
    wanted = ttest_1samp(values, 0.0).confidence_interval(0.9)
    for clusters in ([], [np.arange(rows)], [np.arange(rows), np.arange(rows)]):
        found = mean_interval(values, clusters, 0.9)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
        assert found.clusters == rows
        assert found.effective_rows == pytest.approx(rows)


def test_days_of_equal_size_are_as_many_observations() -> None:
    """The interval is that of a t-test on the days' means, and so many rows it is worth."""
    from scipy.stats import ttest_1samp

    draw = np.random.default_rng(2)
    day = np.repeat(np.arange(6), 200)
    values = draw.normal(0, 1, 6)[day] + draw.normal(0, 0.1, len(day))
    wanted = ttest_1samp(values.reshape(6, 200).mean(axis=1), 0.0).confidence_interval(0.9)
    found = mean_interval(values, [day], 0.9)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert found.clusters == 6
    assert 4 < found.effective_rows < 8


def test_the_names_of_clusters_do_not_matter() -> None:
    """Dates and large numbers name groups as well as 0, 1, 2 do."""
    values = np.random.default_rng(3).normal(0, 1, 40)
    groups = np.arange(40) % 8
    dates = np.datetime64("2013-01-01", "us") + groups * np.timedelta64(1, "D")
    large = (groups.astype("uint64") + 1) * np.uint64(2**59)
    assert (
        mean_interval(values, [dates], 0.9)
        == mean_interval(values, [groups], 0.9)
        == mean_interval(values, [large], 0.9)
    )


def test_one_cluster_gives_no_interval() -> None:
    """However many rows it has; of two ways of grouping, each needs more than one."""
    values = np.random.default_rng(4).normal(0, 1, 500)
    assert mean_interval(values, [np.zeros(500)], 0.9) is None
    assert mean_interval(values, [np.arange(500), np.zeros(500)], 0.9) is None
    assert mean_interval(values[:1], [], 0.9) is None


def test_rows_of_one_patient_are_no_independent_proof() -> None:
    """Forty patients of 25 rows: an interval over rows would miss the truth in a third of all trials and more."""
    patients = np.repeat(np.arange(40), 25)

    def sample(draw: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        return draw.normal(0, 1, 40)[patients] + draw.normal(0, 1, 1000), [patients]

    assert held(sample) >= 0.87
    assert held(lambda draw: (sample(draw)[0], [])) <= 0.65


@pytest.mark.parametrize("sizes", [(100, 100), (300, 100, 20), (200, 100, 50, 20, 10), (50,) * 12])
def test_few_and_uneven_days_keep_their_promise(sizes: tuple[int, ...]) -> None:
    """About nine of ten intervals hold the truth, however few the days and however unlike in size."""
    day = np.repeat(np.arange(len(sizes)), sizes)

    def sample(draw: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        return draw.normal(0, 0.3, len(sizes))[day] + draw.normal(0, 1, len(day)), [day]

    assert held(sample) >= 0.86


def test_days_and_patients_count_together() -> None:
    """Where rows of a day and those of a patient are alike, either alone promises too much."""

    def sample(draw: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        day, patient = np.repeat(np.arange(15), 40), draw.integers(0, 15, 600)
        return draw.normal(0, 1, 15)[day] + draw.normal(0, 1, 15)[patient] + draw.normal(0, 1, 600), [day, patient]

    def one_way(draw: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        values, (day, _) = sample(draw)
        return values, [day]

    assert held(sample) >= 0.86
    assert held(one_way) <= 0.84


def test_two_ways_of_grouping_are_never_surer_than_one() -> None:
    """Where chance makes days and patients look unlike each other, the wider error of the two stands."""
    draw = np.random.default_rng(5)
    for _ in range(50):
        ways = [draw.integers(0, 4, 60), draw.integers(0, 4, 60)]
        values = draw.normal(0, 1, 60)
        both, *alone = (mean_interval(values, names, 0.9) for names in (ways, ways[:1], ways[1:]))
        assert both is not None
        assert all(one is not None and both.error >= one.error for one in alone)


@pytest.mark.parametrize("mean", [-0.9, -1.0, -3.5])
def test_a_floor_never_takes_the_mean_out_of_its_interval(mean: float) -> None:
    """Also of what fell by more than all of it, as a figure that may lie below 0 does."""
    found = Interval(mean, mean - 2, mean + 0.1, 1.0, 5, 100.0).from_at_least(-1.0)
    assert found.low <= found.mean <= found.high
    assert found.low == min(-1.0, mean)
