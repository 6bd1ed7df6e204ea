"""Landed files as batches of rows, in bounded memory: Polars reads the good ones, and the others are refused."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from arrivals.csv_records import CsvRecords, first_record
from arrivals.json_lines import JsonLines, open_lines
from arrivals.local_copies import LocalCopy
from arrivals.text_blocks import BOM, LONGEST, batched, is_utf8, judged_blocks
from arrivals.validation import Batch, with_commas
from errors import EvergreenError, FileNotReady, SchemaMismatch, UnreadableFile
from evergreen_client.shown import gist

if TYPE_CHECKING:
    from learning.spec import ModelSpec

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 16
STRETCH = 4  # batches decoded at a time: less would decode row groups twice, Polars' own batches read far ahead
AGAIN = "land it again, whole"
UTF8 = "save it as UTF-8"

SHOWN, SIGNS = 8, 40  # column names in a message, and characters of each: without a header they are a row's values
VALUE = re.compile(r"[\d\s.,:;/+TZ-]*")  # a number, a time or nothing, in place of a name


@dataclass(frozen=True)
class Wanted:
    """The columns that a file must have.

    Args:
        columns: their names.
        optional: those of them that may be missing, and are then null.
        ignore: further columns that may be there; "*" for any.
        commas: those whose numbers have a decimal comma, where they are text.
    """

    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    commas: frozenset[str] = frozenset()


def wanted_of(spec: ModelSpec, kind: str, *, labels: bool) -> Wanted:
    """The columns that a model's files must have: of rows, or of labels that came for rows."""
    schema, source = spec.schema, spec.source
    commas = with_commas(spec) if kind == "jsonl" else frozenset()
    if labels:
        return Wanted(tuple(dict.fromkeys((*schema.key, schema.target))), ignore=source.ignore, commas=commas)
    optional: tuple[str, ...] = (schema.target,) if source.labels else ()
    if kind == "jsonl":  # where a key that is left out means null
        optional += (*schema.targets, *schema.nullable)
    return Wanted(schema.arriving, optional, source.ignore, commas)


def read_file(file: LocalCopy, wanted: Wanted, rows: int, *, careful: bool = False) -> Iterator[Batch]:
    """Read a file from its start.

    Args:
        file: the file.
        wanted: the columns that it must have.
        rows: most rows in a batch.
        careful: judge each record of a text by itself, also where blocks can be judged at once: slower, and the same.

    Raises:
        UnreadableFile: it is not what its name says.
        SchemaMismatch: columns are missing, new or of the wrong type.
        FileNotReady: it has gone, or may not be read.
    """
    try:
        _check_start(file)
        if file.format == "parquet":
            yield from _parquet(file, wanted, rows)
        else:
            yield from (_csv if file.format == "csv" else _jsonl)(file, wanted, rows, careful)
    except (FileNotFoundError, PermissionError) as error:
        raise FileNotReady(file.name, f"it cannot be read at the moment ({error.strerror})", "let it stay") from error
    except EvergreenError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # whatever a library has to say about such bytes
        kind = "no whole Parquet file" if file.format == "parquet" else f"no {file.format} that can be read"
        raise UnreadableFile(file.name, f"it is {kind} ({gist(error)})", AGAIN) from error


def _parquet(file: LocalCopy, wanted: Wanted, rows: int) -> Iterator[Batch]:
    table = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    check_columns(list(table.collect_schema()), wanted, file.name)
    there = [column for column in wanted.columns if column in table.collect_schema()]
    height = table.select(pl.len()).collect().item()
    for start in range(0, height, rows * STRETCH):
        frame = table.select(there).slice(start, rows * STRETCH).collect(engine="streaming")
        yield from (Batch(complete(part, wanted)) for part in frame.iter_slices(rows))


def _csv(file: LocalCopy, wanted: Wanted, rows: int, careful: bool) -> Iterator[Batch]:
    header, separator, start = _header(file.path, wanted.columns, file.name)
    if not start:
        why = f"its first line is longer than {LONGEST:,} bytes, which is no header"
        raise UnreadableFile(file.name, why, "land a table that begins with the names of its columns")
    check_columns(header, wanted, file.name)
    there = [column for column in wanted.columns if column in set(header)]
    records = CsvRecords(header, separator, there, careful)
    with file.path.open("rb") as stream:
        stream.seek(start)
        for batch in batched(judged_blocks(stream, records.judge), rows):
            yield Batch(complete(batch.rows, wanted), batch.refused)


def read_header(path: Path, wanted: Sequence[str] = (), name: str = "") -> tuple[list[str], str]:
    """A CSV file's names, and the separator: the one that cuts the first line into most wanted names, or most names."""
    names, separator, _ = _header(path, wanted, name or path.name)
    return names, separator


def _header(path: Path, wanted: Sequence[str], name: str) -> tuple[list[str], str, int]:
    """The names, the separator, and where the first row starts; 0 if the first line is too long to be a header."""
    with path.open("rb") as stream:
        text = stream.read(LONGEST + 1)
    if b"\n" not in text and len(text) > LONGEST:
        return [], SEPARATORS[0], 0
    begin = len(BOM) if text.startswith(BOM) else 0
    text = text[begin:] + b"\n"
    readings = []
    for separator in [one for one in SEPARATORS if one.encode() in text] or SEPARATORS[:1]:
        record = first_record(text, separator)
        readings.append((_names(record, separator), separator, begin + len(record)))
    found = max(readings, key=lambda reading: len(set(reading[0]) & set(wanted) if wanted else reading[0]))
    if not is_utf8(text[: found[2] - begin]):
        raise UnreadableFile(name, "the names of its columns hold bytes that are no UTF-8", UTF8)
    return found


def _names(record: bytes, separator: str) -> list[str]:
    line = record.decode(errors="replace").rstrip("\r\n")
    try:
        (names,) = csv.reader(io.StringIO(line, newline=""), delimiter=separator)
    except (csv.Error, ValueError):  # it is not the header of a table; what it is, the message will show
        return line.split(separator)
    return names


def _jsonl(file: LocalCopy, wanted: Wanted, rows: int, careful: bool) -> Iterator[Batch]:
    known = None if "*" in wanted.ignore else frozenset((*wanted.columns, *wanted.ignore))
    lines, rows_found, refused = JsonLines(wanted.columns, known, careful, wanted.commas), 0, False
    with open_lines(file.path) as stream:
        for batch in batched(judged_blocks(stream, lines.judge), rows):
            if known is not None and not lines.seen <= known:
                check_columns(sorted(lines.seen), wanted, file.name)
            rows_found += batch.rows.height
            refused |= batch.refused is not None
            yield replace(batch, json=True)
    if refused and not rows_found:
        raise UnreadableFile(file.name, "not one of its lines is a JSON object", "write one object a line")
    if rows_found:
        check_columns(sorted(lines.seen), wanted, file.name)


def _check_start(file: LocalCopy) -> None:
    """Refuse at once what is empty, or no UTF-8 text at all where it should be."""
    with file.path.open("rb") as stream:
        start = stream.read(SAMPLE_BYTES)
    if not start:
        raise UnreadableFile(file.name, "it is empty, without even a header", AGAIN)
    if file.format == "parquet":
        return
    signs = {b"PAR1": "Parquet", b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzip", b"SQLite": "SQLite"}
    for magic, what in signs.items():
        if start.startswith(magic):
            raise UnreadableFile(file.name, f"it holds {what}, not {file.format}", "give it the suffix of what it is")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start.count(b"\0") > len(start) // 10:
        raise UnreadableFile(file.name, "it is binary or UTF-16, not UTF-8 text", UTF8)


def complete(frame: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    """The wanted columns in the wanted order; what is missing is null."""
    if tuple(frame.columns) == wanted.columns:
        return frame
    gone = [pl.lit(None, pl.String).alias(column) for column in wanted.columns if column not in frame.columns]
    return frame.with_columns(gone).select(wanted.columns)


def check_columns(found: Sequence[str], wanted: Wanted, name: str) -> None:
    """Refuse a file whose columns are not the wanted ones, saying which, and what they may have been called.

    Raises:
        SchemaMismatch: columns are missing, new or there twice.
    """
    there, known, optional = set(found), {*wanted.columns, *wanted.ignore}, set(wanted.optional)
    twice = sorted(column for column, count in Counter(found).items() if count > 1)
    missing = [column for column in wanted.columns if column not in there and column not in optional]
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
    suggested = " ".join(near.values())
    if strange := [column for column in new if f"'{column}'" not in suggested]:
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
