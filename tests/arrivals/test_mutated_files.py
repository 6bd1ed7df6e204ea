"""Good files, damaged at random: nothing is lost but what was damaged, and every row is accounted for."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import polars as pl
import pytest
from arriving import HEADER, Port, line
from hypothesis import HealthCheck, given, settings

ROWS = 12
FILES, LANDINGS = 50, 25  # 1,250 damaged files, and others in every run

Damage = Callable[[bytes], bytes]


def rows(file: str) -> list[str]:
    """Good rows as CSV, each with an id that no other file has."""
    return [line(row).replace(f",{row},", f",{file}-{row},", 1) for row in range(ROWS)]


def frame(file: str) -> pl.DataFrame:
    """The same rows, typed."""
    text = pl.read_csv("\n".join([HEADER, *rows(file)]).encode())
    return text.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))


def plain(file: str) -> list[bytes]:
    """A CSV file: its header and its records."""
    return [f"{text}\n".encode() for text in [HEADER, *rows(file)]]


def quoted(file: str) -> list[bytes]:
    """A CSV file whose ids are quoted, and run over two lines in every third row."""
    fields = [text.split(",") for text in rows(file)]
    for number, row in enumerate(fields):
        row[1] = f'"{row[1]}\n""or so"""' if number % 3 == 0 else f'"{row[1]}"'
    return [f"{text}\r\n".encode() for text in [HEADER, *map(",".join, fields)]]


def json_lines(file: str) -> list[bytes]:
    """A JSON Lines file, which has no header."""
    return [b"", *frame(file).write_ndjson().encode().splitlines(keepends=True)]


def parquet(file: str) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    frame(file).write_parquet(buffer)
    return buffer.getvalue()


RECORDS: dict[str, Callable[[str], list[bytes]]] = {".csv": plain, ".quoted.csv": quoted, ".jsonl": json_lines}
KINDS: dict[str, Callable[[str], bytes]] = {
    **{kind: lambda file, records=records: b"".join(records(file)) for kind, records in RECORDS.items()},
    ".parquet": parquet,
    ".csv.gz": lambda file: gzip.compress(b"".join(plain(file)), mtime=0),
}
place = st.floats(0, 1, exclude_max=True)


def flip(share: float, bits: int) -> Damage:
    """Change one byte."""

    def damage(data: bytes) -> bytes:
        at = int(share * len(data))
        return data[:at] + bytes(byte ^ bits for byte in data[at : at + 1]) + data[at + 1 :]

    return damage


def cut(share: float) -> Damage:
    """Leave out the end."""
    return lambda data: data[: int(share * len(data))]


def leave_out(share: float, width: int) -> Damage:
    """Leave out some bytes in the middle."""
    return lambda data: data[: int(share * len(data))] + data[int(share * len(data)) + width :]


def put_in(share: float, what: bytes) -> Damage:
    """Put bytes in the middle."""
    return lambda data: data[: int(share * len(data))] + what + data[int(share * len(data)) :]


def twice(data: bytes) -> bytes:
    """Append the file to itself."""
    return data + data


DAMAGES: st.SearchStrategy[Damage] = st.one_of(
    st.builds(flip, place, st.integers(1, 255)),
    st.builds(cut, place),
    st.builds(leave_out, place, st.integers(1, 40)),
    st.builds(put_in, place, st.sampled_from([b'"', b'""', b"\n", b"\r", b"\0", b",", b"\xff", b"'", b"{", b"1e999"])),
    st.just(twice),
)


@dataclass(frozen=True)
class Damaged:
    """A file of a kind, and what is done to it."""

    kind: str
    damages: list[Damage]

    def data(self, file: str) -> bytes:
        """Its bytes."""
        data = KINDS[self.kind](file)
        for damage in self.damages:
            data = damage(data)
        return data

    def spared(self, file: str, data: bytes) -> set[str]:
        """Ids of rows that must be taken: records as they were, before all damage, or with no quote near any damage."""
        if self.kind not in RECORDS:
            return set()
        header, *records = RECORDS[self.kind](file)
        if not data.startswith(header):
            return set()
        end, spared = len(header), set()
        whole = set(data.split(b"\n")) if self.kind == ".csv" and data.count(b'"') <= 1 else set()
        for number, record in enumerate(records):
            before = data[: end + len(record)] == b"".join([header, *records[: number + 1]])
            if before or record.rstrip(b"\n") in whole:
                spared.add(f"{file}-{number}")
            end += len(record)
        return spared


@pytest.mark.slow
@settings(max_examples=LANDINGS, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    st.lists(
        st.builds(Damaged, st.sampled_from(sorted(KINDS)), st.lists(DAMAGES, min_size=1, max_size=3)),
        min_size=FILES,
        max_size=FILES,
    )
)
def test_damage_costs_what_was_damaged(files: list[Damaged]) -> None:
    """No damaged file stops the run, or takes a row from a good file before or behind it; the counts add up."""
    with TemporaryDirectory() as home:
        port = Port(Path(home))
        must: set[str] = set()
        known, changes = set(must), 0
        for number, damaged in enumerate(files):
            data = damaged.data(f"{number:02}")
            (port.folder / f"{number:02}{damaged.kind}").write_bytes(data)
            must |= damaged.spared(f"{number:02}", data)
            known |= {f"{number:02}-{row}" for row in range(ROWS)}
            changes += len(damaged.damages)
            if number % 10 == 0:
                good = f"{number:02}-good"
                (port.folder / f"{good}.csv").write_bytes(KINDS[".csv"](good))
                must |= {f"{good}-{row}" for row in range(ROWS)}
                known |= must
        port.ingest()
        landed = port.landed()
        for file in landed:
            assert file.rows == file.taken + file.duplicates + file.conflicts + file.refused + file.waiting
        assert sum(file.taken for file in landed) == sum(partition.rows for partition in port.partitions())
        # A JSON Lines file may be refused as a whole: a damaged name is a column that nobody expects.
        refused = {Path(file.uri).name.split(".")[0] for file in landed if file.reason and "jsonl" in file.uri}
        taken = {text.split("\n")[0] for text in port.every_row()["id"]}
        assert {row for row in must if row.rsplit("-", 1)[0] not in refused} <= taken
        assert len(taken - known) <= changes  # a damaged row may look good, but none is made out of nothing
        assert len(landed) == FILES + FILES // 10
        assert port.ingest().files == 0
        port.registry.close()
