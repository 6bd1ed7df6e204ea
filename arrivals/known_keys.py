"""Which keys were taken before, and what with: a Parquet file of hashes a partition, and a join with those of a batch.

The folder is a cache. A file is named by the digests of the partitions that it covers and by what its hashes mean, and
has its checksum beside it, so one that is missing, torn, changed or another registry's is never believed: it is made
again from the partitions. docs/adr/0011 tells why and what it costs.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import polars as pl

from arrivals.contents import FEATURES, LABEL
from arrivals.keys import HIGH, LOW, ROW, SEQUENCE, TIME
from db.arrival_records import LedgerEntry, NewPartition
from evergreen_client.durable import written_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

FANOUT = 8  # so many files become one, or every look-up would open a file for each partition there ever was
LARGEST = 1 << 24  # keys that are sorted at once, in some 70 bytes of memory each
TRIES = 4
SMALL, AT_HAND = 10_000, 128  # keys of a partition; partitions so small whose keys are kept in memory
CHECKSUM = ".crc32"  # of the whole file, and of HIGH alone
WHOLE, ONLY_HIGH = 0, 1
PLACE = "place"  # of a key's partition among those that its file covers
NOTHING = pl.DataFrame(schema={ROW: pl.Int64, SEQUENCE: pl.Int64, FEATURES: pl.UInt64, LABEL: pl.UInt64})


class Storing(NamedTuple):
    """A partition while it is being stored; nothing else of it is known yet."""

    partition: Future[NewPartition]
    time_from: datetime
    time_to: datetime


class _Run(NamedTuple):
    """A file of keys; its sorted numbers HIGH were checked, and are kept in memory, eight bytes a key."""

    path: Path
    before: int  # partitions before its first one
    high: NDArray[np.uint64]


class KnownKeys:
    """The keys of a model's partitions, in the order in which these were taken.

    Args:
        folder: where the files are kept.
        load: gives HIGH, LOW, FEATURES and LABEL of the partition of a sequence number, sorted by HIGH.
        meaning: of these numbers; files of another meaning are never read.
        by_time: the key contains the time, so partitions of other times need not be asked.
    """

    def __init__(self, folder: Path, load: Callable[[int], pl.DataFrame], *, meaning: str, by_time: bool) -> None:
        self._folder, self._load, self._meaning, self._by_time = folder, load, meaning, by_time
        self._partitions: list[LedgerEntry | NewPartition] = []
        self._runs: dict[tuple[int, int], list[_Run]] = {}
        self._whole: set[Path] = set()  # files that were checked to the last byte
        self._small: dict[Path, pl.DataFrame] = {}  # what files of small partitions will hold, until they are merged

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
        """Take note of a partition whose keys are at hand, so that it need not be read for them."""
        keys = _alone(keys)
        if keys.height <= SMALL and len(self._small) < AT_HAND:  # a file for each of many small ones would cost most
            self._small[self._path([digest])] = keys
            return
        with suppress(OSError, pl.exceptions.PolarsError):  # it is made when it is asked for
            _write(self._path([digest]), keys)

    def save(self) -> None:
        """Write what is in memory only, for those that ask next."""
        with suppress(OSError, pl.exceptions.PolarsError):
            while self._small:
                path, keys = self._small.popitem()
                _write(path, keys)

    def find(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Find keys as `_find` does, whoever empties the folder meanwhile; if it is of no use, without files."""
        for _ in range(TRIES):
            with suppress(OSError, ValueError, pl.exceptions.PolarsError):
                return self._find(keys)
            self._runs.clear()
            self._whole.clear()
        found = [NOTHING]
        for sequence, partition in enumerate(self._partitions, 1):
            if not self.apart([partition], keys[TIME]):
                finds = self._load(sequence).join(keys.select(HIGH, LOW, ROW), on=[HIGH, LOW])
                found.append(finds.with_columns(pl.lit(sequence, pl.Int64).alias(SEQUENCE)).select(NOTHING.columns))
        return pl.concat(found)

    def _find(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Find keys (ROW, HIGH, LOW, TIME) in all partitions that have them: ROW, SEQUENCE, FEATURES, LABEL of each.

        A join would read every known key for each batch of a few thousand. Searching the sorted numbers HIGH leaves
        nearly none that are not known indeed; only for these is a file joined, which is sure (LOW) and tells the rest,
        and only then is all of it checked: most files are never asked for more than HIGH.
        """
        found, spans = [NOTHING], list(_spans(len(self))) if keys.height else []
        asked, keyed = keys[HIGH].to_numpy(), keys.lazy().select(HIGH, LOW, ROW)
        for first, last in spans:
            if self.apart(self._partitions[first:last], keys[TIME]):
                continue
            if (first, last) not in self._runs:
                self._runs[first, last] = [run for run in self._made(first, last) if len(run.high)]
            for path, before, high in self._runs[first, last]:
                maybe = high[np.searchsorted(high[:-1], asked)] == asked
                if maybe.any():
                    if not self._is_whole(path):
                        path.unlink(missing_ok=True)
                        self._runs.clear()
                        return self._find(keys)
                    finds = self._rows(path).join(keyed.filter(pl.Series(maybe)), on=[HIGH, LOW])
                    sequence = (pl.col(PLACE).cast(pl.Int64) + (before + 1)).alias(SEQUENCE)
                    found.append(finds.select(ROW, sequence, FEATURES, LABEL).collect(engine="streaming"))
        self._runs = {span: runs for span, runs in self._runs.items() if span in spans}
        return pl.concat(found)

    def apart(self, partitions: Iterable[LedgerEntry | NewPartition | Storing], times: pl.Series) -> bool:
        """Whether the keys contain the time, and these partitions cover none of the span of these times."""
        if not self._by_time or times.is_empty():
            return False
        first, last = cast("datetime", times.min()), cast("datetime", times.max())
        return all(partition.time_to < first or last < partition.time_from for partition in partitions)

    def shared(self, some: Iterable[NewPartition], after: int) -> bool:
        """Whether any of these partitions may have a key of one that was taken after the first so many."""
        with suppress(OSError, ValueError, pl.exceptions.PolarsError):
            return self._shared(some, after)
        return True

    def _shared(self, some: Iterable[NewPartition], after: int) -> bool:
        theirs = [self._made(place, place + 1, whole=True)[0].path for place in range(after, len(self))]
        for path in (self._path([partition.digest]) for partition in some):
            if not self._is_whole(path):
                return True
            taken = [self._rows(path).join(self._rows(other), on=[HIGH, LOW], how="semi") for other in theirs]
            if taken and pl.concat(taken).head(1).collect().height:
                return True
        return False

    def _path(self, digests: Sequence[str]) -> Path:
        named = " ".join((self._meaning, *digests))
        return self._folder / f"{hashlib.sha256(named.encode()).hexdigest()}.parquet"

    def _is_whole(self, path: Path) -> bool:
        """Whether every byte of a file is as it was written; each file is read for this once."""
        if path not in self._whole and path not in self._small:
            with suppress(OSError, ValueError):
                _check(path.read_bytes(), path, WHOLE)
                self._whole.add(path)
        return path in self._whole or path in self._small

    def _rows(self, path: Path) -> pl.LazyFrame:
        """What a file holds, or will hold."""
        small = self._small.get(path)
        return pl.scan_parquet(path, glob=False) if small is None else small.lazy()

    def _made(self, first: int, last: int, *, whole: bool = False) -> list[_Run]:
        """The run of these partitions, made if it is not there or is changed; or several, where one would be too large.

        Args:
            first: how many partitions come before them.
            last: how many come before the end of them.
            whole: more than HIGH is read from it.
        """
        path = self._path([partition.digest for partition in self._partitions[first:last]])
        if (small := self._small.get(path)) is not None:
            return [_Run(path, first, small[HIGH].to_numpy())]
        if not whole or self._is_whole(path):
            with suppress(OSError, ValueError):
                return [_Run(path, first, _read(path))]
        if last - first == 1:
            _write(path, _alone(self._load(last)))
        else:
            size = (last - first) // FANOUT
            parts = [part for start in range(first, last, size) for part in self._made(start, start + size, whole=True)]
            if sum(len(part.high) for part in parts) > LARGEST:
                return parts
            places = (self._rows(part.path).with_columns(pl.col(PLACE) + (part.before - first)) for part in parts)
            _write(path, pl.concat(places))
            for part in parts:
                self._small.pop(part.path, None)
        return [_Run(path, first, _read(path))]


def _spans(count: int) -> Iterator[tuple[int, int]]:
    """Cut n partitions into spans whose lengths are powers of FANOUT, the longest first."""
    start = 0
    while start < count:
        size = 1
        while start + size * FANOUT <= count:
            size *= FANOUT
        yield start, start + size
        start += size


def _alone(keys: pl.DataFrame) -> pl.DataFrame:
    """Keys as the file of their partition alone holds them."""
    return keys.select(HIGH, LOW, pl.lit(0, pl.UInt32).alias(PLACE), FEATURES, LABEL).sort(HIGH)


def _write(path: Path, keys: pl.DataFrame | pl.LazyFrame) -> None:
    """Write keys, sorted ones if it is a frame, and their checksums beside them.

    The disk is not waited for, since a torn file is noticed.
    """
    _make_way(path)
    with written_whole(path, sync=False) as temporary:
        keys.lazy().sort(HIGH).sink_parquet(temporary, compression="uncompressed")  # hashes cannot be compressed
        high = _high(temporary) if isinstance(keys, pl.LazyFrame) else keys[HIGH].to_numpy()
        checksums = [_checksum(temporary.read_bytes(), path), _checksum(high.data, path)]
    _make_way(path.with_suffix(CHECKSUM))
    with written_whole(path.with_suffix(CHECKSUM), sync=False) as temporary:
        temporary.write_text(" ".join(checksums))


def _make_way(path: Path) -> None:
    """Remove what is no folder where the file's folder must be, and a folder where the file must be."""
    if path.parent.exists() and not path.parent.is_dir():
        path.parent.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> NDArray[np.uint64]:
    """The numbers HIGH of a file, sorted.

    Raises:
        OSError: it is not there.
        ValueError: they are not those that were written, or were written under another name.
    """
    try:
        high = _high(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(path) from error
    _check(high.data, path, ONLY_HIGH)
    return high


def _high(path: Path) -> NDArray[np.uint64]:
    return pl.read_parquet(path, columns=[HIGH], glob=False)[HIGH].rechunk().to_numpy()


def _check(data: bytes | memoryview, path: Path, part: int) -> None:
    """Raise ValueError unless these bytes are those that were written under this name."""
    if path.with_suffix(CHECKSUM).read_text().split()[part : part + 1] != [_checksum(data, path)]:
        raise ValueError(path)


def _checksum(data: bytes | memoryview, path: Path) -> str:
    """CRC-32: enough against accidents, and three times as fast as SHA-256, which every ingest would feel."""
    return f"{zlib.crc32(data, zlib.crc32(path.name.encode())):08x}"
