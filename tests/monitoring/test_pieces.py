"""Pieces: a fault in one day of seven, or in one file of many, is found and named, and ordinary days are no fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sides import BEGIN, compared, side

from monitoring.drift import Side, growing_and_faults
from monitoring.pieces import Cut, day_names, faults_of

DAYS, ARRIVED, A_DAY = 60, 7, 100


def rows(days: int, seed: int) -> pl.DataFrame:
    """A temperature with a weather of each day, and a carrier."""
    draw = np.random.default_rng(seed)
    weather = np.repeat(draw.normal(0, 10, days), A_DAY)
    return pl.DataFrame(
        {"temp": 50 + weather + draw.normal(0, 5, days * A_DAY), "carrier": draw.choice(["AA", "DL"], days * A_DAY)}
    )


def by_day(values: pl.DataFrame, first: int = 0) -> Side:
    """Rows by day, whose days are named."""
    one = side(values, len(values) // A_DAY, first)
    starts = pl.Series([BEGIN], dtype=pl.Datetime).dt.offset_by("1d")
    names = day_names(pl.select(starts + pl.duration(days=pl.int_range(DAYS + ARRIVED))).to_series())
    return replace(one, cuts=(Cut(one.block, names),))


def by_file(values: pl.DataFrame, files: int) -> Side:
    """Rows of days that each came in so many files, one of each source."""
    one = by_day(values)
    day, source = one.block, np.arange(len(values)) % files
    return replace(one, cuts=(*one.cuts, Cut(day * files + source, [f"in partition p{n}" for n in range(9_999)])))


def faults(reference: Side, current: Side) -> dict[str, str]:
    """What is broken."""
    return faults_of(reference, current, dict.fromkeys(compared(reference.values)))


def changed(values: pl.DataFrame, change: pl.Expr, where: pl.Expr) -> pl.DataFrame:
    """Temperatures changed in some rows."""
    return values.with_columns(temp=pl.when(where).then(change).otherwise("temp"))


THIRD = pl.int_range(pl.len()) // A_DAY == 2
CHANGES = {
    "it has no value": pl.lit(None, dtype=pl.Float64),
    "all of its 100 values are the same": pl.lit(51.5),
    "outside of them": pl.col("temp") * 1_000,
    "infinite": pl.lit(float("inf")),
}


@pytest.mark.parametrize("said", CHANGES)
def test_one_broken_day_of_seven_is_named(said: str) -> None:
    """Though in all seven together nothing is far off, or not so far that one would know where to look."""
    broken = changed(rows(ARRIVED, 2), CHANGES[said], THIRD)
    found = faults(by_day(rows(DAYS, 1)), by_day(broken))
    assert list(found) == ["temp"]
    assert said in found["temp"]
    assert "on 2024-01-04" in found["temp"]


def test_days_that_differ_by_their_weather_are_no_fault() -> None:
    """Nor are two days of which one is short, nor categories that one day lacks."""
    for seed in range(10):
        assert faults(by_day(rows(DAYS, seed)), by_day(rows(ARRIVED, 100 + seed))) == {}


def test_all_columns_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at ten numbers asks as often as one at a single number: a check of every retrain looks at each column."""
    asked = list[pl.DataFrame]()
    original = pl.DataFrame.group_by
    monkeypatch.setattr(pl.DataFrame, "group_by", lambda self, by: asked.append(self) or original(self, by))
    counts = []
    for many in (1, 10):
        known, arrived = (
            rows(days, seed).select(pl.col("temp").alias(f"temp {n}") for n in range(many))
            for days, seed in ((DAYS, 1), (ARRIVED, 2))
        )
        growing, broken = growing_and_faults(by_day(known), by_day(arrived), compared(known))
        assert (set(growing.values()), broken) == ({None}, {})
        counts.append(len(asked))
    assert counts[1] == 2 * counts[0] <= 8


def test_one_broken_file_of_many_is_named() -> None:
    """Where each day has one of each source: a tenth of a day is lost in the day."""
    broken = changed(rows(ARRIVED * 4, 2), CHANGES["it has no value"], THIRD & (pl.int_range(pl.len()) % 3 == 0))
    found = faults(by_file(rows(DAYS * 4, 1), 3), by_file(broken, 3))
    assert found["temp"].startswith("on 2024-01-04, in partition p6, ")


def test_a_file_is_compared_with_files_only() -> None:
    """A source that never has a value is no fault; where all came in one file before, nobody knows."""
    never = pl.int_range(pl.len()) % 5 == 4
    holes = [changed(rows(days, days), CHANGES["it has no value"], never) for days in (DAYS * 4, ARRIVED * 4)]
    assert faults(by_file(holes[0], 5), by_file(holes[1], 5)) == {}
    one = by_file(holes[0], 5)
    together = replace(one, cuts=(one.cuts[0], Cut(np.zeros_like(one.block), ["in partition p0"])))
    assert faults(together, by_file(holes[1], 5)) == {}


def test_a_clear_day_after_four_others_is_no_fault() -> None:
    """Nor one that lies outside of these: nobody knows yet how far days may differ. One without a value is a fault."""
    known, arrived = rows(4, 1), rows(3, 2)
    for change in (pl.lit(51.5), pl.col("temp") + 100):
        assert faults(by_day(known), by_day(changed(arrived, change, THIRD))) == {}
    assert "on 2024-01-04" in faults(by_day(known), by_day(changed(arrived, CHANGES["it has no value"], THIRD)))["temp"]


def test_the_first_hours_of_a_day_are_no_day() -> None:
    """A tenth of a day's rows may all be alike, as a morning is."""
    values = rows(ARRIVED, 2)
    morning = changed(values, pl.lit(51.5), THIRD).filter(~THIRD | (pl.int_range(pl.len()) % 10 == 0))
    whole = by_day(values)
    kept = whole.block[(whole.block != 2) | (np.arange(len(values)) % 10 == 0)]
    part = replace(whole, values=morning, block=kept, rows=len(kept), cuts=(Cut(kept, whole.cuts[0].names),))
    assert faults(by_day(rows(DAYS, 1)), part) == {}


def test_of_a_fault_in_all_that_arrived_the_days_are_named_if_they_are_few() -> None:
    """Half of the rows of a week without a value: which days they are of is worth knowing."""
    three = changed(rows(ARRIVED, 2), CHANGES["it has no value"], pl.int_range(pl.len()) // A_DAY < 3)
    found = faults(by_day(rows(DAYS, 1)), by_day(three))["temp"]
    assert found.startswith("43% of its values are missing")
    assert found.endswith("(on 2024-01-02, on 2024-01-03, on 2024-01-04)")


def test_hours_are_named_by_their_time() -> None:
    """A block of less than a day has more than a date."""
    hours = pl.Series([BEGIN, BEGIN.replace(hour=5)])
    assert day_names(hours) == ("on 2024-01-01 at 00:00", "on 2024-01-01 at 05:00")
