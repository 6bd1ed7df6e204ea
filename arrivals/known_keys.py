"""Which keys were taken before: a Parquet file of key hashes a partition, and a join with those of a batch.

The folder is a cache. A file is named by the digests of the partitions that it covers and has its own digest beside
it, so one that is missing, torn, changed or another registry's is never believed: it is made again from the
partitions. docs/adr/0011 tells why and what it costs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, cast

import polars as pl

from arrivals.keys import HIGH, LABELLED, LOW, ROW, SEQUENCE, TIME
from db.arrival_records import LedgerEntry, NewPartition
from evergreen_client.durable import written_whole

FANOUT = 8  # so many files become one, or every look-up would open a file for each partition there ever was
LARGEST = 1 << 28  # bytes of files that are sorted into one: the memory which that takes is about three times as much
PLACE = "place"  # of a key's partition among those that its file covers
NOTHING = pl.DataFrame(schema={ROW: pl.Int64, SEQUENCE: pl.Int64, LABELLED: pl.Boolean})


class _Run(NamedTuple):
    """A file of keys, checked and sorted by HIGH; the numbers HIGH are kept in memory, eight bytes a key."""

    path: Path
    before: int  # partitions before its first one
    high: pl.Series


class KnownKeys:
    """The keys of a model's partitions, in the order in which these were taken.

    Args:
        folder: where the files are kept.
        load: gives HIGH, LOW and LABELLED of the partition of a sequence number, sorted by HIGH.
        by_time: the key contains the time, so partitions of other times need not be asked.
    """

    def __init__(self, folder: Path, load: Callable[[int], pl.DataFrame], *, by_time: bool) -> None:
        self._folder, self._load, self._by_time = folder, load, by_time
        self._partitions: list[LedgerEntry | NewPartition] = []
        self._runs: dict[tuple[int, int], list[_Run]] = {}

    def __len__(self) -> int:
        """How many partitions are covered."""
        return len(self._partitions)

    def extend(self, partitions: Iterable[LedgerEntry | NewPartition]) -> None:
        """Cover further partitions."""
        self._partitions += partitions

    def cut(self, count: int) -> None:
        """Cover the first so many partitions only."""
        del self._partitions[count:]
        self._runs = {span: runs for span, runs in self._runs.items() if span[1] <= count}

    def write(self, digest: str, keys: pl.DataFrame) -> None:
        """Write the file of a partition whose keys are at hand, so that it need not be read for them."""
        place = pl.lit(0, pl.UInt32).alias(PLACE)
        _write(self._path([digest]), keys.lazy().select(HIGH, LOW, place, LABELLED))

    def find(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Find keys (ROW, HIGH, LOW, TIME) in every partition that has them: ROW, SEQUENCE and LABELLED of each find.

        A join would read every known key for each batch of a few thousand. Searching the sorted numbers HIGH leaves
        nearly none that are not known indeed; only for these is a file joined, which is sure (LOW) and tells the rest.
        """
        found, spans = [NOTHING], list(_spans(len(self._partitions))) if keys.height else []
        for first, last in spans:
            if self._by_time and _apart(self._partitions[first:last], keys[TIME]):
                continue
            if (first, last) not in self._runs:
                files = self._files(first, last)
                self._runs[first, last] = [_Run(*file, _scan(file[0]).select(HIGH).collect()[HIGH]) for file in files]
            for path, before, high in self._runs[first, last]:
                start, stop = (high.search_sorted(keys[HIGH], side) for side in ("left", "right"))
                if (maybe := keys.lazy().select(ROW, HIGH, LOW).filter(start < stop)).select(pl.len()).collect().item():
                    finds = _scan(path).join(maybe, on=[HIGH, LOW])
                    sequence = pl.col(PLACE).cast(pl.Int64) + before + 1
                    found.append(finds.select(ROW, sequence.alias(SEQUENCE), LABELLED).collect(engine="streaming"))
        self._runs = {span: runs for span, runs in self._runs.items() if span in spans}
        return pl.concat(found)

    def shared(self, some: Sequence[NewPartition], after: int) -> bool:
        """Whether any of these partitions may have a key of one that was taken after the first so many."""
        mine = [self._path([partition.digest]) for partition in some]
        theirs = [self._files(place, place + 1)[0][0] for place in range(after, len(self._partitions))]
        if not (mine and theirs and all(map(_is_whole, mine))):
            return bool(mine and theirs)
        return not _scan(mine).join(_scan(theirs), on=[HIGH, LOW], how="semi").head(1).collect().is_empty()

    def _path(self, digests: Sequence[str]) -> Path:
        return self._folder / f"{hashlib.sha256(' '.join(digests).encode()).hexdigest()}.parquet"

    def _files(self, first: int, last: int) -> list[tuple[Path, int]]:
        """The files of these partitions, made where they are missing, each with the number of partitions before it."""
        path = self._path([partition.digest for partition in self._partitions[first:last]])
        if not _is_whole(path) and last - first == 1:
            self.write(self._partitions[first].digest, self._load(last))
        elif not _is_whole(path):
            size = (last - first) // FANOUT
            parts = [part for start in range(first, last, size) for part in self._files(start, start + size)]
            if sum(part.stat().st_size for part, _ in parts) > LARGEST:
                return parts
            _write(
                path, pl.concat(_scan(part).with_columns(pl.col(PLACE) + (before - first)) for part, before in parts)
            )
        return [(path, first)]


def _spans(count: int) -> Iterator[tuple[int, int]]:
    """Cut n partitions into spans whose lengths are powers of FANOUT, the longest first."""
    start = 0
    while start < count:
        size = 1
        while start + size * FANOUT <= count:
            size *= FANOUT
        yield start, start + size
        start += size


def _apart(partitions: Iterable[LedgerEntry | NewPartition], times: pl.Series) -> bool:
    """Whether no partition covers any time between the first and the last of these."""
    first, last = cast("datetime", times.min()), cast("datetime", times.max())
    return all(partition.time_to < first or last < partition.time_from for partition in partitions)


def _scan(path: Path | list[Path]) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False)


def _write(path: Path, keys: pl.LazyFrame) -> None:
    """Write keys and then, beside them, their digest; nothing is waited for, since a torn file will be noticed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, sync=False) as temporary:
        keys.sort(HIGH).sink_parquet(temporary, compression="uncompressed")  # hashes cannot be compressed
        digest = _digest(temporary, path.name)
    with written_whole(path.with_suffix(".sha256"), sync=False) as temporary:
        temporary.write_text(digest)


def _is_whole(path: Path) -> bool:
    """Whether a file is there with the bytes that were written, under the name that it was written for."""
    try:
        return path.with_suffix(".sha256").read_text() == _digest(path, path.name)
    except (OSError, ValueError):
        return False


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(name.encode())
    return digest.hexdigest()
