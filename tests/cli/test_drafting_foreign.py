"""CSV files as spreadsheets and people write them: decimal commas, other dates, rows without a number, odd bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from gzip import compress
from pathlib import Path

import polars as pl
import pytest
from arriving import SPEC, Port

from arrivals.validation import Validator
from cli.drafting.guess import Guess, guess
from cli.drafting.sample import read_sample
from cli.drafting.source import model_source, schema_source
from cli.drafting.written import as_typed
from cli.landing import divided
from errors import UnreadableFile
from learning.catalog import load_spec

GERMAN = "Datum;Kunden Nr;Fläche m²;Ort;Miete (€)\n" + "".join(
    f'{day}.01.2026 17:05;{day:06d};{60 + day},5;"{"Ulm" if day % 2 else "Bonn; West"}";1.0{day:02d},25\n'
    for day in range(1, 29)
)


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def read(path: Path, text: str | bytes) -> Guess:
    """What is guessed of a file that holds this."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return guess(read_sample(path))


def test_a_german_file_becomes_a_model_that_takes_its_rows(tmp_path: Path) -> None:
    """The draft says how numbers and days are written, shows one of each, and landing reads every row by it."""
    found = read(tmp_path / "mieten.csv", "\N{ZERO WIDTH NO-BREAK SPACE}" + GERMAN)
    assert (found.schema.time, found.schema.target, found.schema.numeric) == ("Datum", "Miete (€)", ("Fläche m²",))
    assert 'numbers: Fläche m² \'61,5\' is 61.5, by Source(decimal=",", thousands=".")' in found.doubts
    assert any("Datum '1.01.2026 17:05' is 2026-01-01 17:05" in doubt for doubt in found.doubts)
    (tmp_path / "mieten.py").write_text(model_source(found, "mieten", "mieten.csv"), encoding="utf-8")
    spec = load_spec("mieten", (tmp_path,))
    batch = Validator(spec.schema, spec.objective, spec.source, lambda: utc(2026, 6, 1)).validate(
        read_sample(tmp_path / "mieten.csv")
    )
    assert batch.refused is None
    assert batch.rows["Miete (€)"].to_list()[:2] == [1001.25, 1002.25]
    assert batch.rows["Datum"][0] == utc(2026, 1, 1, 17, 5)
    refused = Validator(spec.schema, spec.objective, load_spec("mieten", (tmp_path,)).source.__class__("mieten"))
    reasons = refused.validate(read_sample(tmp_path / "mieten.csv")).refused
    assert reasons is not None
    assert 'time_format="%d.%m.%Y %H:%M"' in reasons["reason"][0]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("01/31/2026", "%m/%d/%Y"),
        ("31/01/2026 05:30", "%d/%m/%Y %H:%M"),
        ("01/31/26 5:30 PM", "%m/%d/%y %I:%M %p"),
        ("2026/01/31", "%Y/%m/%d"),
        ("31.1.26", "%d.%m.%y"),
    ],
)
def test_days_are_read_as_they_are_written(text: str, pattern: str) -> None:
    """The year, the day and the month are where the file has them; a year of two digits is of this century."""
    rows, written = as_typed(pl.DataFrame({"when": [text] * 3, "id": ["a", "b", "c"]}))
    assert written.times == {"when": pattern}
    assert rows["when"][0].date() == utc(2026, 1, 31).date()


@pytest.mark.parametrize(("text", "pattern"), [("2026-02", "%Y-%m"), ("2026/02", "%Y/%m"), ("2/2026", "%m/%Y")])
def test_months_are_read_as_they_are_written(text: str, pattern: str) -> None:
    """A month is the moment at which it begins."""
    rows, written = as_typed(pl.DataFrame({"when": [text] * 3, "id": ["a", "b", "c"]}))
    assert written.times == {"when": pattern}
    assert rows["when"][0] == utc(2026, 2, 1)


@pytest.mark.parametrize("days", [["2026-01-31T10:00:00Z"] * 4, ["31.01.2026"] * 4])
def test_a_month_beside_a_day_is_what_a_row_is_of(days: list[str]) -> None:
    """A cohort or a season: a category as before, and not the time at which the row came."""
    months = ["2025-11", "2025-12", "2025-11", "2025-12"]
    found = guess(
        pl.DataFrame({"cohort": months, "at": days, "id": list("abcd"), "x": [1.5, 2.5, 3, 4], "y": [0, 1] * 2})
    )
    assert (found.schema.time, found.schema.categorical) == ("at", ("cohort",))
    assert "cohort" not in found.ignored


def test_plain_files_are_read_plainly() -> None:
    """Points, codes, versions, addresses and names are not taken for numbers or days of another country."""
    rows = pl.DataFrame(
        {
            "x": ["1.5", "2"],
            "code": ["01", "7"],
            "host": ["10.0.0.1", "10.0.0.2"],
            "who": ["a, b", "c"],
            "part": ["1001-02", "1001-12"],
        }
    )
    typed, written = as_typed(rows)
    assert (written.options(None), written.doubts, typed["x"].dtype) == ("", (), pl.Float64)


def test_times_that_nothing_reads_are_no_inputs() -> None:
    """A time with the name of its zone is said to be none, and nothing learns from its text."""
    days = [f"2026-01-{day:02d} 00:00:00 CET" for day in range(1, 11)]
    found = guess(pl.DataFrame({"when": days, "id": list("abcdefghij"), "x": list(range(10)), "y": [0, 1] * 5}))
    assert "when" in found.ignored
    assert any("when seems to hold times" in doubt for doubt in found.doubts)


def test_rows_without_a_number_are_known_by_all_that_they_hold(tmp_path: Path) -> None:
    """Measures and a label, as in a textbook: all measures together are the key, and inputs as well."""
    rows = pl.DataFrame({"long": [1.5, 1.5, 2.5], "wide": [0.5, 0.7, 0.5], "kind": ["a", "b", "a"], "y": [0, 1, 0]})
    found = guess(rows)
    assert found.schema.key == ("long", "wide", "kind")
    assert found.schema.numeric == ("long", "wide")
    assert any("no column says which row it is" in doubt for doubt in found.doubts)
    schema = replace(found.schema, target="late")
    port = Port(tmp_path, replace(SPEC, schema=schema))
    port.land("once.csv", "1.5,0.5,a,0", "1.5,0.7,b,1", "2.5,0.5,a,0", header="long,wide,kind,late")
    port.land("twice.csv", "1.5,0.5,a,0", "1.5,0.70,b,1", "9.5,0.5,a,0", header="long,wide,kind,late")
    result = port.ingest()
    assert (result.rows, result.duplicates, sum(part.rows for part in port.partitions())) == (6, 2, 4)


def test_another_encoding_is_refused_at_once(tmp_path: Path) -> None:
    """In the names of the columns, or in the rows: not half a file later."""
    with pytest.raises(UnreadableFile, match="names of its columns hold bytes that are no UTF-8"):
        read(tmp_path / "names.csv", GERMAN.encode("cp1252"))
    with pytest.raises(UnreadableFile, match="14 of its first 28 rows hold bytes that are no UTF-8"):
        read(
            tmp_path / "rows.csv",
            GERMAN.replace("Fläche m²", "x").replace("(€)", "").replace("Ulm", "Köln").encode("cp1252"),
        )
    assert read(tmp_path / "lost.csv", GERMAN.replace("Ulm", "K\N{REPLACEMENT CHARACTER}ln")).schema.categorical


def test_names_are_those_that_landing_reads(tmp_path: Path) -> None:
    """A quote within a quoted name is one quote."""
    found = read(tmp_path / "q.csv", 'id,"a""b",y\n' + "".join(f"r{row},{row}.5,{row % 2}\n" for row in range(9)))
    assert found.schema.numeric == ('a"b',)


def test_thousands_of_columns_are_no_trap(tmp_path: Path) -> None:
    """Names are counted once, not once a name."""
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(20_000)) + "\n" + "1," * 19_999 + "1\n")
    assert read_sample(tmp_path / "wide.csv").width == 20_000


def test_a_file_is_divided_by_days_as_it_writes_them(tmp_path: Path) -> None:
    """`--trained-until` cuts a German file too."""
    (tmp_path / "mieten.csv").write_text(GERMAN, encoding="utf-8")
    with divided(tmp_path / "mieten.csv", "Datum", utc(2026, 1, 15), "%d.%m.%Y %H:%M") as parts:
        assert [len(part.read_text().splitlines()) for part in parts] == [15, 15]


def test_a_column_that_never_changes_is_no_target() -> None:
    """Of two that may be predicted, it is the one in which there is something to predict."""
    rows = pl.DataFrame({"id": ["a", "b", "c", "d"], "x": [1.5, 2.5, 3.5, 4.5], "won": [0, 1, 0, 1], "same": [1] * 4})
    assert guess(rows).schema.target == "won"


def columns(**texts: str) -> pl.DataFrame:
    """Rows of text, from words that blanks separate."""
    return pl.DataFrame({name: words.split() for name, words in texts.items()})


@pytest.mark.parametrize(
    ("texts", "options", "doubt"),
    [
        (
            {"a": "987 1,234 52,500"},
            ', thousands=","',
            'a \'1,234\' is 1234, by Source(thousands=","); but 1.234 by Source(decimal=",")',
        ),
        ({"a": "987 1,234 52,500", "b": "1.5 2 3"}, ', thousands=","', "a '1,234' is 1234, by Source(thousands=\",\")"),
        ({"a": "0,987 1,234 52,500"}, ', decimal=","', "a '0,987' is 0.987, by Source(decimal=\",\")"),
        ({"a": "987 1,234 52,5"}, ', decimal=","', "a '1,234' is 1.234, by Source(decimal=\",\")"),
        ({"a": "987 1.234 12.345"}, "", 'a \'1.234\' is 1.234; but 1234.0 by Source(decimal=",", thousands=".")'),
        ({"a": "NA 1,5 null none nan 2,5"}, ', decimal=","', "a '1,5' is 1.5, by Source(decimal=\",\")"),
        ({"a": "1.5 2.5", "b": "3 4,5"}, "", "b seems to hold numbers, as '4,5', that are written otherwise"),
    ],
)
def test_what_may_be_read_in_two_ways_is_said(texts: dict[str, str], options: str, doubt: str) -> None:
    """Thousands are likelier than three decimals, and a doubt names both; words for no number hide nothing."""
    _, written = as_typed(columns(**texts))
    assert written.options(None) == options
    assert len(written.doubts) == 1
    assert written.doubts[0].startswith(f"numbers: {doubt}")


def test_decimals_that_can_be_no_thousands_are_no_doubt() -> None:
    """A zero before the point, other numbers of digits behind it, or a long number before it."""
    rows = columns(a="0.123 1.234 9.875", b="1.5 1.234 2.125", c="1234.125 1.500 2.500")
    assert as_typed(rows)[1].doubts == ()


def test_words_for_no_time_hide_no_days() -> None:
    """A column of days with NA among them is one of days; a class called none stays a class."""
    rows, written = as_typed(columns(when="31.01.2026 NA 30.01.2026", kind="none some none"))
    assert (written.times, rows["kind"].to_list()) == ({"when": "%d.%m.%Y"}, ["none", "some", "none"])


def test_what_landing_refuses_in_a_key_is_in_no_drafted_key() -> None:
    """Numbers that are missing, or not exact, name no row; what a person names as key is taken as that."""
    rows = pl.DataFrame({
        "long": [1.5, 1.5, 2.5], "wide": [0.5, 0.7, 0.5], "gaps": [1.5, float("nan"), 2.5], "huge": [1e17, 2e17, 3e17],
        "y": [0, 1, 0],
    })  # fmt: skip
    assert guess(rows).schema.key == ("long", "wide")
    named = guess(rows, key=["long", "wide"])
    assert named.schema.key == ("long", "wide")
    assert not any(doubt.startswith("key:") for doubt in named.doubts)


def test_a_name_that_keras_takes_not_is_left_out() -> None:
    """A draft is written of the other columns, and says which one it lacks."""
    found = guess(
        pl.DataFrame({"id": list("abcd"), "x": [1.5, 2, 3, 4], "od280/od315": [1.5, 2, 3, 5], "y": [0, 1] * 2})
    )
    assert (found.schema.numeric, found.ignored) == (("x",), ("od280/od315",))
    assert any("od280/od315 cannot be inputs" in doubt for doubt in found.doubts)


def test_a_packed_file_is_called_by_its_own_name(tmp_path: Path) -> None:
    """In refusals of its names and of its rows."""
    for text in (GERMAN, GERMAN.replace("Fläche m²", "x").replace("(€)", "").replace("Ulm", "Köln")):
        (tmp_path / "rows.csv.gz").write_bytes(compress(text.encode("cp1252")))
        with pytest.raises(UnreadableFile, match=r"^rows\.csv\.gz"):
            read_sample(tmp_path / "rows.csv.gz")


def test_an_inferred_schema_comes_with_the_source_that_reads_its_rows(tmp_path: Path) -> None:
    """One line, where the file needs one."""
    line = 'source = Source("NAME", decimal=",", thousands=".", time_format="%d.%m.%Y %H:%M")'
    assert line in schema_source(read(tmp_path / "mieten.csv", GERMAN))
    assert "Source" not in schema_source(read(tmp_path / "plain.csv", "id,x,y\n" + "a,1.5,0\nb,2.5,1\nc,3,0\nd,4,1\n"))
