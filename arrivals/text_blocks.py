"""Text files in blocks of whole records, in bounded memory: a file of any size, a record of a million bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import polars as pl

from arrivals.validation import REASON, Batch

BLOCK = 1 << 22  # bytes that are read at once, and in which a damaged record's end is looked for
LONGEST = 1 << 20  # bytes of a record; a longer one is no row
MOST_REFUSED = 1 << 26  # bytes of refused records that wait in memory to be stored
TOO_LONG = "the row is longer than a million characters"
BOM = b"\xef\xbb\xbf"
LINE = "line"

Refused = tuple[str, str]
"""A record as it came, and why it is no row."""

Judged = tuple[pl.DataFrame, list[Refused], int]
"""The rows of a block, its refused records, and how many of its bytes these are."""


def judged_blocks(
    stream: BinaryIO, judge: Callable[[bytes, bool], Judged]
) -> Iterator[tuple[pl.DataFrame, list[Refused]]]:
    """Read a file to its end, and give rows and refused records block by block.

    Args:
        stream: the file, at the start of a record.
        judge: is given a block, and whether the file ends with it; what it leaves over begins the next block.
    """
    rest, fresh = b"", stream.read(BLOCK)
    while fresh or rest:
        block = rest + fresh
        fresh = stream.read(BLOCK)
        if last := not fresh:
            block += b"" if block.endswith(b"\n") else b"\n"
        if not block.strip(b"\r\n"):  # blank lines without end
            rest = b""
            continue
        rows, refused, used = judge(block, last)
        rest = b"" if last else block[used:]
        if len(rest) > LONGEST and b"\n" not in rest + fresh:
            refused.append((as_text(rest), TOO_LONG))
            while fresh and b"\n" not in fresh:
                fresh = stream.read(BLOCK)
            rest, fresh = b"", fresh.partition(b"\n")[2] or stream.read(BLOCK)
        yield rows, refused


def batched(parts: Iterable[tuple[pl.DataFrame, list[Refused]]], rows: int) -> Iterator[Batch]:
    """Batches of so many rows, the last one of fewer, with the records that were refused meanwhile."""
    waiting, refused, size = pl.DataFrame(), [], 0
    for frame, bad in parts:
        waiting = pl.concat([waiting, frame]) if waiting.width else frame
        refused += bad
        size += sum(len(text) for text, _ in bad)
        while waiting.height >= rows or size >= MOST_REFUSED:
            full = waiting.height >= rows
            yield Batch(waiting.head(rows if full else 0), _frame(refused))
            waiting, refused, size = waiting.slice(rows if full else 0), [], 0
    if waiting.width:
        yield Batch(waiting, _frame(refused))


def _frame(refused: list[Refused]) -> pl.DataFrame | None:
    return pl.DataFrame(refused, schema={LINE: pl.String, REASON: pl.String}, orient="row") if refused else None


def as_text(record: bytes) -> str:
    """A record as it is kept when it is refused; a bad byte becomes a sign for it."""
    return record[:LONGEST].decode(errors="replace").rstrip("\r\n")


def has_long_line(block: bytes) -> bool:
    """Whether one of the lines is longer than a row may be."""
    start = 0
    while len(block) - start > LONGEST:
        start, before = block.rfind(b"\n", start, start + LONGEST) + 1, start
        if start <= before:
            return True
    return False


def is_utf8(text: bytes) -> bool:
    """Whether bytes are text."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
