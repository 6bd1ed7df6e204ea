"""JSON Lines, and arrays of JSON as lines: Polars reads what is whole, and a line that is broken costs itself."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import polars as pl

from arrivals.text_blocks import BLOCK, BOM, LONGEST, TOO_LONG, Judged, Refused, as_text, has_long_line, is_utf8

HALF_A_SIGN = re.compile(
    rb"\\u[dD][89a-fA-F]"
)  # of a pair of surrogates; alone it is no text, and Polars takes it for one
NAME = r'"((?:[^"\\]|\\.)*)"\s*:'
BETWEEN = re.compile(r"[ \t\r\n]*(?:,|\](?:[ \t\r\n]*,?[ \t\r\n]*\[)?)?[ \t\r\n]*")
NEXT = re.compile(r',\s*(?=\{\s*")')  # an object begins; inside a string its quote would be escaped
NO_SPACE = str.maketrans("\r\n", "\v\v")  # a line's end in broken JSON: no JSON either, wherever it stands


def _constant(name: str) -> None:
    """NaN is what Python writes for a missing number; infinity is none that JSON has."""
    if name != "NaN":
        raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant)
PYTHON = json.JSONDecoder(parse_constant=_constant)


@dataclass
class JsonLines:
    """How one file of JSON objects is read.

    Args:
        columns: the names that are wanted; a name that a line leaves out is missing there.
        known: names that may be there; None for any.
        careful: judge every line by itself, also where whole blocks can be judged at once.
        commas: columns of numbers whose text has a decimal comma; JSON's own numbers have none, and are given it.
        seen: the names that were found so far, but for known ones that hold nulls only.
    """

    columns: tuple[str, ...]
    known: frozenset[str] | None
    careful: bool = False
    commas: frozenset[str] = frozenset()
    seen: set[str] = field(default_factory=set)

    def judge(self, block: bytes, _: bool) -> Judged:
        """Part a block into rows and refused lines; what follows its last line's end is left over."""
        used = block.rfind(b"\n") + 1
        text = re.sub(rb"\n[ \t\r\n]+", b"\n", block[:used])  # blank lines cost Polars memory
        odd = self.careful or self.commas or has_long_line(text) or HALF_A_SIGN.search(text)
        rows, refused = None if odd else self._read(text), list[Refused]()
        if rows is None:
            lines: list[bytes] = []
            for line in filter(bytes.strip, text.split(b"\n")):
                if reason := _fault(line):
                    refused.append((as_text(line), reason))
                elif self.commas or b"NaN" in line:
                    lines.append(self._written_anew(line))
                else:
                    lines.append(line)
            rows = self._read_most(lines, refused)
            text = b"\n".join(lines)
        self._see(text, rows)
        return rows, refused, used

    def _written_anew(self, line: bytes) -> bytes:
        """A whole line with NaN as Polars knows it, and numbers as the source writes them in text."""
        try:
            row = PYTHON.decode(line.decode())
        except ValueError:  # thousands of digits
            return line
        for name in self.commas & row.keys():
            if isinstance(row[name], float) and isfinite(row[name]):
                row[name] = str(row[name]).replace(".", ",")
        return json.dumps(row, ensure_ascii=False).encode()

    def _read(self, text: bytes) -> pl.DataFrame | None:
        """Lines as rows of text; None if one of them is broken."""
        kinds = dict.fromkeys(self.columns, pl.String)
        try:
            return pl.read_ndjson(io.BytesIO(text), schema=kinds) if text.strip() else pl.DataFrame(schema=kinds)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _read_most(self, lines: list[bytes], refused: list[Refused]) -> pl.DataFrame:
        """Rows of lines that look whole; those that Polars cannot read are found by halves, and refused."""
        rows = self._read(b"\n".join(lines))
        if rows is not None:
            return rows
        if len(lines) == 1:
            why = "the line holds a number too large for a float64, a whole one of more than 128 bits, or is no JSON"
            refused.append((as_text(lines[0]), why))
            return pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String))
        half = len(lines) // 2
        return pl.concat([self._read_most(part, refused) for part in (lines[:half], lines[half:])])

    def _see(self, text: bytes, rows: pl.DataFrame) -> None:
        """Note the names that are in these lines; only where there may be others than the wanted ones, look closely."""
        values = {column: rows.height - rows[column].null_count() for column in self.columns}
        self.seen |= {column for column, count in values.items() if count}
        codes = np.frombuffer(text, np.uint8)
        names = np.count_nonzero((codes[:-1] == ord('"')) & (codes[1:] == ord(":")))
        if names == sum(values.values()) and not any(space in text for space in (b" :", b"\t:", b"\r:")):
            return  # each value has a name of its own, so there are no other names
        found = set(pl.Series([text.decode()]).str.extract_all(NAME).explode().drop_nulls().unique())
        found = {name[1:].rstrip(": \t\r\n")[:-1] for name in found}
        if self.known is not None and not found <= self.known:
            found = set().union(*(DECODER.decode(line.decode()) for line in filter(bytes.strip, text.split(b"\n"))))
        self.seen |= found


def _fault(line: bytes) -> str:
    """Why a line is no JSON object of its own, or ""."""
    if len(line) >= LONGEST:
        return TOO_LONG
    if not is_utf8(line):
        return "the line holds bytes that are no UTF-8"
    try:
        row = DECODER.decode(line.decode())
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "the line holds half a character (a surrogate without its pair)"
    except (ValueError, RecursionError) as error:
        return f"the line is no JSON ({str(error).split(':')[0][:60]})"
    return "" if isinstance(row, dict) else "the line is no JSON object"


def open_lines(path: Path) -> BinaryIO:
    """Open a file as JSON Lines: if it is an array of JSON, each of its elements is a line."""
    stream = path.open("rb")
    start = stream.read(BLOCK)
    stream.seek(len(BOM) if start.startswith(BOM) else 0)
    if not start.removeprefix(BOM).lstrip().startswith(b"["):
        return stream
    return io.BufferedReader(_Elements(io.TextIOWrapper(stream, errors="surrogateescape", newline="")))


class _Elements(io.RawIOBase):
    """An array's elements as bytes to read, a line each."""

    def __init__(self, text: TextIO) -> None:
        self._text, self._lines, self._rest = text, _lines(text), b""

    def readable(self) -> bool:
        """It is to be read."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next."""
        self._rest = self._rest or next(self._lines, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _lines(text: TextIO) -> Iterator[bytes]:
    """The elements of an array as lines; a broken one as a line that is no JSON, up to where the next object begins."""
    buffer, place, more = text.read(BLOCK).lstrip()[1:], 0, True
    while more or place < len(buffer):
        if more and len(buffer) - place < LONGEST:
            fresh = text.read(BLOCK)
            buffer, place, more = buffer[place:] + fresh, 0, bool(fresh)
        place = BETWEEN.match(buffer, place).end()  # type: ignore[union-attr] # it matches nothing, too
        if place == len(buffer):
            continue
        try:
            end = DECODER.raw_decode(buffer, place)[1]
        except (ValueError, RecursionError):
            following = NEXT.search(buffer, place)
            end = following.end() if following else len(buffer)
            line = buffer[place:end].rstrip(", \t\r\n").translate(NO_SPACE)
        else:
            line = buffer[place:end].replace("\r", " ").replace("\n", " ")
        yield line.encode(errors="surrogateescape") + b"\n"
        place = end
