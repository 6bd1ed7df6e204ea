"""Landed files as batches of rows, in bounded memory. Polars reads; what it refuses is read again, line by line."""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from arrivals.line_by_line import careful_csv, careful_jsonl
from arrivals.local_copies import LocalCopy
from arrivals.validation import REASON, Batch
from errors import SchemaMismatch, UnreadableFile
from evergreen_client.shown import gist

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
SAMPLE_LINES = 1_000
STRETCH = 4  # batches decoded at a time: less would decode row groups twice, Polars' own batches read far ahead
MORE = "fields past the header"

SHOWN, SIGNS = 8, 40  # column names in a message, and characters of each: without a header they are a row's values
VALUE = re.compile(r"[\d\s.,:;/+TZ-]*")  # a number, a time or nothing, in place of a name


@dataclass(frozen=True)
class Wanted:
    """The columns that a file must have.

    Args:
        columns: their names.
        optional: those of them that may be missing, and are then null.
        ignore: further columns that may be there; "*" for any.
    """

    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class NeedsCare(Exception):
    """A text file that Polars cannot read as a whole, although most of its lines may be good."""


def read_file(file: LocalCopy, wanted: Wanted, rows: int, *, careful: bool) -> Iterator[Batch]:
    """Read a file from its start.

    Args:
        file: the file.
        wanted: the columns that it must have.
        rows: most rows in a batch.
        careful: read text line by line, so that a broken line costs only itself.

    Raises:
        NeedsCare: it must be read with care.
        UnreadableFile: it is not what its name says.
        SchemaMismatch: columns are missing, new or of the wrong type.
    """
    if file.path.stat().st_size == 0:
        raise UnreadableFile(file.name, "it is empty, without even a header", "land it again, whole")
    if file.format != "parquet":
        _check_text(file)
    try:
        if file.format == "parquet":
            yield from _parquet(file, wanted, rows)
        else:
            yield from (_csv if file.format == "csv" else _jsonl)(file, wanted, rows, careful)
    except BaseException as error:
        # Polars panics on hostile bytes, and its panics are not of the class Exception.
        panic = type(error).__name__ == "PanicException"
        if not (panic or isinstance(error, pl.exceptions.PolarsError | OSError)):
            raise
        if file.format != "parquet" and not careful:
            raise NeedsCare from error
        if file.format != "parquet":
            raise UnreadableFile(file.name, f"it cannot be parsed ({gist(error)})", "land it again, whole") from error
        raise UnreadableFile(
            file.name, f"it is no whole Parquet file ({gist(error)})", "land it again, whole"
        ) from error


def _parquet(file: LocalCopy, wanted: Wanted, rows: int) -> Iterator[Batch]:
    table = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    check_columns(list(table.collect_schema()), wanted, file.name)
    there = [column for column in wanted.columns if column in table.collect_schema()]
    height = table.select(pl.len()).collect().item()
    for start in range(0, height, rows * STRETCH):
        frame = table.select(there).slice(start, rows * STRETCH).collect(engine="streaming")
        yield from (Batch(complete(part, wanted)) for part in frame.iter_slices(rows))


def _csv(file: LocalCopy, wanted: Wanted, rows: int, careful: bool) -> Iterator[Batch]:
    header, separator = read_header(file.path, wanted.columns)
    check_columns(header, wanted, file.name)
    if careful:
        read = careful_csv(file.path, header, separator, rows)
        yield from (Batch(complete(batch.rows, wanted), batch.refused) for batch in read)
        return
    table = pl.scan_csv(
        file.path,
        glob=False,
        separator=separator,
        schema=dict.fromkeys([*header, MORE], pl.String),
        missing_columns="insert",
        extra_columns="ignore",
    )
    there = [column for column in wanted.columns if column in header]
    records = 1
    for frame in table.select(*there, MORE).collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
        records += frame.height
        yield _parted(frame.filter(~pl.all_horizontal(pl.all().is_null())), wanted, len(header))
    if records != (lines := _count_lines(file.path)):  # a stray quote has swallowed line ends
        raise NeedsCare(f"{records} records in {lines} lines")


def _parted(frame: pl.DataFrame, wanted: Wanted, width: int) -> Batch:
    """Rows, and those of them that have more fields than the header."""
    ragged = frame[MORE].is_not_null()
    whole = frame.drop(MORE)
    if not ragged.any():
        return Batch(complete(whole, wanted))
    reason = pl.lit(f"the line has more fields than the header's {width}").alias(REASON)
    return Batch(complete(whole.filter(~ragged), wanted), whole.filter(ragged).with_columns(reason))


def read_header(path: Path, wanted: Sequence[str] = ()) -> tuple[list[str], str]:
    """A CSV file's names, and the separator: the one that cuts the first line into most wanted names, or most names."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as text:
        line = text.readline().rstrip("\r\n")
    readings = [(_names(line, separator), separator) for separator in SEPARATORS]
    return max(readings, key=lambda reading: len(set(reading[0]) & set(wanted) if wanted else reading[0]))


def _names(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # it is not the header of a table; what it is, the message will show
        return line.split(separator)


def _jsonl(file: LocalCopy, wanted: Wanted, rows: int, careful: bool) -> Iterator[Batch]:
    with file.path.open("rb") as stream:
        if stream.read(SAMPLE_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            why = "it is one JSON array, not JSON Lines"
            raise UnreadableFile(file.name, why, "write one object a line (`jq -c '.[]'` does)")
    if careful:
        keys: set[str] = set()
        for batch in careful_jsonl(file.path, wanted.columns, rows, keys):
            check_columns(sorted(keys), wanted, file.name)
            yield batch
        return
    path = glob.escape(str(file.path))  # Polars takes every name for a pattern here, "orders[1].jsonl" too
    sample = pl.scan_ndjson(path, infer_schema_length=SAMPLE_LINES).collect_schema()
    check_columns(list(sample), wanted, file.name)
    table = pl.scan_ndjson(path, schema=dict.fromkeys(wanted.columns, pl.String))
    for frame in table.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
        yield Batch(complete(frame, wanted))


def _check_text(file: LocalCopy) -> None:
    """Refuse at once what is no UTF-8 text at all."""
    with file.path.open("rb") as stream:
        start = stream.read(SAMPLE_BYTES)
    signs = {b"PAR1": "Parquet", b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzip", b"SQLite": "SQLite"}
    for magic, what in signs.items():
        if start.startswith(magic):
            raise UnreadableFile(file.name, f"it holds {what}, not {file.format}", "give it the suffix of what it is")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start.count(b"\0") > len(start) // 10:
        raise UnreadableFile(file.name, "it is binary or UTF-16, not UTF-8 text", "save it as UTF-8")


def _count_lines(path: Path) -> int:
    """Lines in a file, the last one with or without its end."""
    lines, last = 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")


def complete(frame: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    """The wanted columns in the wanted order; what is missing is null."""
    gone = [pl.lit(None, pl.String).alias(column) for column in wanted.columns if column not in frame.columns]
    return frame.with_columns(gone).select(wanted.columns)


def check_columns(found: Sequence[str], wanted: Wanted, name: str) -> None:
    """Refuse a file whose columns are not the wanted ones, saying which, and what they may have been called.

    Raises:
        SchemaMismatch: columns are missing, new or there twice.
    """
    twice = sorted({column for column in found if found.count(column) > 1}) if len(set(found)) < len(found) else []
    missing = [column for column in wanted.columns if column not in set(found) | set(wanted.optional)]
    known = {*wanted.columns, *wanted.ignore}
    new = [] if "*" in wanted.ignore else [column for column in found if column not in known]
    if not (twice or missing or new):
        return
    values = 0 if set(found) & set(wanted.columns) else sum(bool(VALUE.fullmatch(column)) for column in found)
    if 2 * values > len(found):
        why = f"its first line seems to be data: {values} of {len(found)} column names are numbers, times or nothing"
        raise SchemaMismatch(name, why, f"land it with a header, the line of names {_quoted(wanted.columns)}")
    near = {column: suggestion for column in missing[:SHOWN] if (suggestion := _nearest(column, new))}
    faults = [f"it has no {_quoted([column])}{suggestion}" for column, suggestion in near.items()]
    if gone := [column for column in missing if column not in near]:
        faults.append(f"it has no {_quoted(gone)}")
    if strange := [column for column in new if not any(f"'{column}'" in suggestion for suggestion in near.values())]:
        faults.append(f"nobody expects {_quoted(strange)}{_nearest(strange[0], wanted.columns)}")
    if twice:
        faults.append(f"{_quoted(twice)} stands there twice")
    fix = (
        "rename the columns, or the schema's" if missing else "add new columns to the schema, or to Source(ignore=...)"
    )
    expected = f"expected {_quoted(wanted.columns)}, found {_quoted(found)}"
    raise SchemaMismatch(name, f"{'; '.join(faults)} ({expected})", fix)


def _nearest(name: str, among: Sequence[str]) -> str:
    lower = {other.lower().strip(): other for other in among[:1_000]}
    near = get_close_matches(name.lower().strip(), lower, n=1)
    return f" (did you mean '{lower[near[0]][:SIGNS]}'?)" if near else ""


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:SIGNS]}'" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
