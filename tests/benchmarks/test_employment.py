"""A real stream of census rows: codes made of digits stay text, and a wheel that is not there is said in a sentence."""

from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

from benchmarks.employment import AGE, CODES, IN_IT, MONTHS, month_of, people
from cli.drafting.guess import guess
from cli.drafting.sample import read_sample
from errors import UnreadableFile

ROWS = 240  # of each of the two years


def wheel_of(folder: Path) -> Path:
    """A wheel of two years, whose labels of the second are in a file of their own, in another order."""
    parts = {}
    for name, first, year in (("reference", 0, 2015), ("analysis", ROWS, 2016)):
        ids = range(first, first + ROWS)
        codes = {code: pl.Series([str(one % 3) for one in ids], dtype=pl.Categorical) for code in CODES}
        facts = {"id": ids, "year": [year] * ROWS, AGE: [20.0 + one % 50 for one in ids]}
        parts[name] = pl.DataFrame({**facts, **codes, "employed": [one % 2 for one in ids]})
    parts["analysis_target"] = parts["analysis"].select("id", "employed").reverse()
    parts["analysis"] = parts["analysis"].drop("employed")
    wheel = folder / "some.whl"
    with ZipFile(wheel, "w") as files:
        for name, rows in parts.items():
            rows.write_parquet(folder / name)
            files.write(folder / name, IN_IT.format(name))
    return wheel


def test_codes_of_digits_stay_text_and_a_month_has_its_part_of_the_year(tmp_path: Path) -> None:
    """Each label is beside its own row, the years are spread over their months, and a draft takes codes for such."""
    rows = people(wheel_of(tmp_path))
    assert rows["at"].is_sorted()
    assert rows.select((pl.col("id").cast(pl.Int64) % 2 == pl.col("label")).all()).item()
    months = [month_of(rows, number) for number in range(1, MONTHS + 1)]
    assert [one.height for one in months[:12]] == pytest.approx([ROWS / 12] * 12, abs=1)
    assert sum(one.height for one in months) == rows.height
    rows.write_parquet(tmp_path / "rows.parquet")
    schema = guess(read_sample(tmp_path / "rows.parquet"), time="at", target="label", key=("id",)).schema
    assert (schema.numeric, schema.categorical) == ((AGE,), CODES)


def test_a_wheel_that_is_not_there_is_said_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    """Nothing is downloaded by whoever only wanted to read."""
    with pytest.raises(UnreadableFile, match="make bench-data"):
        people(tmp_path / "nannyml.whl")
