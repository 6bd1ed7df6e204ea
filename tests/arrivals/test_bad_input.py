"""Hostile and broken files: none stops the run, each gets a sentence, no good row is lost."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from arriving import HEADER, Port, line

GOOD = (1, 2, 3)
AT = '"2024-01-01T00:00:09Z"'


def text(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    """A CSV file."""
    return "".join(f"{part}{end}" for part in (header, *lines)).encode()


def lines() -> list[str]:
    """Three good rows."""
    return [line(number) for number in GOOD]


def parquet(**changes: pl.Series | list[object] | None) -> bytes:
    """A Parquet file of three good rows, with some columns replaced or left out."""
    columns: dict[str, object] = {
        "at": [f"2024-01-01T00:00:0{number}Z" for number in GOOD],
        "id": list(GOOD),
        "speed": [10.0] * 3,
        "city": ["Oslo"] * 3,
        "late": [1.0] * 3,
    }
    columns = {name: value for name, value in (columns | changes).items() if value is not None}
    buffer = BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def json_lines(*more: str) -> bytes:
    """A JSON Lines file of three good rows and some other lines."""
    rows = [
        json.dumps({"at": f"2024-01-01T00:00:0{number}Z", "id": number, "speed": 10, "city": "Oslo", "late": 1})
        for number in GOOD
    ]
    return "\n".join([*rows[:2], *more, rows[2], ""]).encode()


def flipped(content: bytes, at: int) -> bytes:
    """The content with one byte turned over."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@dataclass(frozen=True)
class Case:
    """A file, how many rows of it are good, and what the sentence about the rest says."""

    name: str
    content: bytes
    good: int
    says: str = ""


def with_row(row: str) -> bytes:
    """Three good rows with a bad one among them."""
    return text(*lines()[:2], row, lines()[2])


CASES = [
    # whole files
    Case("zero-bytes.csv", b"", 0, "it is empty"),
    Case("zero-bytes.parquet", b"", 0, "it is empty"),
    Case("zero-bytes.jsonl", b"", 0, "it is empty"),
    Case("header-only.csv", text(), 0),
    Case("truncated.parquet", parquet()[:200], 0, "no whole Parquet file"),
    Case("magic-only.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", 0, "no whole Parquet file"),
    Case("footer-size.parquet", parquet()[:-8] + struct.pack("<I", 2**31) + b"PAR1", 0, "no whole Parquet file"),
    Case("csv-inside.parquet", text(*lines()), 0, "no whole Parquet file"),
    Case("parquet-inside.csv", parquet(), 0, "it holds Parquet, not csv"),
    Case("gzip-inside.csv", gzip.compress(text(*lines())), 0, "it holds gzip, not csv"),
    Case("no-gzip.csv.gz", text(*lines()), 0, "cannot be unpacked"),
    Case("truncated.csv.gz", gzip.compress(text(*lines()))[:-12], 0, "cannot be unpacked"),
    Case("bomb.csv.gz", gzip.compress(b"\0" * 300_000_000, 9), 0, "that is no data, but a bomb"),
    Case("utf-16.csv", text(*lines()).decode().encode("utf-16"), 0, "UTF-16"),
    Case("binary.csv", bytes(range(256)) * 20, 0, "it has no"),
    Case("report.xlsx", b"PK\x03\x04", 0, "its name does not say what it is"),
    Case("no-suffix", text(*lines()), 0, "its name does not say what it is"),
    Case("array.json", b"[" + json_lines().replace(b"\n", b","), 3),
    Case("old-mac.csv", text(*lines(), end="\r"), 0, "it has no"),
    # headers
    Case("renamed.csv", text(*lines(), header=HEADER.replace("city", "City")), 0, "did you mean 'City'"),
    Case("missing.csv", text("1,2,3,4", header="at,id,speed,city"), 0, "it has no 'late'"),
    Case("new.csv", text(*(f"{row},x" for row in lines()), header=f"{HEADER},wind"), 0, "nobody expects 'wind'"),
    Case("twice.csv", text(*(f"{row},1" for row in lines()), header=f"{HEADER},late"), 0, "stands there twice"),
    Case("no-header.csv", text(*lines()[1:], header=lines()[0]), 0, "its first line seems to be data: 4 of 5"),
    Case("ten-thousand-columns.csv", text(header=",".join(f"c{i}" for i in range(10_000))), 0, "and 9,992 more"),
    Case("long-header.csv", text(header="x" * 3_000_000), 0, "no header"),
    Case("lacks-column.parquet", parquet(speed=None), 0, "it has no 'speed'"),
    Case("other-keys.jsonl", b'{"a": 1}\n', 0, "it has no"),
    # dialects that are read
    Case("bom.csv", b"\xef\xbb\xbf" + text(*lines()), 3),
    Case("windows.csv", text(*lines(), end="\r\n"), 3),
    Case("semicolons.csv", text(*lines()).replace(b",", b";"), 3),
    Case("no-last-newline.csv", text(*lines())[:-1], 3),
    Case("blank-lines.csv", text("", *lines(), "", ""), 3),
    Case("quoted.csv", text(*(",".join(f'"{field}"' for field in row.split(",")) for row in lines())), 3),
    Case("other-order.csv", text("1,Oslo,1,7,2024-01-01T00:00:07Z", header="late,city,speed,id,at"), 1),
    Case("bom.jsonl", b"\xef\xbb\xbf" + json_lines(), 3),
    Case("numbers-as-text.parquet", parquet(speed=["1", "2.5", "1e1"], late=[True, False, True]), 3),
    Case("days.parquet", parquet(at=pl.Series(["2024-01-01"] * 3).str.to_date()), 3),
    # rows
    Case("latin-1.csv", with_row(line(9, city="Troms\xf8")).decode().encode("latin-1"), 3, "no UTF-8"),
    Case("more-fields.csv", with_row(line(9) + ",1,2"), 3, "more fields than the header (7 beside 5)"),
    Case("fewer-fields.csv", with_row("2024-01-01T00:00:09Z,9"), 3, "fewer fields than the header (2 beside 5)"),
    Case("open-quote.csv", with_row('2024-01-01T00:00:09Z,9,"1,Oslo,1'), 3, "a quote that nothing closes"),
    Case("stray-quotes.csv", text(line(9, city='Os"lo'), *lines(), line(8, city='Os"lo')), 3, "quote"),
    Case("nul.csv", with_row(line(9, speed="1\0")), 3, "NUL bytes"),
    Case("half-a-line.csv", text(*lines(), "2024-01-01T00:0")[:-1], 3, "fewer fields"),
    Case("endless-line.csv", with_row(line(9, city="x" * 3_000_000)), 3, "longer than a million"),
    Case("huge-integer.csv", with_row(line(9, speed="9" * 400)), 3, "too large for a float32"),
    Case("infinite.csv", with_row(line(9, speed="-inf")), 3, "too large for a float32"),
    Case("hexadecimal.csv", with_row(line(9, speed="0x1F")), 3, "speed is no number"),
    Case("decimal-comma.csv", with_row(line(9, speed='"1,5"')), 3, "speed is no number"),
    Case("nan-target.csv", with_row(line(4, late="nan")), 4),
    Case("odd-target.csv", with_row(line(9, late="2")), 3, "outside 0 to 1"),
    Case("no-such-day.csv", with_row(line(9).replace("01-01", "02-30")), 3, "no time that exists"),
    Case("year-zero.csv", with_row(line(9).replace("2024", "0000")), 3, "no time that exists"),
    Case("far-future.csv", with_row(line(9).replace("2024", "+99999")), 3, "no time that exists"),
    Case("american.csv", with_row("01/31/2024 5:00 PM,9,1,Oslo,1"), 3, "no time that exists"),
    Case("mixed-zones.csv", text(line(1), line(2).replace("Z", "+02:00"), line(3).replace("Z", "")), 3),
    Case("nested.jsonl", json_lines('{"at": {"y": 1}, "id": 9, "speed": [1], "city": {}, "late": 1}'), 3, "no time"),
    Case("no-object.jsonl", json_lines("[1, 2]", "7", "null"), 3, "no JSON object"),
    Case("cut.jsonl", json_lines() + b'{"at": "2024-01-01T00:0', 3, "no JSON"),
    Case("deep.jsonl", json_lines('{"at":' + "[" * 100_000), 3, "no JSON"),
    Case("huge-number.jsonl", json_lines(f'{{"at":{AT},"id":9,"speed":1e999,"city":"Oslo","late":1}}'), 3, "float64"),
    Case("long-id.jsonl", json_lines(f'{{"at":{AT},"id":{10**40},"speed":1,"city":"Oslo","late":1}}'), 3, "128 bits"),
    Case("lists.parquet", parquet(speed=[[1.0], [2.0], [3.0]]), 0, "speed is no number"),
    Case("far-times.parquet", parquet(at=pl.Series([2**62, 1, 2**61]).cast(pl.Datetime)), 1, "no time that exists"),
    Case("binary-city.parquet", parquet(city=[b"\xff", b"Oslo", b""]), 0, "none of the allowed"),
    Case("nan-and-inf.parquet", parquet(speed=[float("nan"), float("inf"), 1.0]), 2, "too large for a float32"),
    *(Case(f"flipped-{at}.parquet", flipped(parquet(), at), -1) for at in (4, 30, 102, 150, 300, 500)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # whatever a library has to say about such bytes
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_file_costs_itself_only(case: Case, tmp_path: Path, read_sentence: Callable[[Port], str]) -> None:
    """The run goes on, the good rows of the file are taken, and a sentence says what became of the rest."""
    port = Port(tmp_path)
    (port.folder / case.name).write_bytes(case.content)
    port.land("good.txt", line(50))
    arrived = port.ingest()
    taken = sorted(int(number) for number in port.every_row()["id"])
    assert 50 in taken
    if case.good >= 0:
        assert len(taken) == case.good + 1
    assert case.says in read_sentence(port)
    assert arrived.rows == sum(p.rows for p in arrived.partitions) + arrived.duplicates + arrived.refused
    assert port.ingest().files == 0


@pytest.fixture
def read_sentence() -> Callable[[Port], str]:
    """What the registry says about everything that was refused."""

    def read(port: Port) -> str:
        files = [str(record.reason) for record in port.landed() if record.reason]
        return "; ".join([*files, *(refusal.reason for refusal in port.registry.refusals("small"))])

    return read


def test_a_time_that_the_clocks_skipped_is_refused(tmp_path: Path) -> None:
    """A local time in the gap of daylight saving, or in its overlap, is no instant; the others are."""
    port = Port(tmp_path).with_source(timezone="America/New_York")
    skipped, double, whole = "2013-03-10 02:30:00", "2013-11-03 01:30:00", "2013-07-01 12:00:00"
    port.land("a.csv", *(f"{at},{number},1,Oslo,1" for number, at in enumerate((skipped, double, whole))))
    assert port.ingest().refused == 2
    assert port.every_row()["at"].dt.strftime("%H:%M").to_list() == ["16:00"]


def test_every_flipped_byte_of_a_parquet_file_is_survived(tmp_path: Path) -> None:
    """One byte turned over may change rows or break the file; it never stops the run."""
    whole = parquet()
    port = Port(tmp_path)
    for at in range(4, len(whole), 37):
        (port.folder / f"{at:05}.parquet").write_bytes(flipped(whole, at))
    arrived = port.ingest()
    assert arrived.files == len(range(4, len(whole), 37))
