"""Where events come from, and how each source says where a consumer is in it: a pipe, and a file that grows."""

from __future__ import annotations

import glob
import os
import select
import stat
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
COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"}

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
        UnreachableSource: it is no file, or cannot be read.
    """

    def __init__(self, path: Path, reader: EventReader) -> None:
        super().__init__(reader)
        self._path = path
        _refuse_unreadable(path)

    def begin(self) -> str:
        """The file's first line."""
        state = _state(self._path)
        return str(Place(state.st_ino if state else 0, 0))

    def read(self, position: str, most: int) -> Portion:
        """The whole lines that are there: of a file that was rotated, first what is left of the old one."""
        for path, start, why in self._candidates(Place.of(position)):
            try:
                lines = list(_lines(path, start, most, closed=path != self._path and self._is_written()))
            except FileNotFoundError:  # it was renamed just now: the next look finds it, and passes nothing over
                return []
            if lines:
                self.told += [why] * bool(why)
                judged = self._reader.judge([line for line, _ in lines])
                return [(one, str(after)) for one, (_, after) in zip(judged, lines, strict=True)]
        return []

    def behind(self, position: str) -> int:
        """Lines from there to the end, of each file by the length of those that come first."""
        return sum(_count(path, start.offset) for path, start, _ in self._candidates(Place.of(position)))

    def _is_written(self) -> bool:
        """Whether the new file has something in it: then nobody writes to those that were rotated any more."""
        state = _state(self._path)
        return state is not None and state.st_size > 0

    def _candidates(self, place: Place) -> Iterator[tuple[Path, Place, str]]:
        """The files to look into, one after the other, from where on, and what is to be told of it."""
        state = _state(self._path)
        if state is not None and not os.access(self._path, os.R_OK):
            _refuse_unreadable(self._path)
        if state is None or state.st_ino != place.inode:
            yield from self._rotated(place, state)
            return
        if _has(self._path, place):
            yield self._path, place, ""
        else:
            why = f"{self._path.name} was truncated or written anew: it is read from its beginning"
            yield self._path, Place(state.st_ino, 0), why

    def _rotated(self, place: Place, state: os.stat_result | None) -> Iterator[tuple[Path, Place, str]]:
        """What is left of the old file, those that were written and rotated since, oldest first, and the new one."""
        others = self._neighbours()
        old = next((one for one, _ in others if one.st_ino == place.inode), None)
        skipped = ""
        for one, path in others:
            if one is not old and (old is None or one.st_mtime_ns <= old.st_mtime_ns):
                continue  # what is older was read before
            if path.suffix in COMPRESSED or not os.access(path, os.R_OK):
                skipped += f"; {path.name}, rotated since, cannot be read"
            elif one is old:
                yield path, place, ""
            else:
                yield path, Place(one.st_ino, 0), f"{self._path.name} was rotated: {path.name} is read now{skipped}"
        if old is None:
            skipped = "; what was left of the old one is not there any more, and was not read"
            skipped += ", nor was what was rotated since" * bool(others)
        if state is not None:
            why = f"{self._path.name} was rotated: the new file is read now{skipped}"
            yield self._path, Place(state.st_ino, 0), why

    def _neighbours(self) -> list[tuple[os.stat_result, Path]]:
        """Files that this one may have been renamed to, oldest first."""
        paths = self._path.parent.glob(f"{glob.escape(self._path.name)}*")
        found = [(_state(path), path) for path in paths if path != self._path]
        there = [(one, path) for one, path in found if one is not None and stat.S_ISREG(one.st_mode)]
        return sorted(there, key=lambda one: one[0].st_mtime_ns)


def _refuse_unreadable(path: Path) -> None:
    """Refuse what is no file, as a folder or a named pipe, for which a reader would wait, or may not be read."""
    fix = "name a file of JSON lines that is there, or make an empty one"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreachableSource(f"events in {path}", "it is no file", fix)
        path.open("rb").close()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = f"it cannot be read ({getattr(error, 'strerror', error)})"
        raise UnreachableSource(f"events in {path}", why, fix) from error


def _state(path: Path) -> os.stat_result | None:
    """What is known of a file; None of one that was renamed or removed just now."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _has(path: Path, place: Place) -> bool:
    """Whether a file still has what was read of it; of one renamed just now the next look says."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size >= place.offset and place.is_in(file)
    except FileNotFoundError:
        return True


def _count(path: Path, offset: int) -> int:
    """Lines behind a byte: of many, an estimate by those that come first."""
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size - offset
            file.seek(offset)
            lines = file.read(CHUNK).count(b"\n")
    except FileNotFoundError:
        return 0
    return lines if left <= CHUNK else lines * left // CHUNK


def _lines(path: Path, start: Place, most: int, *, closed: bool) -> Iterator[tuple[bytes, Place]]:
    """Whole lines from a place on, each with the place behind it; one that is too long comes in pieces.

    Of a file that is `closed`, so is the last one, though it has no end.

    Raises:
        FileNotFoundError: another file is there now.
    """
    place = start
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_ino != start.inode:
            raise FileNotFoundError(path)
        file.seek(start.offset)
        for _ in range(most):
            line = file.readline(LONGEST + 1)
            if not line or not (line.endswith(b"\n") or len(line) > LONGEST or closed):
                return  # it is the end, or somebody is writing it
            place = place.after(line)
            yield line, place
