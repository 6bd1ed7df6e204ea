"""The demos' descriptions, and the images of the second one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from demo.demos import DEMOS, DIGITS, Demo
from demo.digits import MONTHS_PER_ERA, digits_month
from learning.catalog import load_spec
from monitoring.drift import Compared
from monitoring.faults import arrived, faults
from monitoring.usual import known_columns

MODELS = Path(__file__).parent.parent.parent / "models"


@pytest.mark.slow
@pytest.mark.parametrize("shown", DEMOS.values(), ids=DEMOS)
def test_what_lands_is_what_the_model_reads(shown: Demo, tmp_path: Path) -> None:
    """The files lie where the model's source looks for them, and have every column of its schema."""
    spec = load_spec(shown.model, [MODELS])
    [file] = shown.write(tmp_path, shown.history[:1])
    assert file.parent == tmp_path / spec.source.path
    rows = pl.read_csv(file) if file.suffix == ".csv" else pl.read_parquet(file)
    assert set(spec.schema.columns) <= set(rows.columns)


@pytest.mark.parametrize("shown", DEMOS.values(), ids=DEMOS)
def test_history_comes_first_and_more_arrives(shown: Demo) -> None:
    """Version 1 learns from the first arrivals, and there are enough for one demo after them."""
    assert shown.numbers[: len(shown.history)] == shown.history
    assert len(shown.history) + shown.at_once <= len(shown.numbers)


def test_what_has_landed_is_counted_by_its_files(tmp_path: Path) -> None:
    """A stopped demo goes on where it was; files of the user's own in that folder are not counted."""
    assert DIGITS.landed(tmp_path) == 0
    DIGITS.write(tmp_path, [1, 2])
    (tmp_path / "digits/notes.txt").write_text("mine")
    assert DIGITS.landed(tmp_path) == 2


def test_the_look_changes_every_third_month_and_the_same_month_is_the_same() -> None:
    """Months of one look are alike; in the last ones white and black are swapped; drawings and labels repeat."""
    ink = [float(digits_month(month, rows=200)["ink"].to_numpy().mean()) for month in DIGITS.numbers]
    eras = np.array(ink).reshape(-1, MONTHS_PER_ERA)
    assert np.ptp(eras, axis=1).max() < 0.05
    assert eras[3].min() > 2 * eras[:3].max()
    assert digits_month(5, rows=50).equals(digits_month(5, rows=50))


def test_a_look_that_is_as_far_off_as_a_fault_stops_no_retrain() -> None:
    """White on black lies beyond all that was, as values in another unit do; here it is the world that is like that."""
    ink = [digits_month(month, rows=200).select("ink") for month in DIGITS.numbers]
    known, white, column = pl.concat(ink[:9]), ink[9], Compared("ink", "number", "input")
    usual = known_columns([column], known, np.zeros(len(known), dtype=np.int64))
    assert faults(usual, arrived([column], white), lambda _: True)
    assert not load_spec("digits", [MODELS]).drift.stop_when_broken
