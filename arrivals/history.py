"""What was taken of a model's rows before: as the registry has it, and of the file at hand what is being stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from arrivals.contents import described, meaning
from arrivals.earlier_rows import EarlierRows
from arrivals.keys import HIGH, SAID, SEQUENCE, TIME
from arrivals.known_keys import KnownKeys, Storing
from db.arrival_records import LedgerEntry, NewPartition, PartitionRecord

if TYPE_CHECKING:
    from arrivals.partition_files import PartitionFiles
    from db.registry import ModelRegistry
    from learning.spec import ModelSpec

SECONDS_BETWEEN_QUESTIONS = 1.0
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class History:
    """The partitions of a model by their sequence numbers: the recorded ones, then those that are not recorded yet.

    Args:
        spec: the model.
        registry: has recorded what was taken.
        files: reads partitions.
        cache: local folder of what can be made again.
    """

    def __init__(self, spec: ModelSpec, registry: ModelRegistry, files: PartitionFiles, cache: Path) -> None:
        self._spec, self._registry, self._files = spec, registry, files
        self._recorded: list[LedgerEntry] = []
        self._storing: list[Storing] = []
        self._recalled: frozenset[int] = frozenset()
        schema = spec.schema
        by_time = schema.event_time in schema.key
        self.keys = KnownKeys(cache / "keys", self._read_keys, meaning=meaning(schema), by_time=by_time)
        self.earlier = EarlierRows(spec, files, cache / "earlier rows", self.partition) if schema.window else None
        self._newest_time = LONG_AGO
        self._ask_at = 0.0

    @property
    def recorded(self) -> int:
        """Sequence number of the newest partition that is known to be recorded."""
        return len(self._recorded)

    @property
    def newest_time(self) -> datetime:
        """The newest event time so far; an older row is late."""
        return max([self._newest_time, *(storing.time_to for storing in self._storing)])

    def catch_up(self, mine: Sequence[PartitionRecord] | None = None) -> None:
        """Learn which partitions were recorded since, and which recalled; forget those that are not recorded.

        Args:
            mine: partitions of ours, as they were just recorded: as the next ones, so nobody else's are between. Then
                the registry is asked only once in a while; a small file costs not much more than a few such questions.
        """
        recalled = self._recalled
        if mine is None or time.monotonic() > self._ask_at:
            newer = self._registry.ledger(self._spec.name, after=self.recorded)
            recalled = self._registry.recalled(self._spec.name)
            self._ask_at = time.monotonic() + SECONDS_BETWEEN_QUESTIONS
        else:
            newer = tuple(LedgerEntry(*(getattr(entry, name) for name in LedgerEntry._fields)) for entry in mine)
        if recalled != self._recalled or not self._recorded:
            self._newest_time = self._registry.watermark(self._spec.name) or LONG_AGO
        else:
            self._newest_time = max([self._newest_time, *(entry.time_to for entry in newer)])
        self._recalled, self._storing = recalled, []
        self.keys.cut(self.recorded)
        self._recorded += newer
        self.keys.extend(newer)
        if self.earlier:
            numbered = enumerate(self._recorded, 1)
            self.earlier.catch_up([(number, one.digest) for number, one in numbered if number not in recalled])

    @property
    def next_sequence(self) -> int:
        """Sequence number of the next partition that is stored."""
        return self.recorded + len(self._storing) + 1

    def add(self, storing: Storing) -> None:
        """Count with a partition that is being stored."""
        self._storing.append(storing)

    def find(self, keys: pl.DataFrame) -> pl.DataFrame:
        """What was taken of these keys, oldest first: ROW of the key; SEQUENCE, FEATURES and LABEL of what was taken.

        What was recalled does not count as taken, so that it may arrive again, mended.
        """
        uncovered = self._storing[len(self.keys) - self.recorded :]
        if not self.keys.apart(uncovered, keys[TIME]):  # else a batch would wait until the one before it is stored
            self.keys.extend(storing.partition.result() for storing in uncovered)
        finds = self.keys.find(keys)
        if self._recalled:
            finds = finds.filter(~pl.col(SEQUENCE).is_in(list(self._recalled)))
        return finds.sort(SEQUENCE)

    def was_recalled(self, digest: Future[str]) -> bool:
        """Whether a partition of these very rows is recorded, which is so only after a recall."""
        if not self._recalled:
            return False
        said = digest.result()[: SAID if self.earlier else None]  # its windows may be other ones now
        return any(entry.digest.startswith(said) for entry in self._recorded)

    def partition(self, sequence: int) -> PartitionRecord | NewPartition:
        """The partition of a sequence number."""
        if sequence <= self.recorded:
            return self._registry.partition_at(self._spec.name, sequence)
        return self._storing[sequence - self.recorded - 1].partition.result()

    def digest(self, sequence: int) -> str:
        """The digest of the partition of a sequence number."""
        if sequence <= self.recorded:
            return self._recorded[sequence - 1].digest
        return self.partition(sequence).digest

    def _read_keys(self, sequence: int) -> pl.DataFrame:
        """The keys of a partition and what was taken with them, from its file."""
        return described(self._files.read(self.partition(sequence)), self._spec.schema).sort(HIGH)
