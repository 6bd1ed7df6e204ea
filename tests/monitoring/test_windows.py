"""Windows: rows drawn evenly and the same ones every time, with all blocks; texts and labels as they are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from db.verdict_records import DriftColumn
from errors import NotEnoughData
from learning.blocks import block_of
from learning.spec import DriftPolicy
from monitoring.choice import Known
from monitoring.drift import Compared, DriftVerdict, Side
from monitoring.samples import Layout, Rows, draw
from monitoring.windows import FREE_TEXT, compare_rows

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = Layout("at", block_of(pl.col("at"), "1d"), ("patient",))
WORDS = ("quick", "brown", "fox", "lazy", "dog", "and", "old", "new", "red", "hen")


def table(rows: int, *, first: int = 0, minutes: int = 10, seed: int = 0) -> pl.DataFrame:
    """Rows of a number, a category, a text, a patient and a label, minutes apart."""
    random = np.random.default_rng(seed)
    at = [START + timedelta(minutes=minutes * place) for place in range(first, first + rows)]
    return pl.DataFrame(
        {
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "speed": random.normal(size=rows),
            "city": random.choice(["A", "B"], rows),
            "text": [" ".join(random.choice(WORDS, 6)) for _ in range(rows)],
            "patient": random.integers(0, 50, rows).astype(str),
            "late": random.integers(0, 3, rows).astype(float),
            "holdout": random.random(rows) < 0.2,
        }
    )


def files(folder: Path, *tables: pl.DataFrame) -> tuple[Path, ...]:
    """Each table as a partition's file."""
    paths = tuple(folder / f"{place}.parquet" for place in range(len(tables)))
    for path, rows in zip(paths, tables, strict=True):
        rows.write_parquet(path)
    return paths


def test_few_rows_are_all_drawn(tmp_path: Path) -> None:
    """In their order, counted through all files, with their block and their patient."""
    one, two = table(200), table(100, first=200, seed=1)
    sample = draw(Rows(files(tmp_path, one, two), DAYS), ["speed", "city"], 5_000)
    assert sample.values.equals(pl.concat([one, two]).select("speed", "city"))
    assert sample.place.tolist() == list(range(300))
    assert sample.block.tolist() == [place * 10 // (24 * 60) for place in range(300)]
    assert sample.entity is not None
    assert len(np.unique(sample.entity)) == pl.concat([one, two])["patient"].n_unique()
    assert (sample.rows, sample.time_from, sample.time_to) == (300, START, START + timedelta(minutes=2990))


def test_a_sample_is_even_the_same_every_time_and_not_larger_than_allowed(tmp_path: Path) -> None:
    """Every tenth row or so, of every block as many as it has."""
    rows = Rows(files(tmp_path, table(1_440), table(1_440, first=1_440)), DAYS)
    once, again = (draw(rows, ["speed"], 288) for _ in range(2))
    assert once.values.equals(again.values)
    assert (once.rows, len(once.values)) == (2_880, 288)
    assert np.abs(np.bincount(once.block) - 14.4).max() < 3
    assert set(np.diff(once.place)) != {10}


def test_a_block_of_one_row_among_thousands_is_represented(tmp_path: Path) -> None:
    """Also where it stands between others, and at most so many rows are drawn all the same."""
    stray = [table(1, first=144 * day, seed=day) for day in (40, 50, 60)]
    crowd = [table(2_000, minutes=1, seed=place) for place in range(4)]
    rows = Rows(files(tmp_path, crowd[0], stray[0], crowd[1], stray[1], crowd[2], stray[2], crowd[3]), DAYS)
    sample = draw(rows, ["speed"], 100)
    assert len(sample.values) <= 100
    assert np.unique(sample.block).tolist() == [0, 1, 2, 3, 4]
    assert np.all(np.diff(sample.place) > 0)


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
@pytest.mark.parametrize("most", [100, 5_000])
def test_rows_in_no_order_are_drawn_with_their_own_blocks(tmp_path: Path, order: str, most: int) -> None:
    """Each day as often as it has rows, and every row with its day."""
    everything = table(1_440).reverse() if order == "newest first" else table(1_440).sample(1_440, shuffle=True, seed=3)
    sample = draw(Rows(files(tmp_path, everything[:500], everything[500:]), DAYS), ["speed"], most)
    there = everything[sample.place]
    assert there["speed"].equals(sample.values["speed"])
    assert sample.block.tolist() == ((there["at"] - START).dt.total_days()).to_list()
    assert np.abs(np.bincount(sample.block) - min(most, 1_440) / 10).max() < 3
    assert np.all(np.diff(sample.place) > 0)


def test_more_blocks_than_rows_are_no_reason_to_draw_more(tmp_path: Path) -> None:
    """As many blocks as there is room for."""
    rows = Rows(files(tmp_path, table(1_000, minutes=24 * 60)), DAYS)
    sample = draw(rows, ["speed"], 50)
    assert len(np.unique(sample.block)) == len(sample.values)
    assert 40 <= len(sample.values) <= 50


@pytest.mark.parametrize("most", [10, 5_000])
def test_rows_of_a_time_or_of_the_holdout_have_their_place_in_the_files(tmp_path: Path, most: int) -> None:
    """Who looks up what was computed of them finds the same rows."""
    everything = table(1_000)
    span = START + timedelta(days=1), START + timedelta(days=3)
    rows = Rows(files(tmp_path, everything[:400], everything[400:]), DAYS, spans=(span,), holdout=True)
    sample = draw(rows, ["speed"], most)
    there = everything[sample.place]
    assert there["speed"].equals(sample.values["speed"])
    assert there["holdout"].all()
    assert there["at"].is_between(*span).all()
    wanted = everything.filter(pl.col("holdout") & pl.col("at").is_between(*span))
    assert (sample.rows, len(there)) == (len(wanted), min(most, len(wanted)))
    assert (sample.time_from, sample.time_to) == (wanted["at"].min(), wanted["at"].max())


def test_without_blocks_every_row_is_one(tmp_path: Path) -> None:
    """And no rows at all are an error that says so."""
    rows = Rows(files(tmp_path, table(100)), Layout("at"))
    sample = draw(rows, ["speed"], 30)
    assert sample.block.tolist() == list(range(30))
    assert sample.entity is None
    with pytest.raises(NotEnoughData, match="no rows"):
        draw(Rows(files(tmp_path, table(0)), DAYS), ["speed"], 30)


class Recorded:
    """A comparison that remembers what it was asked, and finds nothing."""

    def __call__(
        self, reference: Side, current: Side, columns: Sequence[Compared], *_: Any, **how: Any
    ) -> DriftVerdict:
        """Every column undrifted."""
        self.sides, self.columns, self.how = (reference, current), tuple(columns), how
        found = tuple(DriftColumn(c.name, "wasserstein", 0.0, 1.0, drifted=False) for c in columns)
        return DriftVerdict(False, 0.0, "nothing", found)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """In place of the comparison itself."""
    comparison = Recorded()
    monkeypatch.setattr("monitoring.windows.compare_sides", comparison)
    return comparison


COLUMNS = (
    Compared("speed", "number", "input"),
    Compared("city", "category", "input"),
    Compared("text", "category", "input"),
    Compared("late", "category", "target"),
)


def compared(folder: Path, current: pl.DataFrame) -> DriftVerdict:
    """Rows that arrived, compared with three hundred others."""
    reference, arrived = (Rows((path,), DAYS) for path in files(folder, table(300), current))
    return compare_rows(
        reference, arrived, COLUMNS, DriftPolicy(), report=None, importance={"speed": 0.5}, reference_name="season"
    )


def test_of_free_text_the_length_is_compared(tmp_path: Path, recorded: Recorded) -> None:
    """Nearly every text is another one: their shares say nothing, and that is remarked."""
    verdict = compared(tmp_path, table(100, seed=2))
    assert [c.kind for c in recorded.columns] == ["number", "category", "number", "category"]
    lengths = recorded.sides[1].values["text"]
    assert lengths.to_list() == [float(len(text)) for text in table(100, seed=2)["text"]]
    assert [column.remark for column in verdict.columns] == [None, None, FREE_TEXT, None]
    assert recorded.how["importance"] == {"speed": 0.5}
    assert recorded.how["reference_name"] == "season"


def test_text_that_became_one_word_is_no_text_any_more(tmp_path: Path, recorded: Recorded) -> None:
    """It is compared by its categories, where it is seen that there is only one."""
    for now in ("n/a", None):
        compared(tmp_path, table(100, seed=2).with_columns(text=pl.lit(now).cast(pl.String)))
        assert recorded.columns[2].kind == "category"


def test_thirty_rows_of_a_hundred_categories_are_no_text(tmp_path: Path, recorded: Recorded) -> None:
    """Nearly every one of the few is another one by chance."""
    many = [table(rows, seed=rows).with_columns(text=pl.col("speed").rank() % 100) for rows in (300, 30)]
    reference, arrived = (
        Rows((path,), DAYS) for path in files(tmp_path, *(one.cast({"text": pl.String}) for one in many))
    )
    how: dict[str, Any] = {"report": None, "importance": {}, "reference_name": "champion"}
    compare_rows(reference, arrived, COLUMNS, DriftPolicy(), **how)
    assert recorded.columns[2].kind == "category"


def test_a_target_whose_labels_are_not_there_yet_is_left_out(tmp_path: Path, recorded: Recorded) -> None:
    """The other columns are compared; a class is a category, by its number."""
    compared(tmp_path, table(100, seed=2).with_columns(late=pl.lit(None).cast(pl.Float64)))
    assert [column.name for column in recorded.columns] == ["speed", "city", "text"]
    compared(tmp_path, table(100, seed=2))
    assert set(recorded.sides[1].values["late"]) == {"0", "1", "2"}


def test_files_of_several_schemas_are_one_window(tmp_path: Path) -> None:
    """A column is null where a file has none, or one of another type; one that no file has is null throughout."""
    times = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)]
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    pl.DataFrame({"at": times, "a": ["x", "y"], "gone": [1.0, 2.0]}).write_parquet(old)
    pl.DataFrame({"at": times, "a": [1.0, 2.0], "b": ["p", "q"]}).write_parquet(new)
    found = draw(Rows((old, new), Layout("at")), ("a", "b", "later"), 10)
    assert found.values["a"].to_list() == [None, None, 1.0, 2.0]
    assert found.values["b"].to_list() == [None, None, "p", "q"]
    assert found.values["later"].null_count() == 4
    assert found.place.tolist() == [0, 1, 2, 3]


def test_declared_text_is_compared_by_its_length_whatever_it_holds(tmp_path: Path, recorded: Recorded) -> None:
    """Also where the same few texts come again: somebody has said what the column is."""
    declared = tuple(replace(column, kind="text") if column.name == "city" else column for column in COLUMNS)
    reference, arrived = (Rows((path,), DAYS) for path in files(tmp_path, table(300, seed=1), table(100, seed=2)))
    how: dict[str, Any] = {"report": None, "importance": {}, "reference_name": "champion"}
    verdict = compare_rows(reference, arrived, declared, DriftPolicy(), **how)
    assert recorded.columns[1].kind == "number"
    assert [column.remark for column in verdict.columns][1] == FREE_TEXT


def test_of_a_partition_whose_rows_were_corrected_those_that_are_left_are_drawn(tmp_path: Path) -> None:
    """The registry knows it as large as it arrived: by that, rows were drawn from wrong places or beyond its end."""
    whole = 100_000
    at = pl.datetime_range(START, START + timedelta(minutes=3 * whole - 1), "1m", eager=True)
    all_rows = pl.DataFrame({"at": at, "number": range(3 * whole)})
    first, *others = (all_rows[place * whole : (place + 1) * whole] for place in range(3))
    corrected = first.filter(pl.col("number") % 5 < 3)
    known = tuple(Known(str(n), whole, part["at"][0], part["at"][-1]) for n, part in enumerate((first, *others)))
    rows = Rows(files(tmp_path, corrected, *others), Layout("at", DAYS.block), known=known)
    sample = draw(rows, ["number"], 5_000)
    there = pl.concat([corrected, *others])["number"]
    assert sample.rows == len(there) == 260_000
    assert sample.values["number"].to_list() == there.gather(sample.place).to_list()
    assert sample.place[-1] > 250_000
