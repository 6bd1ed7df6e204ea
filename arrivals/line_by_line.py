"""Text files with broken lines, read line by line: a broken line costs itself, not its neighbours.

Slow and rarely needed: only what Polars refuses as a whole comes here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from arrivals.validation import REASON, Batch

LINE = "line"
LONGEST = 1 << 20  # characters of a line; a longer one is no row
QUOTED_LINES = 20  # that one quoted field may run over

Row = list[str | None]
Refused = tuple[str, str]
"""A line, and why it is no row."""


def careful_csv(path: Path, header: Sequence[str], separator: str, rows: int) -> Iterator[Batch]:
    """Rows as text, and refused lines with their reasons."""
    yield from _batches(_csv_rows(_lines(path), len(header), separator), header, rows)


def careful_jsonl(path: Path, columns: Sequence[str], rows: int, keys: set[str]) -> Iterator[Batch]:
    """Rows as text, and refused lines with their reasons; `keys` collects the names that were seen."""
    yield from _batches(_json_rows(_lines(path), columns, keys), columns, rows)


def _batches(read: Iterator[Row | Refused], columns: Sequence[str], rows: int) -> Iterator[Batch]:
    """So many rows and refused lines at a time; one batch at least."""
    while True:
        some = list(islice(read, rows))
        good = [row for row in some if isinstance(row, list)]
        refused = [line for line in some if isinstance(line, tuple)]
        frame = pl.DataFrame(good, schema=dict.fromkeys(columns, pl.String), orient="row")
        lines = pl.DataFrame(refused, schema={LINE: pl.String, REASON: pl.String}, orient="row") if refused else None
        yield Batch(frame, lines)
        if len(some) < rows:
            return


def _csv_rows(lines: Iterator[str], width: int, separator: str) -> Iterator[Row | Refused]:
    next(lines, None)  # the header
    pending = list(islice(lines, QUOTED_LINES))
    while pending:
        fields, used, reason = _csv_row(pending, width, separator)
        if reason:
            yield pending[0], reason
        elif any(fields):
            yield [field or None for field in fields]
        pending = [*pending[used:], *islice(lines, used)]


def _csv_row(lines: list[str], width: int, separator: str) -> tuple[list[str], int, str]:
    """The next row's fields, how many lines it took, and why it is none.

    A quoted field may run over several lines; where that does not give a whole row, the first line alone is refused.
    """
    if reason := _fault(lines[0]):
        return [], 1, reason
    text = ""
    for used, line in enumerate(lines, 1):
        text += ("\n" if used > 1 else "") + line
        if text.count('"') % 2 == 0:
            fields = _parse(text, separator)
            if len(fields) == width or not text:
                return fields, used, ""
            break
    if lines[0].count('"') % 2:
        return [], 1, "the line has a quote that nothing closes"
    return [], 1, f"the line has {len(_parse(lines[0], separator))} fields, the header {width}"


def _parse(text: str, separator: str) -> list[str]:
    """One record's fields; none where it cannot be parsed."""
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []


def _json_rows(lines: Iterator[str], columns: Sequence[str], keys: set[str]) -> Iterator[Row | Refused]:
    for line in filter(str.strip, lines):
        row = _fault(line) or _json_row(line)
        if isinstance(row, str):
            yield line, row
        else:
            keys.update(row)
            yield [row.get(column) for column in columns]


def _json_row(line: str) -> dict[str, str | None] | str:
    """The line's object, its values as text; or why it is none."""
    try:
        row = json.loads(line, parse_int=_Number, parse_float=_digits, parse_constant=_constant)
        if not isinstance(row, dict):
            return "the line is no JSON object"
        texts = {name: _text(value) for name, value in row.items()}
        "".join(text or "" for pair in texts.items() for text in pair).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        return f"the line is no JSON ({str(error)[:100]})"
    return texts


class _Number(str):
    """A number in digits, as Polars writes it where a column is text."""

    __slots__ = ()


def _digits(written: str) -> _Number:
    """A number without an exponent or a ".0"; one that is too large for a float64 as it is written."""
    value = float(written)
    return _Number(format(Decimal(repr(value)), "f").removesuffix(".0") if isfinite(value) else written)


def _constant(name: str) -> None:
    """NaN is what Python writes for a missing number; infinity is none that JSON has."""
    if name != "NaN":
        raise ValueError(f"it holds {name}")


def _text(value: Any) -> str | None:
    """A JSON value as text; lists and objects as JSON, as Polars writes it."""
    return value if value is None or isinstance(value, str) else _written(value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)}: {_written(inner)}' for name, inner in value.items())}}}"
    return value if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _lines(path: Path) -> Iterator[str]:
    """A file's lines without their ends; an endless line is cut, and its rest skipped."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as text:
        while line := text.readline(LONGEST):
            whole = line
            while whole and not whole.endswith("\n") and len(whole) == LONGEST:
                whole = text.readline(LONGEST)
            yield line.rstrip("\r\n")


def _fault(line: str) -> str:
    """Why a line is no row before it is even parsed, or ""."""
    if "\ufffd" in line:
        return "the line holds bytes that are no UTF-8"
    if "\0" in line:
        return "the line holds NUL bytes"
    return "the line is longer than a million characters" if len(line) >= LONGEST else ""
