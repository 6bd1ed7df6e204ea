"""Where events come from, and how each source says where a consumer is in it: a pipe, and a file that grows."""

from __future__ import annotations

import glob
import os
import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from zlib import crc32

from arrivals.events import EventReader, Judged
from arrivals.text_blocks import LONGEST
from errors import UnreachableSource

BEFORE = 64  # bytes before a position by which a file is known again
CHUNK = 1 << 20

Portion = list[tuple[Judged, str]]
"""Events, each with the position behind it."""


class Source(Protocol):
    """Events in an order that stays: what is read from a position on is the same every time.

    `told` are sentences about what a person should know of it; `ends` says that it comes to an end by itself, and
    `ended` that it has; `checked` that duplicates and what came late were dealt with when the rows arrived.
    """

    told: list[str]
    ends: bool
    ended: bool
    checked: bool

    def begin(self) -> str:
        """The position of a consumer that has read nothing."""

    def read(self, position: str, most: int) -> Portion:
        """The next events that are there, at most so many; it waits for none."""

    def behind(self, position: str) -> int:
        """How many events are there that were not read; of very many an estimate."""

    def past(self, position: str) -> str:
        """The same position, but behind what the champion has learned already."""

    def spoiled(self, since: str, until: str) -> bool:
        """Whether anything between two positions was recalled."""

    def lineage(self, since: str, until: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Digests of the partitions that lie between two positions as a whole, and in part."""


class Stream:
    """What all sources of single events share: nothing else learns them, and nobody recalls them."""

    checked, ends, ended = False, False, False

    def __init__(self, reader: EventReader) -> None:
        self._reader, self.told = reader, list[str]()

    def past(self, position: str) -> str:
        """The same."""
        return position

    def spoiled(self, _since: str, _until: str) -> bool:
        """Never."""
        return False

    def lineage(self, _since: str, _until: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """None."""
        return (), ()


class Pipe(Stream):
    """JSON lines on standard input. Nobody can go back in it: what was read and not kept is lost with the process."""

    ends = True

    def __init__(self, reader: EventReader, descriptor: int | None = None) -> None:
        super().__init__(reader)
        self._rest, self._lines = b"", list[bytes]()
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor

    def begin(self) -> str:
        """There is only one."""
        return ""

    def read(self, position: str, most: int) -> Portion:
        """The lines that are there."""
        while len(self._lines) < most and not self.ended and select.select([self._descriptor], [], [], 0)[0]:
            chunk = os.read(self._descriptor, CHUNK)
            self.ended = not chunk
            *whole, self._rest = (self._rest + (chunk or b"\n" * bool(self._rest))).split(b"\n")
            self._lines += filter(bytes.strip, whole)
        taken, self._lines = self._lines[:most], self._lines[most:]
        return [(one, position) for one in self._reader.judge(taken)]

    def behind(self, _position: str) -> int:
        """The lines that were read ahead."""
        return len(self._lines)


@dataclass(frozen=True)
class Place:
    """A place in a file: which file, how far, and a checksum of the bytes before it.

    Example:
        >>> Place.of(str(Place(7, 120, 30, 99)))
        Place(inode=7, offset=120, length=30, checksum=99)
    """

    inode: int
    offset: int
    length: int = 0
    checksum: int = 0

    def __str__(self) -> str:
        return f"{self.inode}:{self.offset}:{self.length}:{self.checksum}"

    @classmethod
    def of(cls, position: str) -> Place:
        """The place that a position says."""
        return cls(*map(int, position.split(":")))

    def after(self, line: bytes) -> Place:
        """The place behind a line."""
        last = line[-BEFORE:]
        return Place(self.inode, self.offset + len(line), len(last), crc32(last))

    def is_in(self, file: BinaryIO) -> bool:
        """Whether the file still has what was read of it before this place."""
        file.seek(max(0, self.offset - self.length))
        return crc32(file.read(self.length)) == self.checksum


class GrowingFile(Stream):
    """JSON lines in a file that others add to; it may be rotated: renamed, with a new one in its place.

    Args:
        path: the file.
        reader: reads its lines.

    Raises:
        UnreachableSource: there is no such file.
    """

    def __init__(self, path: Path, reader: EventReader) -> None:
        super().__init__(reader)
        self._path = path
        self._state()

    def begin(self) -> str:
        """The file's first line."""
        return str(Place(self._state().st_ino, 0))

    def read(self, position: str, most: int) -> Portion:
        """The whole lines that are there: of a file that was rotated, first what is left of the old one."""
        place = Place.of(position)
        for path, start, why in self._candidates(place):
            lines = list(_lines(path, start, most))
            if lines:
                self.told += [why] * bool(why)
                judged = self._reader.judge([line for line, _ in lines])
                return [(one, str(after)) for one, (_, after) in zip(judged, lines, strict=True)]
        return []

    def behind(self, position: str) -> int:
        """Lines from there to the end, by the length of those that come first."""
        for path, start, _ in self._candidates(Place.of(position)):
            left = path.stat().st_size - start.offset
            with path.open("rb") as file:
                file.seek(start.offset)
                chunk = file.read(CHUNK)
            if lines := chunk.count(b"\n"):
                return lines if left <= CHUNK else lines * left // CHUNK
        return 0

    def _candidates(self, place: Place) -> Iterator[tuple[Path, Place, str]]:
        """The files to look into, one after the other, from where on, and what is to be told of it."""
        state = self._state()
        if state.st_ino != place.inode:
            old = next((path for path in self._neighbours() if path.stat().st_ino == place.inode), None)
            if old:
                yield old, place, ""
            lost = "" if old else "; what was left of the old one is not there any more, and was not read"
            yield self._path, Place(state.st_ino, 0), f"{self._path.name} was rotated: the new file is read now{lost}"
            return
        with self._path.open("rb") as file:
            whole = state.st_size >= place.offset and place.is_in(file)
        if whole:
            yield self._path, place, ""
        else:
            why = f"{self._path.name} was truncated or written anew: it is read from its beginning"
            yield self._path, Place(state.st_ino, 0), why

    def _neighbours(self) -> Iterator[Path]:
        """Files that this one may have been renamed to."""
        return (path for path in self._path.parent.glob(f"{glob.escape(self._path.name)}*") if path.is_file())

    def _state(self) -> os.stat_result:
        try:
            return self._path.stat()
        except OSError as error:
            why = f"it cannot be read ({error.strerror})"
            fix = "name a file of JSON lines that is there, or make an empty one"
            raise UnreachableSource(f"events in {self._path}", why, fix) from error


def _lines(path: Path, start: Place, most: int) -> Iterator[tuple[bytes, Place]]:
    """Whole lines from a place on, each with the place behind it; one that is too long comes in pieces."""
    place = start
    with path.open("rb") as file:
        file.seek(start.offset)
        for _ in range(most):
            line = file.readline(LONGEST + 1)
            if not line.endswith(b"\n") and len(line) <= LONGEST:
                return  # somebody is writing it
            place = place.after(line)
            yield line, place
