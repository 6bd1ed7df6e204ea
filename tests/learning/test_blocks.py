"""Time blocks, and the window that proves a challenger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from learning.blocks import block_of, proving_window
from learning.data import PartitionFile
from learning.schema import ARRIVED
from learning.spec import Gate, ModelSpec, Schema

FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
Days = Callable[..., PartitionFile]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    """A function that writes a partition with so many rows on each day from the first on."""

    def make(*rows: int, unlabelled: tuple[int, ...] = (), name: str = "p") -> PartitionFile:
        day = np.repeat(np.arange(len(rows)), rows)
        at = [FIRST + timedelta(days=int(one), minutes=place) for place, one in enumerate(day)]
        y = [None if one in unlabelled else 1.0 for one in day]
        frame = pl.DataFrame({"at": at, "y": y}, schema={"at": pl.Datetime("us", "UTC"), "y": pl.Float64})
        frame.write_parquet(tmp_path / f"{name}.parquet")
        return PartitionFile(name, tmp_path / f"{name}.parquet")

    return make


@pytest.fixture
def schema(spec: ModelSpec) -> Schema:
    """The small model's schema: blocks of a day."""
    return spec.schema


def day_of(found: datetime | None) -> int | None:
    """How many days after the first one the window begins."""
    return None if found is None else (found - FIRST).days


@pytest.mark.parametrize(
    ("block", "starts"),
    [("1d", ["2024-01-01", "2024-01-03"]), ("6h", ["2024-01-01T18", "2024-01-03T00"]), ("1w", ["2024-01-01"] * 2)],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", None])
def test_a_block_is_a_stretch_of_utc_however_times_are_stored(block: str, starts: list[str], zone: str | None) -> None:
    """A day in Rome begins an hour earlier, but blocks are the same for every model and machine."""
    times = pl.Series("at", [datetime(2024, 1, 1, 23, 30), datetime(2024, 1, 3, 0, 0)])  # noqa: DTZ001 - one is naive
    stored = times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else times
    found = stored.to_frame().select(block_of(pl.col("at"), block)).to_series().to_numpy()
    assert found.dtype == np.dtype("datetime64[us]")
    assert found.tolist() == np.array(starts, "datetime64[us]").tolist()


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        ([100] * 7, 5),  # two sevenths are the first to reach a quarter
        ([100] * 8, 6),
        ([100, 100], 1),
        ([100, 100, 100, 1], 2),  # a day that has only begun proves nothing by itself
        ([20] * 5, 2),  # a quarter would be 25 rows: too few to prove anything
    ],
)
def test_the_window_is_the_fewest_newest_blocks_that_hold_the_share(
    schema: Schema, days: Days, rows: list[int], day: int
) -> None:
    """Whole blocks, about a quarter of the rows, enough to prove something."""
    assert day_of(proving_window(schema, Gate(), [days(*rows)])) == day


def test_a_larger_share_takes_more_blocks(schema: Schema, days: Days) -> None:
    """The user's share counts, as far as something is left to learn from."""
    found = [proving_window(schema, Gate(prove_on=share), [days(*[100] * 10)]) for share in (0.1, 0.5, 0.9, 0.95)]
    assert [day_of(one) for one in found] == [9, 5, 1, 1]


def test_only_labelled_rows_count(schema: Schema, days: Days) -> None:
    """Rows whose label is not known yet prove nothing: the window is where the labels are."""
    assert day_of(proving_window(schema, Gate(), [days(100, 100, 100, 100, 500, unlabelled=(4,))])) == 3


def test_partitions_share_their_blocks(schema: Schema, days: Days) -> None:
    """A day that came in two deliveries is one block."""
    halves = [days(100, 100, 100, name="a"), days(0, 0, 100, name="b")]
    assert day_of(proving_window(schema, Gate(), halves)) == 2


@pytest.mark.parametrize("rows", [[], [100], [0, 500], [1, 500]], ids=["nothing", "one", "none older", "a late row"])
def test_without_an_older_block_to_learn_from_there_is_no_window(schema: Schema, days: Days, rows: list[int]) -> None:
    """A challenger that learned from one late row is no proof of what a retrain is worth."""
    assert proving_window(schema, Gate(), [days(*rows)]) is None


def test_there_is_no_window_without_blocks_or_partitions(schema: Schema, days: Days) -> None:
    """Where time says nothing, or nothing is pending."""
    assert proving_window(replace(schema, block=""), Gate(), [days(100, 100)]) is None
    assert proving_window(schema, Gate(), []) is None


def test_each_arrival_is_a_block_of_rows_that_bring_no_time(tmp_path: Path) -> None:
    """Files that were written a minute apart: the newest one proves what the others teach."""
    schema, times = Schema(time=None, key=("id",), target="y", numeric=("a",)), []
    for minute in range(4):
        times += [datetime(2024, 1, 1, 0, minute, tzinfo=UTC)] * 100
    path = tmp_path / "arrived.parquet"
    pl.DataFrame({ARRIVED: times, "y": [1.0] * 400}).write_parquet(path)
    assert schema.block == "arrival"
    found = proving_window(schema, Gate(), [PartitionFile("arrived", path)])
    assert found == datetime(2024, 1, 1, 0, 3, tzinfo=UTC)
