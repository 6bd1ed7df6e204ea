"""Drift: what chance explains stays quiet, what it does not is told, and what is broken is told by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
from sides import compare, compared, side

from errors import NotEnoughData
from learning.spec import DriftPolicy
from monitoring.counted import counted
from monitoring.distances import observed
from monitoring.drift import Compared, DriftVerdict, Side, compare_sides
from monitoring.faults import arrived, faults
from monitoring.usual import known_columns

REFERENCE, CURRENT = 3_000, 700


def rows(count: int, seed: int, shift: float = 0.0, cities: tuple[str, ...] = ("A", "B", "C")) -> pl.DataFrame:
    """Rows with two numbers, a category and a label."""
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "speed": draw.normal(50 + 10 * shift, 10, count),
            "load": draw.normal(shift, 2.0, count),
            "city": draw.choice(cities, count),
            "y": draw.integers(0, 2, count).astype(float),
        }
    )


def drifted(verdict: DriftVerdict) -> set[tuple[str, str]]:
    """Columns and measures that drifted."""
    return {(one.column, one.method) for one in verdict.columns if one.drifted}


def broken(verdict: DriftVerdict) -> set[str]:
    """Columns that are broken."""
    return {one.column for one in verdict.columns if one.broken}


@pytest.mark.slow
@pytest.mark.parametrize("count", [30, 700])
def test_undrifted_rows_are_no_drift(count: int) -> None:
    """Two draws of one distribution are called undrifted, however small the arrival."""
    verdict = compare(rows(REFERENCE, 1), rows(count, 11))
    assert not verdict.drifted
    assert not verdict.broken
    assert drifted(verdict) == set()


@pytest.mark.parametrize("count", [100, 700])
def test_shifted_rows_are_drift(count: int) -> None:
    """Numbers a standard deviation away and unknown categories are called drift, column by column, with its role."""
    verdict = compare(rows(REFERENCE, 1), rows(count, 7, shift=1.5, cities=("A", "B", "X")))
    assert verdict.drifted
    assert {column for column, _ in drifted(verdict)} == {"speed", "load", "city"}
    assert "3 of 4 columns drifted" in verdict.reason
    assert "input 'speed': wasserstein" in verdict.reason


def test_days_that_differ_by_their_weather_are_no_drift() -> None:
    """Rows of one day share its weather: another day is no news, whatever a thousand rows of it say."""
    draw = np.random.default_rng(3)
    alarms = 0
    for _ in range(20):
        days = np.repeat(draw.normal(size=61), 50)
        weather = pl.DataFrame({"temp": days + draw.normal(0, 0.1, len(days))})
        alarms += bool(drifted(compare(weather[:3000], weather[3000:], blocks=(60, 1))))
    assert alarms <= 4


def test_a_share_of_columns_makes_a_drift() -> None:
    """One drifted column of four is a drift only for a policy that says so."""
    reference, current = rows(REFERENCE, 1), rows(CURRENT, 7).with_columns(pl.col("speed") + 20)
    assert not compare(reference, current, policy=DriftPolicy(share=0.5)).drifted
    assert compare(reference, current, policy=DriftPolicy(share=0.25)).drifted


def test_what_the_champion_does_not_use_says_little() -> None:
    """Where importances are known, the share is theirs."""
    reference, current = rows(REFERENCE, 1), rows(CURRENT, 7).with_columns(pl.col("speed") + 20)
    unused = compare(reference, current, importance={"speed": 0.0, "load": 0.2, "city": 0.1})
    used = compare(reference, current, importance={"speed": 0.3, "load": 0.2, "city": 0.1})
    assert (unused.drifted, used.drifted) == (False, True)
    assert used.share == pytest.approx(0.5)
    assert next(one.importance for one in used.columns if one.column == "speed") == 0.3


def test_a_target_that_drifts_is_a_drift_by_itself() -> None:
    """Labels that are flipped show where one is the rarer."""
    draw = np.random.default_rng(4)
    reference, current = (
        rows(count, seed).with_columns(y=pl.Series((draw.random(count) < 0.2).astype(float)))
        for count, seed in ((REFERENCE, 1), (CURRENT, 7))
    )
    verdict = compare(reference, current.with_columns((1 - pl.col("y")).alias("y")))
    assert verdict.drifted
    assert "drift of the target" in verdict.reason


def holes(share: float) -> pl.Expr:
    """Speeds, of which a share is missing."""
    return pl.when(pl.int_range(pl.len()) % 100 >= 100 * share).then(pl.col("speed")).alias("speed")


def test_missing_values_are_drift() -> None:
    """5 % of nulls where there were none drift, and break nothing; as many as there ever were are neither."""
    reference, current = rows(REFERENCE, 1), rows(CURRENT, 7)
    verdict = compare(reference, current.with_columns(holes(0.05)))
    assert drifted(verdict) == {("speed", "missing share")}
    assert not verdict.broken
    assert drifted(compare(reference.with_columns(holes(0.05)), current.with_columns(holes(0.05)))) == set()


def test_unseen_categories_are_drift() -> None:
    """A category that was never there is told, though it is too rare to move the distance."""
    new = pl.when(pl.int_range(pl.len()) % 20 > 0).then(pl.col("city")).otherwise(pl.lit("new")).alias("city")
    verdict = compare(rows(REFERENCE, 1), rows(CURRENT, 7).with_columns(new))
    assert ("city", "unseen share") in drifted(verdict)
    assert not verdict.broken


BREAKS = {
    "off by a thousand deviations": pl.col("speed") + 10_000,
    "a tenth of it off": pl.when(pl.int_range(pl.len()) % 10 > 0).then("speed").otherwise(pl.col("speed") * 1e6),
    "another unit": pl.col("speed") * 1_000,
    "another unit, smaller": pl.col("speed") / 1_000,
    "constant": pl.lit(50.0),
    "four tenths missing": holes(0.4),
    "all missing": pl.lit(None, dtype=pl.Float64),
    "infinite": pl.lit(float("inf")),
    "absurd": pl.lit(1e300),
}


def broken_as_a_whole(reference: Side, current: Side, columns: Sequence[Compared]) -> set[str]:
    """The columns that are broken in all that arrived."""
    known = known_columns(columns, reference.values, reference.block)
    return set(faults(known, arrived(columns, current.values), lambda _: True))


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("blocks", [(60, 7), (1, 1)])
def test_what_people_call_broken_is(name: str, blocks: tuple[int, int]) -> None:
    """With one time block as with many, a sentence says what is wrong."""
    current = rows(CURRENT, 7).with_columns(BREAKS[name].alias("speed"))
    one, other = side(rows(REFERENCE, 1), blocks[0]), side(current, blocks[1])
    assert broken_as_a_whole(one, other, compared(current)) == {"speed"}


@pytest.mark.parametrize("name", ["another unit", "all missing", "absurd"])
def test_one_broken_column_is_enough(name: str) -> None:
    """Whatever its share of the columns."""
    verdict = compare(rows(REFERENCE, 1), rows(CURRENT, 7).with_columns(BREAKS[name].alias("speed")))
    assert verdict.broken
    assert broken(verdict) == {"speed"}
    assert verdict.attention[0].startswith("input 'speed' is broken: ")
    assert verdict.reason.startswith(verdict.attention[0])


@pytest.mark.parametrize("role", ["prediction", "feature"])
def test_of_what_the_champion_makes_only_silence_is_broken(role: Literal["prediction", "feature"]) -> None:
    """What rotated images do to features is what a retrain is for, and so is a model that says the same of all."""
    one, other = side(rows(REFERENCE, 1), 60), side(rows(CURRENT, 7), 7)
    constant, missing = (pl.lit(50.0), role == "feature"), (pl.lit(None, pl.Float64), True)
    for change, is_broken in ((pl.col("speed") + 10_000, False), constant, missing):
        changed = replace(other, values=other.values.with_columns(change.alias("speed")))
        found = broken_as_a_whole(one, changed, [Compared("speed", "number", role)])
        assert found == ({"speed"} if is_broken else set())


def test_what_is_so_by_the_calendar_is_no_fault() -> None:
    """An hour has one hour, though a week has more; each month was new once; a counter lies outside of all."""
    days, week = np.repeat(np.arange(60), 240), np.repeat(60 + np.arange(7), 240)
    known = pl.DataFrame({"hour": np.arange(len(days)) % 240 // 10, "count": np.arange(len(days)), "y": 0.5})
    known = known.cast(pl.Float64).with_columns(month=pl.Series(days // 30).cast(pl.String))
    new = pl.DataFrame({"hour": np.full(len(week), 7.0), "count": 1e5 + np.arange(len(week)), "y": 0.5})
    new = new.with_columns(month=pl.lit("2"))
    begin = side(known, days)
    assert broken(compare_sides(begin, side(new.head(40), week[:40]), compared(known), DriftPolicy())) == set()
    assert broken(compare_sides(begin, side(new, week), compared(known), DriftPolicy())) == {"hour"}


def test_categories_that_are_written_otherwise_are_broken() -> None:
    """Half of them never seen before is no world that moved."""
    verdict = compare(rows(REFERENCE, 1), rows(CURRENT, 7).with_columns(pl.col("city").str.to_lowercase()))
    assert broken(verdict) == {"city"}


def test_a_dry_week_is_no_fault() -> None:
    """What is constant now and then may be so again; labels that are not there yet come later."""
    draw = np.random.default_rng(6)
    rain = pl.Series(np.where(np.arange(REFERENCE) // 50 % 3 == 0, draw.exponential(size=REFERENCE), 0.0))
    reference = rows(REFERENCE, 1).with_columns(load=rain)
    current = rows(CURRENT, 7).with_columns(load=pl.lit(0.0), y=pl.lit(None, dtype=pl.Float64))
    verdict = compare(reference, current)
    assert not verdict.broken
    assert [one.column for one in verdict.columns] == ["speed", "load", "city"]


def test_columns_that_only_grow_are_told_and_not_judged() -> None:
    """Counters, dates and identifiers are never as they were."""
    everything = pl.DataFrame(
        {
            "speed": np.random.default_rng(8).normal(size=3_700),
            "ticket": np.arange(3_700.0),
            "name": [f"N{number}" for number in range(3_700)],
        }
    )
    verdict = compare(everything[:3000], everything[3000:])
    assert drifted(verdict) == set()
    assert not verdict.broken
    remarks = {one.column: one.remark for one in verdict.columns}
    assert "only ever grows" in str(remarks["ticket"])
    assert "identifier" in str(remarks["name"])
    assert remarks["speed"] is None


def test_too_few_blocks_cannot_tell(tmp_path: Path) -> None:
    """One block a side shows nothing of what chance does: that is said, and the report is written all the same."""
    verdict = compare(rows(300, 1), rows(100, 7, shift=1.0), blocks=(1, 1), report=tmp_path / "drift.html")
    assert not verdict.drifted
    assert verdict.reason.startswith("cannot tell drift, because the reference has 1 time block and what arrived 1")
    assert (tmp_path / "drift.html").stat().st_size > 0


def test_one_patient_with_many_rows_is_one_observation() -> None:
    """Rows of an entity belong together as those of a day do."""
    draw = np.random.default_rng(9)
    patients = np.sort(np.concatenate([draw.integers(0, 60, REFERENCE), 60 + draw.integers(0, 2, CURRENT)]))
    level = draw.normal(size=62)
    values = pl.DataFrame({"pulse": level[patients] + draw.normal(0, 0.1, len(patients))})
    one, other = side(values[:REFERENCE], 60), side(values[REFERENCE:], 7, 60)
    mixed = draw.permutation(REFERENCE)  # every day sees all patients, so that days are alike
    one = type(one)(values[:REFERENCE][mixed], one.block, None, one.time_from, one.time_to, one.rows)
    by_day = compare_sides(one, other, compared(values), DriftPolicy())
    grouped = [
        type(half)(half.values, half.block, who.astype("uint64"), half.time_from, half.time_to, half.rows)
        for half, who in ((one, patients[:REFERENCE][mixed]), (other, patients[REFERENCE:]))
    ]
    by_patient = compare_sides(grouped[0], grouped[1], compared(values), DriftPolicy())
    assert by_patient.columns[0].threshold > 2 * by_day.columns[0].threshold


def test_too_few_rows_are_refused() -> None:
    """A handful of rows gives an error that says how many are needed."""
    with pytest.raises(NotEnoughData, match=r"current window of 5 rows.* needs 30"):
        compare(rows(1000, 1), rows(5, 2))


def test_sides_without_a_value_are_refused() -> None:
    """With no column to compare there is no verdict."""
    empty = pl.DataFrame({"speed": pl.Series([None] * 100, dtype=pl.Float64)})
    with pytest.raises(NotEnoughData, match="without a column"):
        compare(empty, empty)


def test_binned_distances_are_those_that_evidently_measures() -> None:
    """Or thresholds would be of something else."""
    from scipy.stats import wasserstein_distance

    draw = np.random.default_rng(10)
    one, other = draw.lognormal(0, 2, 3_000), draw.lognormal(0.3, 2, 700)
    expected = wasserstein_distance(one, other) / one.std()
    found = observed(counted(pl.Series(one), pl.Series(other), "number"), 3_000)["wasserstein"]
    assert found == pytest.approx(expected, rel=0.02)
    verdict = compare(pl.DataFrame({"x": one}), pl.DataFrame({"x": other}))
    assert verdict.columns[0].score == pytest.approx(expected)


@pytest.mark.parametrize("name", ["self", "figure", "value", "exprs", "rows"])
def test_a_column_may_be_called_anything(name: str) -> None:
    """Names of columns are no names of arguments."""
    reference, current = (
        side(rows(count, seed).rename({"speed": name}), 7) for count, seed in ((REFERENCE, 1), (CURRENT, 2))
    )
    columns = [Compared(name, "number", "input"), Compared("city", "category", "input")]
    verdict = compare_sides(reference, current, columns, DriftPolicy())
    assert name in {column.column for column in verdict.columns}
