"""Texts as their standards have them: both ways to read one agree, whatever is in it, in bounded time and memory."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from arriving import HEADER, SPEC, Port, line
from corpus import Case
from corpus.text import CASES
from hypothesis import given, settings

from arrivals import local_copies, readers
from arrivals.csv_records import CsvRecords
from arrivals.json_lines import JsonLines
from arrivals.listing import ListedFile
from arrivals.local_copies import LocalCopy, local_copy
from arrivals.readers import Wanted, read_file
from arrivals.text_blocks import judged_blocks
from errors import ArrivalError, FileNotReady, SchemaMismatch, UnreadableFile

WANTED = Wanted(SPEC.schema.columns)
NAMES = ("x", "y", "z")
Reading = tuple[list[tuple[str | None, ...]], list[tuple[str, str]]]


def read(case: Case, folder: Path, *, careful: bool) -> tuple[list[Any], list[Any], str]:
    """The rows, the refused records and the reason for refusing the file, in one of the two ways."""
    path = case.write(folder)
    wanted = Wanted(WANTED.columns, ("speed", "late") if ".json" in case.file else (), case.source.get("ignore", ()))
    rows, refused, why = pl.DataFrame(), pl.DataFrame(), ""
    try:
        with local_copy(ListedFile(str(path), "", path.stat().st_size), folder / "work") as copy:
            for batch in read_file(copy, wanted, 50_000, careful=careful):
                rows = pl.concat([rows, batch.rows]) if rows.width else batch.rows
                if batch.refused is not None:
                    refused = pl.concat([refused, batch.refused]) if refused.width else batch.refused
    except ArrivalError as error:
        why = error.why
    return rows.rows(), refused.rows(), why


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_the_quick_and_the_careful_reading_agree(case: Case, tmp_path: Path) -> None:
    """Judging blocks and judging every record give the same values, the same refusals, the same sentence."""
    assert read(case, tmp_path, careful=False) == read(case, tmp_path, careful=True)


def judged(records: CsvRecords | JsonLines, data: bytes) -> Reading:
    """What is read of these bytes."""
    rows: list[tuple[str | None, ...]] = []
    refused = []
    for frame, bad in judged_blocks(io.BytesIO(data), records.judge):
        rows += frame.rows()
        refused += bad
    return rows, refused


FIELDS = st.text(st.sampled_from('ab1"," \r\né'), max_size=6).map(lambda text: text.replace("\r", "\r\n"))
TABLES = st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=12)


@settings(deadline=None, max_examples=100)
@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_a_good_csv_is_read_as_pythons_own_module_reads_it(table: list[list[str]], end: str, quoting: Any) -> None:
    """Every value of every record, in both ways; only a record of lines that look like rows is refused."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(table)
    meant = [tuple(field or None for field in row) for row in table if any(row)]
    for careful in (False, True):
        rows, refused = judged(CsvRecords(NAMES, ",", NAMES, careful), text.getvalue().encode())
        assert all("look like rows" in reason for _, reason in refused)
        assert [row for row in meant if row in rows] == rows
        assert len(rows) + len(refused) == len(meant)


@settings(deadline=None, max_examples=100)
@given(TABLES, st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(b'",\n\r\0\xffa1')), max_size=3))
def test_a_damaged_csv_is_read_alike_in_both_ways(table: list[list[str]], damage: list[tuple[float, int]]) -> None:
    """The same rows and the same sentences."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(table)
    data = bytearray(text.getvalue().encode())
    for share, byte in damage if data else []:
        data[int(share * len(data))] = byte
    quick, careful = (judged(CsvRecords(NAMES, ",", NAMES, way), bytes(data)) for way in (False, True))
    assert quick == careful


WHOLE = st.integers(-(2**127), 2**128 - 1)  # a line with one of more bits is refused, as one with 1e999 is
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES), max_size=8), st.booleans())
def test_json_lines_are_read_alike_in_both_ways(objects: list[dict[str, Any]], ascii_only: bool) -> None:
    """Numbers, nested values and signs of all kinds have one text, so a file that grew does not double its rows."""
    data = "\n".join(json.dumps(one, ensure_ascii=ascii_only) for one in objects).encode(errors="replace")
    quick, careful = (judged(JsonLines(NAMES, None, way), data) for way in (False, True))
    assert quick == careful
    assert len(quick[0]) == len(objects)


@pytest.mark.slow
def test_a_file_of_many_blocks_keeps_every_record_whole(tmp_path: Path) -> None:
    """Fields over many lines, a stray quote here and there, and blocks that end in the middle of all that."""
    count, stray = 200_000, 5_000
    rows = [
        line(n, city='Os"lo' if n % stray == 7 else "Oslo").replace(f",{n},", f',"{n}\n""so""",') for n in range(count)
    ]
    path = tmp_path / "many.csv"
    path.write_text("\n".join([HEADER, *rows]))
    batches = list(read_file(LocalCopy(path, "csv", path.name, ""), WANTED, 60_000))
    ids = pl.concat([batch.rows for batch in batches])["id"].to_list()
    assert ids == [f'{n}\n"so"' for n in range(count) if n % stray != 7]
    assert sum(batch.refused.height for batch in batches if batch.refused is not None) == count // stray
    assert [batch.rows.height for batch in batches[:-1]] == [60_000] * (len(batches) - 1)


@pytest.mark.parametrize("kind", [CsvRecords, JsonLines])
def test_a_file_of_blank_lines_costs_little_memory(
    kind: type[CsvRecords | JsonLines], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are left out before Polars makes rows of them, also beside good rows and fields of several lines."""
    method = "_rows" if kind is CsvRecords else "_read"
    polars, given_bytes = getattr(kind, method), []

    def watched(self: Any, text: bytes) -> pl.DataFrame:
        given_bytes.append(len(text))
        return polars(self, text)

    monkeypatch.setattr(kind, method, watched)
    row = json.dumps({**dict.fromkeys(WANTED.columns, "1"), "id": "1"})
    good = f"{row}\n" if kind is JsonLines else line(1, city='"Os\n\nlo"') + "\n"
    path = tmp_path / ("blank.jsonl" if kind is JsonLines else "blank.csv")
    header = "" if kind is JsonLines else f"{HEADER}\n"
    path.write_text(header + good + "\n" * 9_000_000 + good + "\n" * 1_000_000)
    batches = list(read_file(LocalCopy(path, path.suffix[1:], path.name, ""), WANTED, 1_000))
    assert sum(batch.rows.height for batch in batches) == 2
    assert sum(given_bytes) < 1_000


def test_a_header_of_a_quarter_of_a_megabyte_is_refused_in_a_blink(tmp_path: Path) -> None:
    """Looking for names that stand there twice, or that nobody expects, takes time in proportion."""
    path = tmp_path / "wide.csv"
    path.write_text("at," * 80_000 + ",".join(f"c{number}" for number in range(2_000)) + "\n")
    started = time.perf_counter()
    with pytest.raises(SchemaMismatch) as refusal:
        list(read_file(LocalCopy(path, "csv", path.name, ""), WANTED, 1_000))
    assert time.perf_counter() - started < 5
    assert len(str(refusal.value)) < 3_000


def test_a_file_that_vanishes_waits(tmp_path: Path) -> None:
    """Whoever took it away may bring it back; nothing is recorded of it."""
    with pytest.raises(FileNotReady):
        list(read_file(LocalCopy(tmp_path / "gone.csv", "csv", "gone.csv", ""), WANTED, 1_000))


@pytest.mark.parametrize(
    "fault", [pl.exceptions.PanicException("index '17'"), ZeroDivisionError("'17'"), MemoryError()]
)
def test_whatever_a_library_raises_ends_as_a_sentence(
    fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind of the fault is named, and nothing of its text, which may hold values."""

    def fail(*_: object) -> None:
        raise fault

    path = tmp_path / "odd.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setattr(readers, "_parquet", fail)
    with pytest.raises(UnreadableFile, match=type(fault).__name__) as refusal:
        list(read_file(LocalCopy(path, "parquet", path.name, ""), WANTED, 1_000))
    assert "17" not in str(refusal.value)


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good file is not refused for ever because there was no room to unpack it."""
    port = Port(tmp_path)
    (port.folder / "good.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n{line(1)}\n".encode()))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(local_copies.Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            port.ingest()
    assert port.ingest().rows == 1
