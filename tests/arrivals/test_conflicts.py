"""Another row of a key that was taken: a duplicate, a label, a conflict, or a correction that takes its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from arriving import Port, line
from hypothesis import given, settings

from arrivals.conflicts import OUTCOME, both_rows, judge
from arrivals.contents import FEATURES, LABEL, described, label_of, meaning
from arrivals.keys import HIGH, LOW, ROW, SEQUENCE
from learning.spec import Schema

LABELS = "id,at,late"
FIXED = (13251893571680211743, 0x400A000000000000)


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A landing folder with another one for labels."""
    return Port(tmp_path).with_source(labels="labels")


def label(number: int, late: str) -> str:
    """A label for the row of `line(number)`."""
    return f"{number},2024-01-01T00:00:{number % 60:02}Z,{late}"


def counts(port: Port) -> list[tuple[int, int, int, int]]:
    """Rows taken, duplicates, conflicts and waiting of each landed file, all of whose counts add up."""
    landed = port.landed()
    assert all(f.rows == f.taken + f.duplicates + f.conflicts + f.refused + f.waiting for f in landed)
    return [(file.taken, file.duplicates, file.conflicts, file.waiting) for file in landed]


def kept(port: Port) -> pl.DataFrame:
    """All conflicts that were kept."""
    found = [refusal for refusal in port.registry.refusals("small") if refusal.kind == "conflict"]
    return pl.concat([pl.read_parquet(port.home / "artifacts" / str(refusal.uri)) for refusal in found])


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (line(1), line(1), "duplicate"),
        (line(1), line(1, late=""), "duplicate"),
        (line(1, late=""), line(1, late=""), "duplicate"),
        (line(1, late=""), line(1, late="1"), "label"),
        (line(1, late="0"), line(1, late="1"), "conflict"),
        (line(1), line(1, speed="11"), "conflict"),
        (line(1), line(1, speed="11", late=""), "conflict"),
        (line(1, late=""), line(1, speed="11"), "conflict"),
        (line(1, speed=""), line(1, speed="0"), "conflict"),
        (line(1), line(1, city="Rome"), "conflict"),
        (line(1, speed="0"), line(1, speed="-0.0"), "duplicate"),
    ],
)
def test_what_a_second_row_of_a_key_is(port: Port, first: str, second: str, expected: str, *, together: bool) -> None:
    """The same row is a duplicate, its label is taken, another row is a conflict: in one file and in two."""
    files = [(first, second)] if together else [(first,), (second,)]
    for name, rows in zip("ab", files, strict=False):
        port.land(f"{name}.csv", *rows)
    arrived = port.ingest()
    labels = expected == "label"
    assert (arrived.conflicts, arrived.duplicates) == (
        expected == "conflict",
        expected == "duplicate" or labels * together,
    )
    assert [p.kind for p in arrived.partitions] == ["rows", *["labels"] * (labels and not together)]
    assert port.every_row()["late"].drop_nulls().len() == (
        ("1" in (first[-1], second[-1])) if labels else first[-1] in "01"
    )
    counts(port)


def test_both_rows_of_a_conflict_are_kept(port: Port) -> None:
    """As it arrived and as it was taken, and which columns differ; the reason holds no value."""
    port.land("a.csv", line(1, speed="71"), line(2, city="Rome"))
    port.ingest()
    port.land("b.csv", line(1, speed="72"), line(2, speed="73", city="Oslo"), line(2, city="Rome"), line(3))
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts, arrived.partitions[0].rows) == (1, 2, 1)
    assert "1 taken, 1 duplicates, 2 conflicts" in arrived.summary
    [refusal] = port.registry.refusals("small")
    assert (refusal.kind, refusal.rows) == ("conflict", 2)
    assert refusal.reason == "taken before with other values of speed (2 rows), city (1 rows)"
    found = kept(port).select("id", "speed", "city", "this is the row", "differs in").rows()
    assert sorted(found) == [
        ("1", 71.0, "Oslo", "as it was taken", None),
        ("1", 72.0, "Oslo", "as it arrived", "speed"),
        ("2", 10.0, "Rome", "as it was taken", None),
        ("2", 73.0, "Oslo", "as it arrived", "speed, city"),
    ]


def test_labels_that_contradict_are_kept_beside_the_row(port: Port) -> None:
    """Also two labels of one file, for a row that is there, and for one that is not."""
    port.land("a.csv", line(1, late="0"), line(2, late=""))
    port.land(
        "../labels/l.csv", label(1, "1"), label(2, "0"), label(2, "1"), label(3, "0"), label(3, "1"), header=LABELS
    )
    arrived = port.ingest()
    assert counts(port)[-1] == (1, 0, 3, 1)
    assert "late (3 rows)" in port.registry.refusals("small")[0].reason
    assert arrived.attention == []


def test_what_comes_again_is_no_conflict(port: Port) -> None:
    """A file that grew, a copy in another format with fewer digits, and a file of labels that is read again."""
    port.land("a.csv", line(1, speed="0.1", late=""), line(2, speed=""))
    port.land("../labels/l.csv", label(1, "1"), label(5, "1"), header=LABELS)
    port.ingest()
    port.land("a.csv", line(1, speed="0.1", late=""), line(2, speed=""), line(3))
    frame = pl.read_csv(
        port.folder / "a.csv", schema_overrides={"id": pl.String, "speed": pl.Float32}, try_parse_dates=True
    )
    frame.write_parquet(port.folder / "copy.parquet")
    frame.with_columns(late=1).write_ndjson(port.folder / "labelled.jsonl")
    arrived = port.ingest()
    assert arrived.conflicts == 0
    assert arrived.duplicates == 2 + 3 + 3 - 0 + 1
    port.land("b.csv", line(5, late=""))
    assert port.ingest().conflicts == 0


def test_a_copy_of_a_file_with_conflicts_has_them_too(port: Port) -> None:
    """It holds rows that were not taken, so it is no mere repetition."""
    port.land("a.csv", line(1), line(2))
    port.ingest()
    for name in ("b.csv", "c.csv"):
        port.land(name, line(1), line(2, speed="3"))
    arrived = port.ingest()
    assert (arrived.duplicates, arrived.conflicts) == (2, 2)


def test_a_key_that_numbers_rows_anew_is_told(port: Port) -> None:
    """A file of conflicts only asks for attention, and says which key; conflicts are no bad rows."""
    strict = port.with_source(max_bad_share=0.0)
    strict.land("a.csv", *(line(n, speed="1") for n in range(50)))
    strict.land("b.csv", *(line(n, speed="2") for n in range(50)), line(50))
    assert strict.ingest().attention == []
    strict.land("c.csv", *(line(n, speed="3") for n in range(50)), line(50))
    [sentence] = strict.ingest().attention
    assert "c.csv: 0 of 51 rows taken, 50 conflicts" in sentence
    assert "(id, at)" in sentence
    assert strict.ingest().attention == []


def test_conflicts_are_found_between_batches_of_one_file(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is cut, its rows are compared; which of two is taken does not change."""
    monkeypatch.setattr("arrivals.intake.Intake.batch_rows", 2)
    port.land("a.csv", line(1), line(2), line(1, speed="3"), line(3), line(2), line(2, city="Rome"))
    port.ingest()
    assert counts(port) == [(3, 1, 2, 0)]
    assert kept(port).filter(pl.col("this is the row") == "as it was taken").height == 2


WIDE = Schema(
    time="at",
    key=("id",),
    target="y",
    numeric=("n",),
    categorical=("c",),
    tensors={"t": (1, 2)},
    nullable=("n", "c", "t"),
)


def wide(**changes: object) -> pl.DataFrame:
    """One row of a schema with a column of every kind."""
    row = {"at": datetime(2024, 1, 1, tzinfo=UTC), "id": "7", "n": 1.5, "c": "x", "t": [0.0, 1.0], "y": 3.25} | changes
    kinds: dict[str, Any] = {
        "at": pl.Datetime("us", "UTC"),
        "id": pl.String,
        "n": pl.Float64,
        "c": pl.String,
        "y": pl.Float64,
    }
    return pl.DataFrame({name: [value] for name, value in row.items()}, {**kinds, "t": pl.Array(pl.Float32, 2)})


def test_rows_are_told_apart_by_any_column_and_by_nothing_else() -> None:
    """A value, a missing one, two that were swapped: each is another row; the order of columns is not."""
    ways: list[dict[str, object]] = [
        {}, {"n": 1.25}, {"n": None}, {"n": 0.0}, {"c": "y"}, {"c": ""}, {"c": None}, {"t": [1.0, 0.0]}, {"t": None},
        {"t": [0.0, 0.0]}, {"at": datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)}, {"n": None, "c": None, "t": None},
    ]  # fmt: skip
    numbers = [described(wide(**way), WIDE)[FEATURES].item() for way in ways]
    assert all(one != other for one, other in combinations(numbers, 2))
    same = [wide()[:, ::-1], wide(y=None, id="8"), wide(n=1.5 + 1e-12), wide(t=[-0.0, 1.0])]
    assert {described(row, WIDE)[FEATURES].item() for row in same} == set(numbers[:1])


def test_the_numbers_of_a_row_are_fixed() -> None:
    """Another version of a library must give the same, or known rows would look like conflicts; files keep them too."""
    rows = described(wide(), WIDE)
    assert rows.select(FEATURES, LABEL).row(0) == FIXED
    assert rows.select(label_of(pl.col(LABEL))).item() == 3.25
    assert described(wide(y=None), WIDE)[LABEL].to_list() == [None]


def test_a_column_that_older_rows_do_not_have_is_missing_in_them() -> None:
    """Where a schema gains a column, rows that came without it are as rows in which it is null."""
    assert described(wide().drop("c"), WIDE)[FEATURES].item() == described(wide(c=None), WIDE)[FEATURES].item()
    fewer = replace(WIDE, categorical=(), nullable=())
    assert meaning(fewer) != meaning(WIDE)


Version = tuple[int, int | None]  # features and label


def outcomes(rows: list[Version], known: list[Version], *, labels: bool, replace: bool) -> list[str]:
    """What becomes of the rows of one key, one after the other in plain Python."""
    fits = [labels or f in ({k for k, _ in known} if known else {rows[0][0]}) for f, _ in rows]
    label = known[-1][1] if known else None
    takes = next((i for i, (_, told) in enumerate(rows) if fits[i] and told is not None and label is None), None)
    first = takes if takes is not None or known or labels else 0
    label = rows[takes][1] if takes is not None else label
    found = []
    for i, (features, told) in enumerate(rows):
        exact = any((labels or features == f) and told in {None, was} for f, was in known)
        same = fits[i] and (not known or known[-1][1] is None) and told in {None, label}
        if i == first:
            found.append("label" if known else "waiting" if labels else "new")
        elif exact or same:
            found.append("duplicate")
        else:
            found.append("waiting" if labels and replace and not known else "conflict")
    if replace and found[-1] == "conflict":
        alike = [i for i, what in enumerate(found) if what == "conflict" and (labels or rows[i][0] == rows[-1][0])]
        best = max(alike, key=lambda i: (rows[i][1] is not None, i))
        for i in alike:
            found[i] = "correction" if i == best else "duplicate" if rows[i][1] in {None, rows[best][1]} else "conflict"
    return found


VERSIONS = st.tuples(st.integers(1, 3), st.sampled_from([None, 0, 1]))
KEYS = st.lists(st.tuples(st.lists(VERSIONS, min_size=1, max_size=4), st.lists(VERSIONS, max_size=3)), max_size=5)


@pytest.mark.slow
@given(KEYS, st.booleans(), st.booleans())
@settings(deadline=None, max_examples=150)
def test_whole_batches_are_judged_as_row_by_row(
    keys: list[tuple[list[Version], list[Version]]], labels: bool, replace: bool
) -> None:
    """All keys at once, with whatever was taken of each, come to what plain Python finds key by key."""
    numbers: dict[str, list[Any]] = {HIGH: [], FEATURES: [], "label": []}
    history: dict[str, list[Any]] = {ROW: [], SEQUENCE: [], FEATURES: [], "label": []}
    expected = []
    for key, (rows, known) in enumerate(keys):
        expected += outcomes(rows, known, labels=labels, replace=replace)
        for features, told in rows:
            for place, (f, was) in enumerate(known):
                for name, value in zip(history, (len(numbers[HIGH]), place, f, was), strict=True):
                    history[name].append(value)
            for name, value in zip(numbers, (key, 0 if labels else features, told), strict=True):
                numbers[name].append(value)
    kinds = {HIGH: pl.UInt64, ROW: pl.Int64, SEQUENCE: pl.Int64, FEATURES: pl.UInt64, "label": pl.Float64}
    asked, taken = (pl.DataFrame(frame, {name: kinds[name] for name in frame}) for frame in (numbers, history))
    asked = asked.with_columns(pl.col(HIGH).alias(LOW), pl.int_range(pl.len()).alias(ROW))
    asked, taken = (
        frame.with_columns(pl.col("label").reinterpret(dtype=pl.UInt64).alias(LABEL)).drop("label")
        for frame in (asked, taken)
    )
    judged = judge(asked, taken.sort(SEQUENCE), labels=labels, replace=replace)
    assert judged[OUTCOME].to_list() == expected


def test_tensors_that_differ_are_named() -> None:
    """Also one that is missing; the rows are kept with them."""
    taken, arrived = wide(), pl.concat([wide(t=[0.0, 2.0]), wide(t=None, n=2.5), wide(y=None, c="y")])
    keyed = [pl.concat([rows, described(rows, WIDE).select(HIGH, LOW)], how="horizontal") for rows in (arrived, taken)]
    kept, reason = both_rows(*keyed, WIDE)
    assert reason == "taken before with other values of t (2 rows), n (1 rows), c (1 rows)"
    assert kept["differs in"].drop_nulls().to_list() == ["t", "n, t", "c"]
    assert kept.height == 4
