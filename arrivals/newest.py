"""Partitions as what is newest of their rows: without those that a partition of corrections has taken the place of.

A partition's file never changes, so one without some of its rows is another file, made once and kept in the cache. Its
digest is derived from all that it was made of, and names what is computed from it, such as features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from arrivals.keys import HIGH, HOLDOUT, LOW, key_hashes
from db.arrival_records import PartitionRecord
from evergreen_client.artifacts import file_sha256
from evergreen_client.durable import written_whole

if TYPE_CHECKING:
    from db.artifacts import ArtifactStore
    from db.registry import ModelRegistry
    from learning.spec import ModelSpec

CHECKSUM = ".sha256"


@dataclass(frozen=True)
class NewestRows:
    """The newest rows of a model's partitions.

    Args:
        spec: the model.
        registry: knows which partitions have newer rows in which.
        store: keeps their files.
        cache: local folder of what can be made again.
    """

    spec: ModelSpec
    registry: ModelRegistry
    store: ArtifactStore
    cache: Path

    def files(self, partitions: Sequence[PartitionRecord]) -> Iterator[tuple[str, Path]]:
        """Digest and path of a local, verified file of each partition: its own, or one without what was corrected."""
        newer = self._corrections()
        return (self._file(partition, newer.get(partition.digest, ())) for partition in partitions)

    def counted(self, partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
        """The same partitions with the counts of these rows; those of which none is left are left out."""
        newer = self._corrections()
        found = (self._counts(p, newer[p.digest]) if p.digest in newer else p for p in partitions)
        return tuple(partition for partition in found if partition.rows)

    def _corrections(self) -> dict[str, tuple[PartitionRecord, ...]]:
        """The corrections of each partition that has any, by its digest, in the order in which they arrived."""
        found: dict[str, tuple[PartitionRecord, ...]] = {}
        if superseded := self.registry.superseded(self.spec.name):
            live = {partition.digest: partition for partition in self.registry.partitions(self.spec.name)}
            for one in superseded:
                if one.by in live:  # else it was recalled just now
                    found[one.partition] = (*found.get(one.partition, ()), live[one.by])
        return found

    def _file(self, partition: PartitionRecord, corrections: Sequence[PartitionRecord]) -> tuple[str, Path]:
        if not corrections:
            return partition.digest, self.store.fetch(partition.artifact)
        made_of = [self.spec.schema.key, partition.digest, *(newer.digest for newer in corrections)]
        digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
        path = self.cache / "newest" / f"{digest}.parquet"
        if not _is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path, sync=False) as temporary:
                self._rows(partition, corrections).write_parquet(temporary, compression="lz4")
                checksum = file_sha256(temporary)[0]
            with written_whole(path.with_suffix(CHECKSUM), sync=False) as temporary:
                temporary.write_text(checksum)
        return digest, path

    def _rows(self, partition: PartitionRecord, corrections: Sequence[PartitionRecord]) -> pl.DataFrame:
        """The partition's rows, in their order, whose key is in none of the corrections."""
        rows, *newer = (pl.read_parquet(self.store.fetch(one.artifact)) for one in (partition, *corrections))
        corrected = pl.concat([key_hashes(frame, self.spec.schema.key) for frame in newer])
        keyed = pl.concat([rows, key_hashes(rows, self.spec.schema.key)], how="horizontal")
        return keyed.join(corrected, on=[HIGH, LOW], how="anti", maintain_order="left").drop(HIGH, LOW)

    def _counts(self, partition: PartitionRecord, corrections: Sequence[PartitionRecord]) -> PartitionRecord:
        target = self.spec.schema.target
        rows = pl.read_parquet(self._file(partition, corrections)[1])
        known = rows.height - rows[target].null_count() if target in rows.columns else 0  # it was another one then
        labelled, held_out = known, int(rows[HOLDOUT].sum())
        return replace(partition, rows=rows.height, labelled_rows=labelled, holdout_rows=held_out)


def _is_whole(path: Path) -> bool:
    """Whether a file that was made is there, as it was written."""
    try:
        return path.with_suffix(CHECKSUM).read_text() == file_sha256(path)[0]
    except OSError:
        return False
