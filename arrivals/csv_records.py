"""A CSV file's records as RFC 4180 has them, and the damaged ones apart: docs/adr/0014 says what is damage, and why.

A quoted field begins right after a separator or a line's end, and ends right before one; inside it a quote stands
twice, and a line's end is text. A block that keeps to that is judged as a whole, with a few passes over its bytes. One
that does not is judged record by record. Polars reads the good records of both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from arrivals.text_blocks import BLOCK, LONGEST, TOO_LONG, Judged, Refused, as_text, is_utf8

QUOTE, NEWLINE, RETURN = b'"\n\r'
QUOTED = rb'"[^"]*+(?:""[^"]*+)*+"'
NUMBER = re.compile(rb"\s*[-+.]?\d")
REACH = 1 << 16  # bytes in which a quote is looked for that may close a damaged field
GLIMPSE = 100  # lines at either end of a damaged stretch that are tried as rows

Places = npt.NDArray[np.intp]


@dataclass
class CsvRecords:
    """How one CSV file is cut into records.

    Args:
        header: its names.
        separator: what stands between fields, one byte.
        columns: the names of those that are wanted.
        careful: judge every record by itself, also where whole blocks can be judged at once.
        has_long: a field that runs over several lines was found.
    """

    header: Sequence[str]
    separator: str
    columns: Sequence[str]
    careful: bool = False
    has_long: bool = False

    def judge(self, block: bytes, last: bool) -> Judged:
        """Part a block into rows and refused records.

        Args:
            block: bytes from the start of a record.
            last: the file ends with it, and with the end of a line.
        """
        good = None if self.careful else self._whole(block, last)
        if good is not None:
            return self._rows(good[0]), [], good[1]
        text, refused, used = self._one_by_one(block, last)
        return self._rows(text), refused, used

    def _rows(self, good: bytes) -> pl.DataFrame:
        """Good records as text; an empty field is missing, whether it is quoted or not."""
        kinds = dict.fromkeys(self.columns, pl.String)
        if not good:
            return pl.DataFrame(schema=kinds)
        every = dict.fromkeys(self.header, pl.String)
        table = pl.scan_csv(good, has_header=False, separator=self.separator, schema=every).select(self.columns)
        if b'"' in good and b'""' in good:  # one byte is found much faster than two
            table = table.with_columns(pl.all().replace("", None))
        rows = table.collect()
        if not all(column.null_count() for column in rows.iter_columns()):
            return rows
        return rows.filter(~pl.all_horizontal(pl.all().is_null()))  # a line of separators only is a blank one

    def _whole(self, block: bytes, last: bool) -> tuple[bytes, int] | None:
        """The records of a block in which all are good, without blank lines, and their bytes; None if one is not."""
        codes = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(codes == QUOTE) if b'"' in block else np.empty(0, np.intp)
        lines = np.flatnonzero(codes == NEWLINE)
        ends = _outside(lines, quotes)
        if not len(ends) or b"\0" in block:
            return None
        used = int(ends[-1]) + 1
        lengths = np.diff(ends, prepend=-1)
        blank = (lengths == 1) | ((lengths == 2) & (codes[ends - 1] == RETURN))
        separators = np.flatnonzero(codes == ord(self.separator))
        fields = np.diff(np.searchsorted(_outside(separators, quotes), ends), prepend=0) + 1
        quotes = quotes[: np.searchsorted(quotes, used)]
        good = (
            max(lengths.max(), len(block) - used) <= LONGEST
            and not (last and used < len(block))
            and bool((blank | (fields == len(self.header))).all())
            and self._well_quoted(codes, quotes)
            and not (len(lines) > len(ends) and self._may_be_rows(block, lines, ends, separators))
            and is_utf8(block[:used])
        )
        if not good:
            return None
        self.has_long |= len(lines) > len(ends)
        if not blank.any():
            return block[:used], used
        keep = np.repeat(~blank, lengths)
        return codes[:used][keep].tobytes(), used

    def _well_quoted(self, codes: npt.NDArray[np.uint8], quotes: Places) -> bool:
        """Whether each quote that opens follows the edge of a field, and each that closes is followed by one."""
        opens, closes = quotes[::2], quotes[1::2]
        edges = np.zeros(256, np.bool_)
        edges[[QUOTE, NEWLINE, ord(self.separator)]] = True
        before, after = codes[opens - 1], codes[closes + 1]
        ends = edges[after] | ((after == RETURN) & (codes[np.minimum(closes + 2, len(codes) - 1)] == NEWLINE))
        return bool((edges[before] | (opens == 0)).all() and ends.all())

    def _may_be_rows(self, block: bytes, lines: Places, ends: Places, separators: Places) -> bool:
        """Whether a record of several lines is one of which each line looks like a row."""
        as_row = np.diff(np.searchsorted(separators, lines), prepend=0) + 1 == len(self.header)
        last = np.searchsorted(lines, ends)
        first = np.concatenate(([0], last[:-1] + 1))
        doubtful = (last > first) & np.logical_and.reduceat(as_row[: last[-1] + 1], first)
        starts = np.concatenate(([0], ends[:-1] + 1))
        return any(self._looks_like_rows(block[starts[at] : ends[at] + 1]) for at in np.flatnonzero(doubtful))

    def _looks_like_rows(self, record: bytes) -> bool:
        """Whether each line of a record, its quotes left out, is a row much like the others."""
        separator, lines = self.separator.encode(), record.rstrip(b"\r\n").split(b"\n")
        if any(line.count(separator) + 1 != len(self.header) for line in lines) or any(b'"' in x for x in lines[1:-1]):
            return False
        columns = zip(*(line.replace(b'"', b"").split(separator) for line in lines), strict=True)
        return all(len({bool(NUMBER.match(field)) for field in column if field.strip()}) <= 1 for column in columns)

    # Record by record.

    @cached_property
    def _separator(self) -> bytes:
        return re.escape(self.separator.encode())

    @cached_property
    def _field(self) -> bytes:
        """A field, and not the separator behind it; a carriage return is text unless a line ends with it."""
        text = rb'[^"\r\n%b]*+' % self._separator
        return rb"(?:%b|%b(?:\r(?!\n)%b)*+)" % (QUOTED, text, text)

    @cached_property
    def _fields(self) -> re.Pattern[bytes]:
        """Any number of whole fields, each with a separator behind it."""
        return re.compile(rb"(?:%b%b)*+" % (self._field, self._separator))

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A record of any number of fields."""
        return re.compile(rb"(?>(?:%b%b)*)%b\r?\n" % (self._field, self._separator, self._field))

    @cached_property
    def _row(self) -> re.Pattern[bytes]:
        """A record of as many fields as the header."""
        parts = self._field, self._separator, len(self.header) - 1, self._field
        return re.compile(rb"(?:%b%b){%d}%b\r?\n" % parts)

    @cached_property
    def _close(self) -> re.Pattern[bytes]:
        """The end of a quoted field, and the rest of its line."""
        return re.compile(rb'"(?:%b[^\n]*)?\r?\n' % self._separator)

    def _one_by_one(self, block: bytes, last: bool) -> tuple[bytes, list[Refused], int]:
        """The good records, the refused ones, and their bytes."""
        good: list[bytes] = []
        refused: list[Refused] = []
        start = 0
        while start < len(block):
            end, reason = self._next(block, start, last)
            record = block[start:end]
            if not record:
                break
            if reason:
                refused.append((as_text(record), reason))
            elif record.strip(b"\r\n"):
                good.append(record)
                self.has_long |= b"\n" in record[:-1]
            start = end
        return b"".join(good), refused, start

    def _next(self, block: bytes, start: int, last: bool) -> tuple[int, str]:
        """Where the record ends that starts here, and why it is no row, or ""; it ends here if more must be read."""
        if row := self._row.match(block, start) or re.compile(rb"\r?\n").match(block, start):
            return row.end(), self._fault(row[0])
        line = block.find(b"\n", start) + 1
        if not line or not (last or len(block) - start >= BLOCK):
            return start, ""
        if record := self.record.match(block, start):
            count = len(re.sub(QUOTED, b"", record[0]).split(self.separator.encode()))
            more = "more" if count > len(self.header) else "fewer"
            fault = self._fault(record[0])
            return (
                record.end(),
                fault or f"the row has {more} fields than the header ({count} beside {len(self.header)})",
            )
        return self._damaged(block, start, line)

    def _fault(self, record: bytes) -> str:
        """Why a record of the right form is no row, or ""."""
        if len(record) > LONGEST:
            return TOO_LONG
        if b"\0" in record:
            return "the row holds NUL bytes"
        if not is_utf8(record):
            return "the row holds bytes that are no UTF-8"
        if b"\n" in record[:-1] and self._looks_like_rows(record):
            count = record.count(b"\n")
            return (
                f"a quoted field runs over {count} lines that look like rows: one record, or {count} with stray quotes"
            )
        return ""

    def _damaged(self, block: bytes, start: int, line: int) -> tuple[int, str]:
        """Where a record with a misplaced quote ends, and what is wrong with it.

        Args:
            block: the bytes.
            start: where it starts.
            line: where its first line ends.
        """
        if line - start > LONGEST:
            return line, TOO_LONG
        field = self._fields.match(block, start).end()  # type: ignore[union-attr] # it matches nothing, too
        fault = block.find(b'"', field)
        if fault > field:
            return block.find(b"\n", fault) + 1 or len(block), "the row has a quote inside a field without quotes"
        quoted = re.compile(QUOTED).match(block, field)
        fault = quoted.end() if quoted else len(block)
        close = self._close.search(block, fault, fault + REACH)
        stop = close.end() if close else block.find(b"\n", fault) + 1 or block.rfind(b"\n") + 1
        reason = f"the row has a quote that {'closes before its field ends' if quoted else 'nothing closes'}"
        stray = not self.has_long and block.count(self.separator.encode(), start, line) + 1 == len(self.header)
        return self._resume(block, line, stop, closed=bool(close), stray=stray), reason

    def _resume(self, block: bytes, start: int, stop: int, *, closed: bool, stray: bool) -> int:
        """Where the next record starts after a damaged one that may be longer than its first line.

        A stray quote before good rows looks much like a field of many lines with a quote too few. Where it closes in a
        line that is no row, the lines are its text, and none is taken. Else they are taken from the first row on if
        the first line shows a stray quote, or most of them are rows; and from where on all are rows in any case.

        Args:
            block: the bytes.
            start: where the first line ends.
            stop: where the damage ends.
            closed: a quote that may close the field stands there.
            stray: without its quote the first line is a row, and the file has no field of many lines so far.
        """
        lines = sorted({*_first_lines(block, start, stop), *_last_lines(block, start, stop)})
        rows = {line: row.end() for line in lines if (row := self._row.match(block, line))}
        run = max(start, stop)
        for line in reversed(lines):
            if line in rows and rows[line] >= run:
                run = line
        likely = stray or 2 * len(rows) > len(lines)
        return min(rows) if rows and likely and (run < stop or not closed) else run


def first_record(text: bytes, separator: str) -> bytes:
    """The record that a text begins with; its first line where that is none."""
    line = text[: text.find(b"\n") + 1]
    record = CsvRecords((), separator, ()).record.match(text) if line.count(b'"') & 1 else None
    return record[0] if record else line


def _outside(places: Places, quotes: Places) -> Places:
    """Those of the places in a text that are in no quoted field: an even number of quotes stands before them."""
    return places[(np.searchsorted(quotes, places) & 1) == 0] if len(quotes) else places


def _first_lines(block: bytes, start: int, stop: int) -> list[int]:
    """Where the first lines start."""
    lines: list[int] = []
    while 0 < start < stop and len(lines) < GLIMPSE:
        lines.append(start)
        start = block.find(b"\n", start, stop) + 1
    return lines


def _last_lines(block: bytes, start: int, stop: int) -> list[int]:
    """Where the last lines start."""
    lines: list[int] = []
    while stop > start and len(lines) < GLIMPSE:
        stop = block.rfind(b"\n", start, stop - 1) + 1 or start
        lines.append(stop)
    return lines
