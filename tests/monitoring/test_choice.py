"""Of very many rows only some partitions are read: whole blocks where blocks are small, of all blocks where not."""

from __future__ import annotations

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from learning.blocks import block_of
from monitoring import choice
from monitoring.choice import Known, choices
from monitoring.samples import Layout, Rows, draw

START = datetime(2026, 1, 1, tzinfo=UTC)
BLOCK = block_of(pl.col("at"), "1d")
DAYS = Layout("at", BLOCK)
READ = 2_000


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are very many from 2,000 on."""
    monkeypatch.setattr(choice, "READ", READ)


def parts(folder: Path, rows: int, *, each: int, minutes: float) -> tuple[tuple[Path, ...], tuple[Known, ...]]:
    """Rows with their own number, minutes apart, as many in a file."""
    step, paths, known = timedelta(minutes=minutes), list[Path](), list[Known]()
    for first in range(0, rows, each):
        number = np.arange(first, min(first + each, rows))
        at = [START + step * int(place) for place in number]
        random = np.random.default_rng(first).random(len(number))
        frame = pl.DataFrame({"at": at, "number": number, "holdout": random < 0.2})
        paths.append(folder / f"{first:06}.parquet")
        frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).write_parquet(paths[-1])
        known.append(Known(str(first), len(number), at[0], at[-1]))
    return tuple(paths), tuple(known)


def of(folder: Path, rows: int, *, each: int, minutes: float, **how: bool) -> Rows:
    """The same as one side."""
    files, known = parts(folder, rows, each=each, minutes=minutes)
    return Rows(files, DAYS, known=known, **how)


def test_of_very_many_rows_whole_days_of_some_partitions_are_drawn(tmp_path: Path) -> None:
    """As few rows are read as agreed, every one of a day that is met, in runs of neighbouring days."""
    rows = of(tmp_path, 20_000, each=150, minutes=20)  # 72 rows a day, of 278 days
    sample = draw(rows, ["number"], 500)
    assert sample.rows == 20_000
    assert (sample.time_from, sample.time_to) == (START, START + timedelta(minutes=20 * 19_999))
    assert READ / 2 < sample.within <= READ
    assert sample.within % 72 == 0 or sample.within > 0.95 * 72 * len(np.unique(sample.block))
    assert sample.values["number"].to_list() == sample.place.tolist()
    days = np.unique(sample.place // 72)
    assert len(days) == sample.within // 72
    assert (np.diff(days) == 1).sum() >= len(days) - choice.RUNS
    assert days.min() < 278 / 4
    assert days.max() > 278 * 3 / 4


def test_the_same_rows_every_time(tmp_path: Path) -> None:
    """A check that is made again says the same."""
    rows = of(tmp_path, 10_000, each=100, minutes=20)
    assert draw(rows, ["number"], 100).values.equals(draw(rows, ["number"], 100).values)


def test_where_a_day_is_more_than_is_read_a_part_stands_for_it(tmp_path: Path) -> None:
    """All seven days are there, each with rows of some partitions."""
    rows = of(tmp_path, 7 * 1_440 * 2, each=200, minutes=0.5)
    sample = draw(rows, ["number"], 400)
    assert np.bincount(sample.block).min() > 20
    assert len(np.unique(sample.block)) == 7
    assert sample.within <= READ + 200


def test_few_rows_are_all_read(tmp_path: Path) -> None:
    """Nothing is chosen where there is no need."""
    rows = of(tmp_path, READ, each=100, minutes=20)
    assert draw(rows, ["number"], 5_000).values["number"].to_list() == list(range(READ))


def test_held_out_rows_are_drawn_in_the_same_way(tmp_path: Path) -> None:
    """And how many there are is told as well as it can be without reading them."""
    rows = of(tmp_path, 20_000, each=100, minutes=20, holdout=True)
    sample = draw(rows, ["number", "holdout"], 200)
    assert sample.values["holdout"].all()
    assert sample.rows == pytest.approx(4_000, rel=0.2)
    assert sample.values["number"].to_list() == sample.place.tolist()


def test_a_partition_of_late_rows_takes_no_day_from_the_others(tmp_path: Path) -> None:
    """A few rows of the whole year lie in it: days are as good as whole without them."""
    files, known = parts(tmp_path, 20_000, each=150, minutes=20)
    late = tmp_path / "late.parquet"
    some = pl.DataFrame({"at": [START, START + timedelta(days=277)], "number": [0, 0], "holdout": [False, False]})
    some.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))).write_parquet(late)
    with_late = Rows((*files, late), DAYS, known=(*known, Known("late", 2, START, START + timedelta(days=277))))
    assert draw(with_late, ["number"], 500).within > READ / 2


def test_a_sample_is_as_the_rows_are(tmp_path: Path) -> None:
    """No part of the year is preferred: over many years, each has its share."""
    _, known = parts(tmp_path, 20_000, each=100, minutes=20)
    chosen = next(iter(choices(known, BLOCK, len(known))))
    places = np.array(chosen.files) / len(known)
    assert [np.sum((places >= q / 4) & (places < (q + 1) / 4)) for q in range(4)] == [5, 5, 5, 5]


def test_more_partitions_than_files_may_be_open_are_drawn_from(tmp_path: Path) -> None:
    """A year of small arrivals is many partitions, and a process may hold few files open."""
    rows = of(tmp_path, 2_000, each=5, minutes=20)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        sample = draw(rows, ["number"], 2_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert sample.values["number"].to_list() == list(range(2_000))
