"""Drift: undrifted data stays quiet at every size, drifted data does not."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from errors import NotEnoughData
from learning.spec import DriftPolicy, Schema
from monitoring.drift import chance_distance, compare_files, compare_windows, wasserstein

SCHEMA = Schema(time="at", key=("id",), target="y", numeric=("speed", "load"), categorical=("city",))


def rows(count: int, seed: int, shift: float = 0.0, cities: tuple[str, ...] = ("A", "B", "C")) -> pd.DataFrame:
    """Rows with two numbers, a category and a label."""
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "speed": draw.normal(shift, 1.0, count),
            "load": draw.normal(shift, 2.0, count),
            "city": draw.choice(cities, count),
            "y": draw.integers(0, 2, count).astype(float),
        }
    )


@pytest.mark.parametrize("count", [50, 500, 3000])
def test_undrifted_rows_are_no_drift(count: int) -> None:
    """Two draws of one distribution are called undrifted, however small the arrival."""
    verdict = compare_windows(rows(3000, 1), rows(count, 11), SCHEMA, DriftPolicy())
    assert not verdict.drifted
    assert [column.column for column in verdict.columns if column.drifted] == []


@pytest.mark.parametrize("count", [100, 3000])
def test_shifted_rows_are_drift(count: int) -> None:
    """Numbers a standard deviation away and unknown categories are called drift, column by column."""
    verdict = compare_windows(rows(3000, 1), rows(count, 7, shift=2.0, cities=("X", "Y")), SCHEMA, DriftPolicy())
    assert verdict.drifted
    assert {column.column for column in verdict.columns if column.drifted} == {"speed", "load", "city"}
    assert verdict.reason.startswith("3 of 4 columns drifted")


def test_a_share_of_columns_makes_a_drift() -> None:
    """One drifted column of four is a drift only for a policy that says so."""
    reference, current = rows(1000, 1), rows(1000, 7)
    current["speed"] += 3.0
    assert not compare_windows(reference, current, SCHEMA, DriftPolicy(share=0.5)).drifted
    assert compare_windows(reference, current, SCHEMA, DriftPolicy(share=0.25)).drifted


def test_unlabelled_rows_are_compared_by_their_inputs() -> None:
    """A target without any value is left out of the check instead of failing it."""
    current = rows(200, 7)
    current["y"] = np.nan
    verdict = compare_windows(rows(1000, 1), current, SCHEMA, DriftPolicy())
    assert [column.column for column in verdict.columns] == ["speed", "load", "city"]


def test_too_few_rows_are_refused() -> None:
    """A handful of rows gives an error that says how many are needed."""
    with pytest.raises(NotEnoughData, match=r"current window of 3 rows.* needs 30"):
        compare_windows(rows(1000, 1), rows(3, 2), SCHEMA, DriftPolicy())


def test_the_report_shows_the_columns(tmp_path: Path) -> None:
    """The HTML report is written, whole and with the columns' names."""
    report = tmp_path / "reports" / "drift.html"
    compare_windows(rows(200, 1), rows(200, 7), SCHEMA, DriftPolicy(), report)
    assert "speed" in report.read_text()


def test_wasserstein_of_shares_is_scipys() -> None:
    """The distance between resampled windows is the one that Evidently computes."""
    from scipy.stats import wasserstein_distance

    values = np.array([0.0, 1.0, 4.0, 9.0])
    one, other = np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([[0.4, 0.3, 0.2, 0.1]])
    expected = wasserstein_distance(values, values, one[0], other[0])
    assert wasserstein(values, one, other)[0] == pytest.approx(expected)


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon"])
def test_chance_explains_more_in_small_arrivals(method: str) -> None:
    """The threshold falls as rows are added."""
    column = rows(2000, 1)["speed" if method == "wasserstein" else "city"]
    draw = np.random.default_rng(0)
    small, large = (chance_distance(column, count, method, 0.01, draw) for count in (50, 2000))
    assert small > 2 * large


def test_gaps_in_what_arrived_are_no_drift() -> None:
    """A column that few arriving rows have a value of is judged by those few."""
    draw = np.random.default_rng(5)
    alarms = 0
    for _ in range(40):
        reference, current = (pd.DataFrame({"speed": draw.normal(size=count)}) for count in (5000, 2000))
        current.loc[40:, "speed"] = np.nan
        threshold = chance_distance(reference["speed"], int(current["speed"].count()), "wasserstein", 0.05, draw)
        alarms += wasserstein_distance(reference["speed"], current["speed"].dropna()) > threshold
    assert alarms <= 6


def test_windows_without_anything_in_common_are_refused() -> None:
    """With no column to compare there is no verdict."""
    empty = rows(100, 1).assign(speed=np.nan)
    with pytest.raises(NotEnoughData, match="without a column"):
        compare_windows(rows(100, 2), empty, SCHEMA, DriftPolicy(columns=("speed",)))


def test_numbers_as_large_as_alike_are_drift(tmp_path: Path) -> None:
    """A batch of one absurd number is compared like any other: it must not stop every check from now on."""
    usual, absurd = rows(200, seed=1), rows(200, seed=2).assign(speed=1e37)
    for name, frame in {"usual": usual, "absurd": absurd}.items():
        pl.from_pandas(frame).with_columns(id=pl.int_range(200)).write_parquet(tmp_path / f"{name}.parquet")
    verdict = compare_files([tmp_path / "usual.parquet"], [tmp_path / "absurd.parquet"], SCHEMA, DriftPolicy())
    assert [column.column for column in verdict.columns if column.drifted] == ["speed"]
