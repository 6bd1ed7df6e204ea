"""Rows become files in the artifact store, in the background: a disk that syncs is waited for."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import polars as pl

from arrivals.keys import content_digest
from db.arrival_records import NewPartition, PartitionRecord, RefusalKind
from errors import ArtifactError, ArtifactMissing
from evergreen_client.artifacts import StoredArtifact

if TYPE_CHECKING:
    from arrivals.attached import Attached
    from arrivals.validation import Batch
    from db.artifacts import ArtifactStore

WORKERS = 2
TRIES = 3


class PartitionFiles:
    """Writes and reads Parquet files of partitions and of refused rows; `workers` are threads to do so in.

    Args:
        store: where they are kept.
        work: folder for local files; it is made, and removed in the end.
        attached: the files that rows name, where they name any.
    """

    def __init__(self, store: ArtifactStore, work: Path, attached: Attached | None = None) -> None:
        self.work, self.attached = work, attached
        self._store = store
        self.workers = ThreadPoolExecutor(WORKERS)
        self._reader = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self.work.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.workers.shutdown(cancel_futures=True)
        self._reader.shutdown()
        shutil.rmtree(self.work, ignore_errors=True)

    def ahead(self, batches: Iterator[Batch]) -> Generator[Batch]:
        """The same batches; while one is worked on, the next is read."""
        reading = self._reader.submit(next, batches, None)
        try:
            while (batch := reading.result()) is not None:
                reading = self._reader.submit(next, batches, None)
                yield batch
        finally:
            wait([reading])  # whoever leaves early may remove the file next

    def write(self, rows: pl.DataFrame) -> Path:
        """Write rows to a local file, which is not stored yet."""
        path = self.work / f"{uuid4().hex}.parquet"
        # A sixth faster to write than zstd for files about 15 % larger, and the writer is what an ingest waits for.
        rows.write_parquet(path, compression="lz4")
        return path

    def put(self, path: Path, kind: str, digest: str) -> StoredArtifact:
        """Move a local file into the store."""
        stored = self._store.put(path, kind=kind, digest=digest)
        path.unlink(missing_ok=True)
        return stored

    def refuse(self, rows: pl.DataFrame, kind: RefusalKind = "refused") -> StoredArtifact:
        """Keep refused rows as they came, or conflicts."""
        return self.put(self.write(rows), kind, content_digest(rows))

    def refused(self, uri: str) -> pl.DataFrame:
        """Rows that were kept as refused; none, if they are kept no more."""
        kind, (digest, sha256) = uri.partition("/")[0], Path(uri).name.split(".")[:2]
        try:
            return pl.read_parquet(self._store.fetch(StoredArtifact(digest, kind, uri, sha256, 0)))
        except ArtifactError:
            return pl.DataFrame()

    def read(self, partition: PartitionRecord | NewPartition, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a stored partition."""
        artifact = StoredArtifact(partition.digest, "partition", partition.uri, partition.sha256, partition.bytes)
        for _ in range(TRIES):  # a remote file's local copy is in the cache, which may be emptied at any moment
            with suppress(OSError, ArtifactMissing, pl.exceptions.PolarsError):
                return pl.read_parquet(self._store.fetch(artifact), columns=None if columns is None else list(columns))
        return pl.read_parquet(self._store.fetch(artifact), columns=None if columns is None else list(columns))
