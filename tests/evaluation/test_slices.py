"""Slices: what is judged by itself is named in words, bounded, and fair to a challenger that harms nobody."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from evaluation.comparison import CANNOT_TELL, Losses
from evaluation.gate import NEWEST, PROVING, Paired, Verdict, judge
from evaluation.multiplicity import compare_all
from evaluation.slices import MOST, of_numbers, ranges, slices
from learning.objectives import Regression
from learning.spec import Gate

ROWS = 4000
GATE = Gate(min_rows=50)
DRAW = np.random.default_rng(3)
COLUMNS = {
    "origin": DRAW.choice(["JFK", "LGA", "EWR"], ROWS),
    "delay": DRAW.exponential(20, ROWS).round(1),
    "wind": DRAW.normal(10, 3, ROWS),
}


def judged(rise: np.ndarray, gate: Gate = GATE, **columns: dict[str, np.ndarray]) -> Verdict:
    """A challenger that gains much on the whole, and whose squared errors are higher by so much in some rows."""
    noise = np.abs(np.random.default_rng(0).normal(1, 0.2, ROWS))
    before, after = noise * 2, noise * 1.5 + rise
    block = np.datetime64("2013-03-01", "us") + np.arange(ROWS) % 40 * np.timedelta64(1, "D")
    where = Paired(np.zeros(ROWS), before[:, None], after[:, None], np.full(ROWS, PROVING), {}, block=block)
    return judge(replace(where, **columns), Regression(), gate)  # type: ignore[arg-type]


def test_numbers_are_cut_into_quarters_that_have_words() -> None:
    """By the quartiles of the rows; the ends are open, so that no name has a single row's value."""
    values = np.arange(101.0)
    values[7] = np.nan
    found = [(name, int(rows.sum())) for name, rows in slices({"delay": values}, np.ones(101, bool))]
    names = "up to 25.75", "25.75 to 50.5", "50.5 to 75.25", "above 75.25", "missing"
    assert [name for name, _ in found] == [f"delay {name}" for name in names]
    assert [rows for _, rows in found] == [25, 25, 25, 25, 1]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1, 1, 1, 1, 1, 1], [" up to 0", " above 0"]),
        ([3, 3], [" always the same"]),
        ([0, 0, 0, 0, 0, 0, 9, 8, 7, 6], [" up to 0", " 0 to 6.75", " above 6.75"]),
        ([*range(5), *[9] * 30], [" up to 4", " above 4"]),
        ([np.nan, np.nan], [" missing"]),
        ([1 + n / 1e9 for n in range(9)], [" up to 1", " above 1"]),
    ],
)
def test_any_numbers_can_be_cut(values: list[float], names: list[str]) -> None:
    """Few values, one value, mostly zeros, mostly the largest, none, and such as are written alike: no name twice."""
    found = list(of_numbers(np.array(values, float), np.ones(len(values), bool)))
    assert [name for name, _ in found] == names
    assert sum(int(rows.sum()) for _, rows in found) == len(values)


def test_integers_are_cut_too_and_no_rows_give_no_ranges() -> None:
    """A count is a number."""
    assert [name for name, _ in of_numbers(np.arange(8), np.ones(8, bool))] == [
        " up to 1.75", " 1.75 to 3.5", " 3.5 to 5.25", " above 5.25"]  # fmt: skip
    assert list(ranges(np.empty(0))) == []


def test_a_column_of_twenty_thousand_values_is_bounded() -> None:
    """The most frequent are judged, the others together; it takes no time, and the name says how many they are."""
    rows = 60_000
    values = np.random.default_rng(0).zipf(1.3, rows).clip(max=20_000).astype(str)
    begin = process_time()
    found = dict(slices({"city": values}, np.ones(rows, bool)))
    assert process_time() - begin < 2
    others = len(set(values.tolist())) - MOST
    assert others > 1_000
    assert len(found) == MOST + 1
    assert f"city: {others:,} other values" in found
    assert "city=1" in found
    assert sum(int(marks.sum()) for marks in found.values()) == rows


def test_harm_to_a_quarter_of_a_number_is_a_veto() -> None:
    """A declared number is guarded as a category is."""
    verdict = judged(np.where(COLUMNS["delay"] > 30, 1.0, 0.0), slices={"delay": COLUMNS["delay"]})
    assert verdict.blocked
    assert "harmed on delay above 2" in verdict.reason


def families(harmed: int, of: int, by: float) -> list[Losses]:
    """Slices of 100 rows, of which some are worse by so many standard errors."""
    draw = np.random.default_rng(1)
    found = []
    for place in range(of):
        noise = draw.normal(0, 1, 100)
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        rise = 0.06 + (noise + by) / 10 if place < harmed else noise / 10
        rows = np.ones(100, bool)
        found.append(Losses("all", f"x={place}", rows, np.ones(100), 1 + rise, {}, 100, 1.0))
    return found


def test_more_of_the_harmed_are_named_and_a_veto_is_as_rare_as_before() -> None:
    """Holm's steps begin with Bonferroni's: what vetoes is the same, and one that is left needs less to be shown."""
    words = [c.figure.verdict for c in compare_all(families(20, 20, 0.32), "loss", GATE)]
    assert set(words) == {"harmed"}
    # Of twenty, a slice 2.5 standard errors above the margin is not shown harmed (2.9 are asked for); of one, it is.
    mixed = [*families(19, 20, 0.5)[:19], families(1, 1, 0.25)[0]]
    assert [c.figure.verdict for c in compare_all(mixed, "loss", GATE)] == ["harmed"] * 20
    calm = [*families(0, 19, 0.0), families(1, 1, 0.25)[0]]
    assert [c.figure.verdict for c in compare_all(calm, "loss", GATE)] == ["kept"] * 20


def test_few_rows_are_no_member_of_a_family() -> None:
    """What cannot be told costs the others nothing."""
    alone, few = families(1, 1, 0.25)[0], families(0, 1, 0)[0]
    few = replace(few, rows=few.rows[:9], before=few.before[:9], after=few.after[:9], events=9)
    words = [c.figure.verdict for c in compare_all([alone, *[few] * 30], "loss", GATE)]
    assert words == ["harmed", *[CANNOT_TELL] * 30]


def test_where_a_challenger_does_worst_is_found_and_said() -> None:
    """Nobody named the columns; what is told was measured on days that were not searched, and vetoes nothing."""
    bad = (COLUMNS["origin"] == "JFK") & (COLUMNS["delay"] > 25)
    verdict = judged(np.where(bad, 2.5, 0.0), searched=COLUMNS)
    assert verdict.passed
    found = [m for m in verdict.metrics if m.dataset == "found"]
    assert found[0].verdict == "suspect"
    assert "origin=JFK" in found[0].slice
    assert "delay above 2" in found[0].slice
    assert found[0].rows == pytest.approx(bad.sum() / 2, rel=0.25)
    assert found[0].delta > 0.5
    assert f"; suspect, though no veto: {found[0].slice} (+" in verdict.reason


def test_what_is_bad_everywhere_alike_has_no_suspect() -> None:
    """Of equal challengers hardly one in twenty is told to have one, however many columns are searched."""
    suspects = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        columns = {f"c{n}": draw.normal(0, 1, 800) for n in range(8)} | {"d": draw.choice(list("abcdef"), 800)}
        before, after = np.abs(draw.normal(1, 1, (2, 800, 1)))
        where = Paired(np.zeros(800), before, after, np.full(800, NEWEST), {}, searched=columns)
        suspects += any(m.verdict == "suspect" for m in judge(where, Regression(), Gate(max_forgetting=0)).metrics)
    assert suspects <= 5


def test_searching_takes_no_time() -> None:
    """A retrain hardly notices: 30,000 rows of 14 columns, in less than half a second of one core."""
    draw = np.random.default_rng(0)
    columns = {f"c{n}": draw.normal(0, 1, 30_000) for n in range(10)}
    columns |= {f"w{n}": draw.integers(0, 100, 30_000).astype(str).astype(object) for n in range(4)}
    from evaluation.found_slices import found_slices

    begin = process_time()
    list(found_slices(columns, draw.normal(0, 1, 30_000), np.arange(30_000) % 2, 50))
    assert process_time() - begin < 0.5
