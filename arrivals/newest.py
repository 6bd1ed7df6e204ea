"""Partitions as what is newest of their rows: without those that were corrected, or have recalled ones in their window.

A partition's file never changes, so one without some of its rows is another file, made once and kept in the cache. Its
digest is derived from all that it was made of, and names what is computed from it, such as features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from arrivals.keys import HIGH, HOLDOUT, LOW, key_hashes
from arrivals.windows import FROM, reaching
from db.arrival_records import PartitionRecord
from evergreen_client.artifacts import file_sha256
from evergreen_client.durable import written_whole

if TYPE_CHECKING:
    from db.artifacts import ArtifactStore
    from db.registry import ModelRegistry
    from learning.spec import ModelSpec

CHECKSUM = ".sha256"


class Lost(NamedTuple):
    """Why rows of a partition are not read: newer ones, and the recalled partitions that windows of them reach into."""

    corrections: tuple[PartitionRecord, ...]
    recalled: tuple[int, ...]


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
        lost = self._lost()
        return (self._file(partition, lost(partition)) for partition in partitions)

    def counted(self, partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
        """The same partitions with the counts of these rows; those of which none is left are left out."""
        lost = self._lost()
        found = (self._counts(p, why) if (why := lost(p)) else p for p in partitions)
        return tuple(partition for partition in found if partition.rows)

    def _lost(self) -> Callable[[PartitionRecord], Lost | None]:
        """A function that says why some rows of a partition are not read; None where all are."""
        newer = self._corrections()
        recalled = self.registry.recalled(self.spec.name) if self.spec.schema.window else frozenset()

        def lost(partition: PartitionRecord) -> Lost | None:
            reached = recalled & _sources(self.store.fetch(partition.artifact)) if recalled else recalled
            why = Lost(newer.get(partition.digest, ()), tuple(sorted(reached)))
            return why if any(why) else None

        return lost

    def _corrections(self) -> dict[str, tuple[PartitionRecord, ...]]:
        """The corrections of each partition that has any, by its digest, in the order in which they arrived."""
        found: dict[str, tuple[PartitionRecord, ...]] = {}
        if superseded := self.registry.superseded(self.spec.name):
            live = {partition.digest: partition for partition in self.registry.partitions(self.spec.name)}
            for one in superseded:
                if one.by in live:  # else it was recalled just now
                    found[one.partition] = (*found.get(one.partition, ()), live[one.by])
        return found

    def _file(self, partition: PartitionRecord, lost: Lost | None) -> tuple[str, Path]:
        if lost is None:
            return partition.digest, self.store.fetch(partition.artifact)
        newer = [correction.digest for correction in lost.corrections]
        made_of = [self.spec.schema.key, partition.digest, *newer, *lost.recalled]
        digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
        path = self.cache / "newest" / f"{digest}.parquet"
        if not is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path, sync=False) as temporary:
                self._rows(partition, lost).write_parquet(temporary, compression="lz4")
                checksum = file_sha256(temporary)[0]
            with written_whole(path.with_suffix(CHECKSUM), sync=False) as temporary:
                temporary.write_text(checksum)
        return digest, path

    def _rows(self, partition: PartitionRecord, lost: Lost) -> pl.DataFrame:
        """The partition's rows, in their order, whose key is in none of the corrections, and whose window is whole."""
        rows, *newer = (pl.read_parquet(self.store.fetch(one.artifact)) for one in (partition, *lost.corrections))
        if lost.recalled:
            rows = rows.filter(~reaching(rows[FROM], lost.recalled))
        if not newer:
            return rows
        corrected = pl.concat([key_hashes(frame, self.spec.schema.key) for frame in newer])
        keyed = pl.concat([rows, key_hashes(rows, self.spec.schema.key)], how="horizontal")
        return keyed.join(corrected, on=[HIGH, LOW], how="anti", maintain_order="left").drop(HIGH, LOW)

    def _counts(self, partition: PartitionRecord, lost: Lost) -> PartitionRecord:
        rows = pl.read_parquet(self._file(partition, lost)[1])
        labelled, held_out = self.spec.schema.labelled_examples(rows), int(rows[HOLDOUT].sum())
        return replace(partition, rows=rows.height, labelled_rows=labelled, holdout_rows=held_out)


@lru_cache(maxsize=1 << 14)
def _sources(path: Path) -> frozenset[int]:
    """Sequence numbers of all partitions that windows of a stored one hold rows of; the file never changes."""
    return frozenset(pl.read_parquet(path, columns=[FROM])[FROM].explode().unique().to_list())


def is_whole(path: Path) -> bool:
    """Whether a file that was made is there, as it was written."""
    try:
        return path.with_suffix(CHECKSUM).read_text() == file_sha256(path)[0]
    except OSError:
        return False
