"""Validation of one batch: the values that come out of each type, and the sentences about the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from arriving import Port, line

from arrivals.json_lines import JsonLines
from arrivals.texts import as_text
from arrivals.validation import Validator
from errors import InvalidSpec
from learning.objectives import Regression
from learning.spec import Schema, Source

SCHEMA = Schema(
    time="at",
    key=("id",),
    target="y",
    numeric=("x",),
    categorical=("c",),
    tensors={"t": (2, 2)},
    nullable=("x", "c", "t"),
)
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def validator(schema: Schema = SCHEMA, **source: Any) -> Validator:
    """What judges rows at a fixed moment."""
    return Validator(schema, Regression(), Source("small", **source), now=lambda: NOW)


def judged(column: str, values: pl.Series, **source: Any) -> tuple[list[Any], list[str]]:
    """A column's values that were taken, and what was said of the others; all other columns are good."""
    rows = {name: pl.Series([None] * len(values), dtype=pl.Null) for name in ("y", "x", "c", "t")}
    rows |= {"at": pl.Series([NOW] * len(values)), "id": pl.int_range(len(values), eager=True)}
    checked = validator(**source).validate(pl.DataFrame(rows | {column: values}))
    said = [] if checked.refused is None else checked.refused["reason"].to_list()
    assert checked.rows.height + len(said) == len(values)
    return checked.rows[column].to_list(), said


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series([1, -1, 2**53 + 1]), ["1", "-1", "9007199254740993"]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), ["18446744073709551615"]),
        (pl.Series([1.0, 0.0, -0.0, 1.5, 1e-7]), ["1", "0", "0", "1.5", "0.0000001"]),
        (pl.Series([1.0, 0.1, 16_777_215.0], dtype=pl.Float32), ["1", "0.1", "16777215"]),
        (pl.Series([Decimal("1.00"), Decimal("1.50"), Decimal("100.00")]), ["1", "1.5", "100"]),
        (pl.Series([Decimal(100), Decimal(0)], dtype=pl.Decimal(38, 0)), ["100", "0"]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series(["1.0", "01", "1", " 1", "-0"]), ["1.0", "01", "1", " 1", "0"]),
        (pl.Series(["Oslo"], dtype=pl.Enum(["Rome", "Oslo"])), ["Oslo"]),
        (pl.Series(["Oslo"], dtype=pl.Categorical), ["Oslo"]),
        (pl.Series([b"\xff\x00"]), ["ff00"]),
        (pl.Series([UUID(int=1)], dtype=pl.Object), ["00000000-0000-0000-0000-000000000001"]),
        (pl.Series([NOW]).cast(pl.Datetime("ms", "UTC")), ["2024-06-01 00:00:00.000000+00:00"]),
        (pl.Series([NOW]).dt.convert_time_zone("Europe/Rome"), ["2024-06-01 00:00:00.000000+00:00"]),
        (pl.Series([1]).cast(pl.Datetime("ns")), ["1970-01-01 00:00:00.000000001"]),
    ],
)  # fmt: skip
def test_one_value_has_one_text(values: pl.Series, texts: list[str]) -> None:
    """In a key and in a category alike, whatever the type it came in."""
    assert judged("id", values) == (texts, [])
    assert judged("c", values) == (texts, [])


def test_a_category_may_be_a_large_float() -> None:
    """Without an exponent; two of them that look alike are one category, and no row is lost."""
    assert judged("c", pl.Series([1e22, 1e23])) == (["1" + "0" * 22, "1" + "0" * 23], [])


def test_both_ways_of_reading_json_write_numbers_alike(tmp_path: Path) -> None:
    """Polars' own reading and the careful one give the same text for each number, text and list."""
    numbers = "1 1.0 1e3 1.10 -0.0 -0 1e-7 0.1 1e22 9007199254740993 18446744073709551615 123456789012345678.0"
    written = [*numbers.split(), '"1.0"', '"01"', "true", "[1.0, 2]", '["a", {"b": 1e2}]', '"\\u00fc"', "null"]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id": {one}}}\n' for one in written))
    quick = pl.scan_ndjson(path, schema={"id": pl.String}).collect()["id"]
    careful, *_ = JsonLines(("id",), None, careful=True).judge(path.read_bytes(), True)
    assert as_text(careful["id"]).to_list() == as_text(quick).to_list()


def test_one_row_in_four_formats_is_one_row(port: Port) -> None:
    """A delivery that is exported again, as another kind of file, repeats itself."""
    port.land("a.csv", line(7))
    row = {"at": "2024-01-01T00:00:07Z", "speed": 10, "city": "Oslo", "late": 1}
    for name, identity in {"b": 7, "c": 7.0, "d": Decimal("7.00"), "e": "7"}.items():
        pl.DataFrame({"id": [identity], **row}).write_parquet(port.folder / f"{name}.parquet")
    good = '{"at": "2024-01-01T00:00:07Z", "id": 7.0, "speed": 10, "city": "Oslo", "late": 1}\n'
    (port.folder / "f.jsonl").write_text(good)
    (port.folder / "g.jsonl").write_text(f"{good}{{")
    arrived = port.ingest()
    assert ([partition.rows for partition in arrived.partitions], arrived.duplicates, arrived.refused) == ([1], 6, 1)


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """An empty landing folder."""
    return Port(tmp_path)


def test_numbers_without_a_text_are_refused() -> None:
    """An infinite id is no id, and a missing one is missing."""
    values, said = judged("id", pl.Series([1.0, float("nan"), float("inf"), None]))
    assert (values, said) == (["1"], ["id is missing", "id is no text, flag or finite number", "id is missing"])


def test_a_number_of_too_many_digits_is_no_key() -> None:
    """As a float64 it would be another row's key too."""
    schema = Schema(time="at", key=("n",), target="y", numeric=("n",))
    rows = pl.DataFrame({"at": [NOW] * 3, "n": [2**53 - 1, 2**53, 1], "y": [1.0] * 3})
    refused = validator(schema).validate(rows).refused
    assert refused is not None
    assert refused.rows() == [(refused["at"][0], str(2**53), "1.0", refused["reason"][0])]
    assert "a key of so many digits must be text" in refused["reason"][0]


def test_an_identifier_that_became_a_float_is_refused_where_two_of_them_look_alike() -> None:
    """As in the Parquet file of a data frame in which one identifier is missing: of two rows one would be lost."""
    values, said = judged("id", pl.Series([2.0**53, 2.0**53 - 1, -(2.0**60), 7.0, None]))
    why = "id is a number of 2**{} or more, which is not exact as a float: a key of so many digits must be text"
    assert (values, said) == (["9007199254740991", "7"], [why.format(53), why.format(53), "id is missing"])
    values, said = judged("id", pl.Series([2.0**24, 2.0**24 - 1], dtype=pl.Float32))
    assert (values, said) == (["16777215"], [why.format(24)])


@pytest.mark.parametrize(
    ("options", "written", "numbers"),
    [
        ({}, ["1.5", " 2 ", "true", "1e2", "", "nan"], [1.5, 2.0, 1.0, 100.0, None, None]),
        ({"decimal": ","}, ["1,5", " 2 ", "true", "1,5e2", "", "-,5"], [1.5, 2.0, 1.0, 150.0, None, -0.5]),
        ({"decimal": ",", "thousands": "."}, ["1.234,5", "1234,5", "1.234.567"], [1234.5, 1234.5, 1_234_567.0]),
        ({"thousands": ","}, ["1,234.5", "-1,234,567", "12"], [1234.5, -1_234_567.0, 12.0]),
        ({"decimal": ",", "thousands": " "}, ["1 234,5", "1\u00a0234,5", "1\u202f234,5"], [1234.5] * 3),
        ({"thousands": "'"}, ["1'234.5", "1\u2019234.5"], [1234.5] * 2),
    ],
)
def test_numbers_are_read_as_the_source_says(
    options: Mapping[str, Any], written: list[str], numbers: list[float | None]
) -> None:
    """With its decimals and thousands; flags, blanks and missing ones as ever."""
    assert judged("x", pl.Series(written), **options) == (numbers, [])


@pytest.mark.parametrize(
    ("options", "written", "hint"),
    [
        ({}, ["1.234,5"], 'Source(decimal=",", thousands=".")'),
        ({}, ["1.234,5", "1,5"], 'Source(decimal=",", thousands=".")'),
        ({}, ["1,5"], 'Source(decimal=",")'),
        ({}, ["1,234"], 'Source(decimal=",") or Source(decimal=".", thousands=",")'),
        ({}, ["1,234,567.5"], 'Source(decimal=".", thousands=",")'),
        ({"decimal": ","}, ["1.5"], 'Source(decimal=".")'),
        ({"decimal": ",", "thousands": "."}, ["1.5"], 'Source(decimal=".")'),
    ],
)
def test_numbers_of_another_country_are_refused_with_the_options_that_read_them(
    options: Mapping[str, Any], written: list[str], hint: str
) -> None:
    """Never guessed: "1.234" is two numbers in two countries."""
    assert judged("x", pl.Series(written), **options) == (
        [],
        [f"x is no number, but would be with {hint}"] * len(written),
    )


def test_what_no_option_reads_has_no_hint() -> None:
    """Neither words nor odd groups are numbers anywhere."""
    words = pl.Series(["fast", "1.2.3", "0x1F", "1,5"])
    assert judged("x", words)[1] == ["x is no number"] * 3 + ['x is no number, but would be with Source(decimal=",")']


def test_rows_from_the_future_are_refused() -> None:
    """A day ahead may be a clock that is fast; what is further would make all later rows late ones."""
    times = pl.Series([NOW + timedelta(hours=hours) for hours in (-1, 23, 25)])
    assert judged("at", times)[1] == ["at is more than 1 day ahead of now"]
    assert judged("at", times, max_future=timedelta(0))[1] == ["at is more than 0:00:00 ahead of now"] * 2
    assert judged("at", times, max_future=timedelta.max)[1] == []


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        (pl.Series([[1, 2, 3, 4]]), [1, 2, 3, 4]),
        (pl.Series([[[1.0, 2.0], [3.0, 4.0]]]), [1, 2, 3, 4]),
        (pl.Series([[[1, 2], [3, 4]]], dtype=pl.Array(pl.Int8, (2, 2))), [1, 2, 3, 4]),
        (pl.Series([[Decimal("1.5")] * 4]), [1.5] * 4),
        (pl.Series(["[[1, 2.5], [3, 4]]"]), [1, 2.5, 3, 4]),
        (pl.Series([" [ 1,2 , 3,4 ] "]), [1, 2, 3, 4]),
        (pl.Series(["[[1, 2, 3], [4]]"]), None),
        (pl.Series(["[1, 2, [3, 4]]"]), None),
        (pl.Series(["[1 2, 3, 4, 5]"]), None),
        (pl.Series(["[1, 2]3, 4, 5]"]), None),
        (pl.Series([[[1.0, 2.0, 3.0], [4.0]]]), None),
        (pl.Series([["1", "2", "3", "4"]]), None),
        (pl.Series([[b"1"] * 4]), None),
        (pl.Series([[True] * 4]), None),
        (pl.Series([[NOW] * 4]), None),
        (pl.Series([[{"a": 1}] * 4]), None),
        (pl.Series([[1e39, 1.0, 1.0, 1.0]]), None),
        (pl.Series([[None] * 4]), None),
        (pl.Series([4.0]), None),
    ],
)
def test_lists_of_numbers_are_tensors_and_others_are_not(values: pl.Series, flat: list[float] | None) -> None:
    """In any numeric type, nested evenly or flat; numbers are never made up from pieces of text."""
    taken, said = judged("t", values)
    assert taken == ([] if flat is None else [flat])
    assert [reason.partition(";")[0] for reason in said] == ([] if flat else ["t is no list of 4 finite numbers"])


def test_a_column_that_cannot_be_typed_is_refused_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside, panics too, ends in a sentence with the column and its type."""

    def panic(*_: Any) -> Any:
        raise pl.exceptions.PanicException("index out of bounds")

    for name in ("as_tensor", "as_it_came", "readings"):
        monkeypatch.setattr(f"arrivals.validation.{name}", panic)
    assert judged("t", pl.Series([[1.0] * 4])) == ([], ["t is no list of 4 finite numbers; it arrived as List"])
    assert judged("x", pl.Series(["1,5"])) == ([], ["x is no number"])


def test_a_zone_that_nobody_knows_is_refused_before_any_row_is() -> None:
    """Or every time without an offset would be none."""
    with pytest.raises(InvalidSpec, match="the name of a time zone"):
        Source("small", timezone="Mars")


def test_an_option_that_reads_a_refused_file_reads_it(port: Port) -> None:
    """A file that stopped a run is looked at again by other rules; one of good rows is not."""
    port.land("a.csv", line(1, speed='"1,5"'))
    port.land("b.csv", line(2))
    assert port.ingest().refused == 1
    assert port.ingest().files == 0
    arrived = port.with_source(decimal=",").ingest()
    assert (arrived.files, [partition.rows for partition in arrived.partitions]) == (1, [1])
    assert port.every_row()["speed"].sort().to_list() == [1.5, 10.0]


@pytest.mark.parametrize("labels", [False, True])
def test_the_future_is_refused_in_every_kind_of_file(port: Port, labels: bool) -> None:
    """Also where labels bring times, as part of their key."""
    port = port.with_source(labels="labels")
    folder: Callable[[str], Path] = lambda name: port.home / "landing" / name  # noqa: E731
    folder("labels").mkdir(exist_ok=True)
    if labels:
        (folder("labels") / "a.csv").write_text("at,id,late\n2099-01-01,1,1\n")
    else:
        port.land("a.csv", line(1).replace("2024", "2099"))
    arrived = port.ingest()
    assert (arrived.refused, arrived.waiting, arrived.partitions) == (1, 0, ())
    assert [one.reason for one in port.registry.refusals("small")] == ["at is more than 1 day ahead of now"]
