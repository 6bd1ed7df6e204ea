"""Which keys were taken before, found in bounded memory at a cost that hardly grows with history.

The index is a log-structured merge of sorted arrays of key hashes: one *run* a partition, every FANOUT runs merged
into one of the next level (O'Neil et al., "The log-structured merge-tree", Acta Informatica 33, 1996). A run is
named by the digests of the partitions it covers, so a stale, missing or foreign run can never be mistaken for
another: the folder is a cache, and whatever is missing is made again from the partitions themselves.
docs/adr/0005 tells why.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from arrivals.keys import HIGH, LOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Entries = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint8]]

FANOUT = 8
WINDOW = 1 << 22  # entries looked at or merged at a time
LABELLED = "labelled"
KINDS: tuple[np.dtype[Any], ...] = (np.dtype("<u8"), np.dtype("<u8"), np.dtype("<u4"), np.dtype("u1"))
"""A key's hash in two halves, which of the run's partitions has it, and whether its label was there."""
ENTRY_BYTES = sum(kind.itemsize for kind in KINDS)
TRAILER: np.dtype[Any] = np.dtype("<u8")  # how many entries there are, so that a torn file is known


@dataclass(frozen=True)
class Member:
    """A partition as the index knows it.

    Args:
        digest: gives its digest, which may still be worked out.
        time_from: the first event time.
        time_to: the last event time.
    """

    digest: Callable[[], str]
    time_from: datetime
    time_to: datetime


class KeyIndex:
    """The keys of a model's partitions, in the order in which they were taken.

    Args:
        folder: where runs are kept.
        load: gives a partition's rows (hashes and whether they are labelled) where its run is missing.
        by_time: the key contains the time, so partitions of other times need not be looked at.
    """

    def __init__(self, folder: Path, load: Callable[[str], pl.DataFrame], *, by_time: bool) -> None:
        self._folder, self._load, self._by_time = folder, load, by_time
        self._members: list[Member] = []
        self._runs: dict[tuple[int, int], _Run] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        """How many partitions it covers."""
        return len(self._members)

    def extend(self, members: Iterable[Member]) -> None:
        """Cover further partitions."""
        self._members += members

    def cut(self, partitions: int) -> None:
        """Cover the first so many partitions only."""
        del self._members[partitions:]
        self._runs = {span: run for span, run in self._runs.items() if span[1] <= partitions}

    def common(self, some: Sequence[Member], others: Sequence[Member]) -> bool:
        """Whether any of these partitions shares a key with any of the others."""
        for member in some:
            mine = self._run([member])
            for start in range(0, len(mine), WINDOW):
                high, low = (mine.column(number, start, min(start + WINDOW, len(mine))) for number in (0, 1))
                if any(len(_search(self._run([other]), high, low).row) for other in others):
                    return True
        return False

    def write(self, digest: str, rows: pl.DataFrame) -> None:
        """Write a partition's run from its keys at hand, sorted by HIGH, so that it need not be read again."""
        _write(self._folder / _name([digest]), [_entries(rows)], rows.height)

    def find(self, hashes: pl.DataFrame) -> pl.DataFrame:
        """Find keys in every partition that has them.

        Args:
            hashes: HIGH, LOW and `time` (microseconds) of the keys, sorted by HIGH.

        Returns:
            `row` (of `hashes`), `sequence` (of the partition, from 1) and `labelled`; a row for each find.
        """
        times = hashes["time"].cast(pl.Datetime("us", "UTC"))
        span = (times.min(), times.max()) if self._by_time else (None, None)
        high, low = hashes[HIGH].to_numpy(), hashes[LOW].to_numpy()
        found = [_Finds.none()]
        for start, stop in _runs(len(self._members)):
            members = self._members[start:stop]
            if len(high) and not _apart(members, span):
                if (start, stop) not in self._runs:
                    self._runs[start, stop] = self._run(members)
                finds = _search(self._runs[start, stop], high, low)
                found.append(_Finds(finds.row, finds.member + start + 1, finds.labelled))
        every = _Finds.joined(found)
        return pl.DataFrame({"row": every.row, "sequence": every.member, LABELLED: every.labelled})

    def _run(self, members: Sequence[Member]) -> _Run:
        """The run of these partitions, made if it is missing."""
        digests = [member.digest() for member in members]
        path = self._folder / _name(digests)
        if not _is_whole(path):
            if len(members) == 1:
                self.write(digests[0], self._load(digests[0]))
            else:
                size = len(members) // FANOUT
                parts = [members[at : at + size] for at in range(0, len(members), size)]
                _merge(path, [self._run(part) for part in parts], size)
        return _Run(path)


@dataclass(frozen=True)
class _Finds:
    row: NDArray[np.int64]
    member: NDArray[np.int64]
    labelled: NDArray[np.bool_]

    @classmethod
    def none(cls) -> _Finds:
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, np.empty(0, np.bool_))

    @classmethod
    def joined(cls, parts: Sequence[_Finds]) -> _Finds:
        rows, members, labels = zip(*((part.row, part.member, part.labelled) for part in parts), strict=True)
        return cls(np.concatenate(rows), np.concatenate(members), np.concatenate(labels))


def _runs(members: int) -> list[tuple[int, int]]:
    """Cut n partitions into runs whose sizes are powers of FANOUT, the largest first, as digits of n tell."""
    cuts, start = [], 0
    for level in reversed(range(64)):
        size = FANOUT**level
        while members - start >= size:
            cuts.append((start, start + size))
            start += size
        if start == members:
            break
    return cuts


def _apart(members: Sequence[Member], span: tuple[object, object]) -> bool:
    """Whether no partition covers any of the span's times."""
    low, high = span
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return False
    return all(member.time_to < low or high < member.time_from for member in members)


def _name(digests: Sequence[str]) -> str:
    """The run's file name: what it covers, in order."""
    return hashlib.sha256(f"{FANOUT} {' '.join(digests)}".encode()).hexdigest()


def _entries(rows: pl.DataFrame) -> Entries:
    member = np.zeros(rows.height, np.uint32)
    return (rows[HIGH].to_numpy(), rows[LOW].to_numpy(), member, rows[LABELLED].to_numpy().astype(np.uint8))


@dataclass(frozen=True)
class _Run:
    """A run's file: four arrays one after the other, the hashes' high halves first, sorted; then their length."""

    path: Path

    def __len__(self) -> int:
        return (self.path.stat().st_size - TRAILER.itemsize) // ENTRY_BYTES

    def column(self, number: int, start: int, stop: int) -> NDArray[Any]:
        """A stretch of one array, mapped by itself, so that looking at a long run does not fill memory."""
        kind = KINDS[number]
        offset = len(self) * sum(kind.itemsize for kind in KINDS[:number]) + start * kind.itemsize
        return np.memmap(self.path, kind, "r", offset, (stop - start,)) if stop > start else np.empty(0, kind)

    def place(self, high: int) -> int:
        """The first entry whose high half is not below this number."""
        return int(np.searchsorted(self.column(0, 0, len(self)), np.uint64(high)))


def _write(path: Path, stretches: Iterable[Entries], length: int) -> None:
    """Write under a name of our own, then rename: another process may be making the same run."""
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as target:
        target.truncate(length * ENTRY_BYTES)
        start = 0
        for entries in stretches:
            offset = 0
            for number, kind in enumerate(KINDS):
                target.seek(offset + start * kind.itemsize)
                target.write(np.ascontiguousarray(entries[number], kind).data.cast("B"))
                offset += length * kind.itemsize
            start += len(entries[0])
        target.seek(length * ENTRY_BYTES)
        target.write(TRAILER.type(length).tobytes())
        target.flush()
        os.fsync(target.fileno())  # a torn run would make known keys look new
    partial.replace(path)


def _is_whole(path: Path) -> bool:
    """Whether a run's file is there, as long as its last bytes say."""
    try:
        with path.open("rb") as file:
            length, rest = divmod(file.seek(0, os.SEEK_END) - TRAILER.itemsize, ENTRY_BYTES)
            if length < 0 or rest:
                return False
            file.seek(-TRAILER.itemsize, os.SEEK_END)
            return int(np.frombuffer(file.read(), TRAILER)[0]) == length
    except FileNotFoundError:
        return False


def _search(run: _Run, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> _Finds:
    """Every entry of the run whose hash is asked for; `high` is sorted."""
    found = [_Finds.none()]
    for start in range(0, len(run), WINDOW):
        stop = min(start + WINDOW, len(run))
        keys = run.column(0, start, stop)
        first, last = np.searchsorted(high, keys[0], "left"), np.searchsorted(high, keys[-1], "right")
        asked = high[first:last]
        at = np.searchsorted(keys, asked)
        for step in count():  # one key has several entries where its label came later, or it was taken again
            place = np.minimum(at + step, len(keys) - 1)
            same = (at + step < len(keys)) & (keys[place] == asked)
            if not same.any():
                break
            hits = np.flatnonzero(same)
            lows, members, labels = (run.column(number, start, stop)[place[hits]] for number in (1, 2, 3))
            sure = lows == low[first:last][hits]
            found.append(_Finds((hits + first)[sure], members[sure].astype(np.int64), labels[sure].astype(np.bool_)))
    return _Finds.joined(found)


def _merge(path: Path, runs: Sequence[_Run], size: int) -> None:
    """Merge runs of `size` partitions each into one, a stretch of hash values at a time."""
    total = sum(len(run) for run in runs)
    cuts = max(1, total // WINDOW)
    bounds = [cut * (2**64 // cuts) for cut in range(1, cuts)]
    edges = [[0, *(run.place(bound) for bound in bounds), len(run)] for run in runs]

    def stretches() -> Iterator[Entries]:
        for cut in range(cuts):
            spans = [(run, edge[cut], edge[cut + 1]) for run, edge in zip(runs, edges, strict=True)]
            high, low, member, labelled = (
                np.concatenate([run.column(number, a, b) for run, a, b in spans]) for number in range(len(KINDS))
            )
            member += np.repeat(np.arange(len(runs)) * size, [b - a for _, a, b in spans]).astype(np.uint32)
            order = np.argsort(high, kind="stable")
            yield high[order], low[order], member[order], labelled[order]

    _write(path, stretches(), total)
