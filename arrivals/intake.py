"""One landed file becomes partitions: validated, typed, each row once, stored, then recorded in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import polars as pl

from arrivals.key_index import LABELLED, KeyIndex, Member
from arrivals.keys import HIGH, HOLDOUT, LOW, content_digest, held_out, key_hashes
from arrivals.partition_files import PartitionFiles
from arrivals.readers import Batch
from arrivals.validation import REASON, Validator
from db.arrival_records import (
    LedgerEntry,
    NewArrival,
    NewLandedFile,
    NewPartition,
    NewRefusal,
    PartitionKind,
    PartitionRecord,
)
from errors import ArrivalConflict

if TYPE_CHECKING:
    from db.artifacts import ArtifactStore
    from db.registry import ModelRegistry
    from learning.spec import ModelSpec

BATCH_BYTES = 1 << 26
BATCH_ROWS = 400_000
AHEAD = 3  # partitions that may wait to be stored, in memory
ROW, TIME, FIRST = "row", "time", "first sequence"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Staged:
    """What became of a file so far. Its partitions are stored, but nothing of it is recorded."""

    uri: str
    storing: list[Future[NewPartition]] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: int = 0
    taken: int = 0
    duplicates: int = 0
    waiting: int = 0
    late: int = 0

    @property
    def partitions(self) -> tuple[NewPartition, ...]:
        """The file's partitions, once they are stored."""
        return tuple(storing.result() for storing in self.storing)


class Intake:
    """Takes the rows of one model's files, each exactly once, whoever else does the same at the same time.

    Args:
        spec: the model.
        registry: remembers what was taken.
        store: where partitions are kept.
        cache: local folder of what can be made again.
        run_id: the run that takes them.
    """

    def __init__(
        self, spec: ModelSpec, registry: ModelRegistry, store: ArtifactStore, cache: Path, run_id: int | None
    ) -> None:
        self.id = uuid4().hex
        self._spec, self._schema, self._registry, self._run_id = spec, spec.schema, registry, run_id
        self.work = cache / "arrivals" / f"{spec.name}-{self.id}"
        self._files = PartitionFiles(store, self.work)
        self._validator = Validator.of(spec)
        self._ledger: list[LedgerEntry] = []
        self._places: dict[str, int] = {}
        self._recalled: frozenset[int] = frozenset()
        self._watermark: datetime | None = None
        self._index = KeyIndex(cache / "keys", self._keys_of, by_time=spec.schema.time in spec.schema.key)

    def __enter__(self) -> Self:
        self._files.__enter__()
        self._catch_up()
        return self

    def __exit__(self, *error: object) -> None:
        self._files.__exit__(*error)

    @property
    def batch_rows(self) -> int:
        """How many rows of this model fit into a batch of bounded size."""
        tensors = sum(4 * prod(shape) for shape in self._schema.tensors.values())
        return max(1_000, min(BATCH_ROWS, BATCH_BYTES // (24 * len(self._schema.columns) + tensors)))

    def take(
        self, landing: NewLandedFile, batches: Callable[[], Iterable[Batch]], *, labels: bool = False
    ) -> tuple[NewLandedFile, tuple[PartitionRecord, ...]]:
        """Take a file's rows, and record them together with what became of each.

        Args:
            landing: the file; its counts are filled in.
            batches: reads it from its start.
            labels: it holds keys and labels only.

        Raises:
            ArrivalConflict: somebody else has recorded this very file.
        """
        while True:
            staged = Staged(landing.uri)
            try:
                for batch in batches():
                    self._stage(batch, staged, labels=labels)
                arrival = self._arrival(landing, staged)
                if not arrival.partitions and landing.attempt:
                    return arrival.file, ()  # labels that still wait: nothing new to say
                while True:
                    try:
                        taken = self._registry.record_arrival(arrival)
                    except ArrivalConflict:
                        newer = self._after_conflict(landing)
                        if self._index.common(staged.members, newer):
                            break  # look for duplicates again
                        arrival = replace(arrival, seen=len(self._ledger) + len(newer))
                    else:
                        return arrival.file, taken
            finally:
                self._catch_up()

    def take_none(self, landing: NewLandedFile) -> tuple[NewLandedFile, tuple[PartitionRecord, ...]]:
        """Record a file of which nothing is taken, as it stands."""
        arrival = NewArrival(self._spec.name, len(self._ledger), landing, run_id=self._run_id)
        return landing, self._registry.record_arrival(arrival)

    def _arrival(self, landing: NewLandedFile, staged: Staged) -> NewArrival:
        refusals = tuple(NewRefusal(rows, *what) for what, rows in sorted(staged.refusals.items()))
        counted = replace(
            landing,
            rows=staged.rows,
            taken=staged.taken,
            duplicates=staged.duplicates,
            refused=staged.refusals.total(),
            waiting=staged.waiting,
            late=staged.late,
        )
        seen = len(self._ledger)
        return NewArrival(self._spec.name, seen, counted, staged.partitions, refusals, self._run_id)

    def _after_conflict(self, landing: NewLandedFile) -> list[Member]:
        """Partitions that others recorded since we looked; raises the conflict again if it is over the file itself."""
        newer = self._registry.ledger(self._spec.name, after=len(self._ledger))
        if not newer or self._registry.is_landed(self._spec.name, landing):
            raise ArrivalConflict(f"the file {landing.uri}", "somebody else has just taken it", "nothing: it is taken")
        return [_member(entry) for entry in newer]

    def _catch_up(self) -> None:
        """Learn of the partitions recorded since, and of those recalled; forget what was only staged."""
        newer = self._registry.ledger(self._spec.name, after=len(self._ledger))
        recalled = self._registry.recalled(self._spec.name)
        if not self._ledger or recalled != self._recalled:
            self._watermark = self._registry.watermark(self._spec.name)
        elif newer:
            self._watermark = max(self._watermark or newer[0].time_to, *(entry.time_to for entry in newer))
        self._recalled = recalled
        self._places |= {entry.digest: place for place, entry in enumerate(newer, len(self._ledger) + 1)}
        self._index.cut(len(self._ledger))
        self._ledger += newer
        self._index.extend(map(_member, newer))

    def _stage(self, batch: Batch, staged: Staged, *, labels: bool) -> None:
        """Sort a batch's rows into new ones, labels for known ones, duplicates and bad ones; store what is new."""
        columns = (*self._schema.key, self._schema.target) if labels else self._schema.columns
        validated = self._validator.validate(batch.rows, dict.fromkeys(columns))
        rows = validated.good
        bad = [frame for frame in (batch.bad, validated.bad) if frame is not None and frame.height]
        if bad:
            self._reject(pl.concat(bad, how="diagonal"), staged)
        staged.rows += rows.height + sum(frame.height for frame in bad)

        firsts = self._first_of_each_key(rows)
        known = self._known(firsts)
        unknown = firsts if known.is_empty() else firsts.join(known, on=ROW, how="anti")
        learnt = firsts.filter(LABELLED).join(known.filter(~pl.col(LABELLED)).select(ROW, FIRST), on=ROW)
        taken = self._store_labels(rows, learnt, staged)
        waiting = unknown.filter(LABELLED).height if labels else 0
        if not labels:
            taken += self._store_rows(rows, unknown, staged)
        staged.taken += taken
        staged.waiting += waiting
        staged.duplicates += rows.height - taken - waiting

    def _first_of_each_key(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A row for each key, by hash: the first that has a label, or else the first."""
        time = self._schema.time
        keyed = key_hashes(rows, self._schema.key).with_columns(
            rows[self._schema.target].is_not_null().alias(LABELLED),
            pl.int_range(rows.height).alias(ROW),
            (rows[time].to_physical() if time in rows.columns else pl.lit(0)).alias(TIME),
        )
        keyed = keyed.sort(HIGH, maintain_order=True)
        if not (keyed[HIGH] == keyed[HIGH].shift()).any():
            return keyed
        keyed = keyed.sort(HIGH, LOW, ~pl.col(LABELLED), ROW)
        again = (pl.col(HIGH) == pl.col(HIGH).shift()) & (pl.col(LOW) == pl.col(LOW).shift())
        return keyed.filter(~again.fill_null(False))

    def _known(self, firsts: pl.DataFrame) -> pl.DataFrame:
        """Those of the keys that were taken before: ROW (of the batch), FIRST sequence, whether LABELLED."""
        finds = self._index.find(firsts.select(HIGH, LOW, TIME))
        if self._recalled:
            finds = finds.filter(~pl.col("sequence").is_in(list(self._recalled)))
        known = finds.group_by("row").agg(pl.col("sequence").min().alias(FIRST), pl.col(LABELLED).any())
        return known.with_columns(firsts[ROW].gather(known["row"]).alias(ROW))

    def _store_rows(self, rows: pl.DataFrame, new: pl.DataFrame, staged: Staged) -> int:
        """Store new rows, by time and then by hash; late ones by themselves if they are not to be trained on."""
        late = new[TIME] < (_micros(self._watermark) if self._watermark else -(2**63))
        staged.late += int(late.sum())
        if self._spec.source.late == "train":
            parts = [(new, bool(late.any()))]
        else:
            parts = [(new.filter(~late), False), (new.filter(late), True)]
        stored = 0
        for part, marked in parts:
            order = part.select(TIME, HIGH, ROW).sort(TIME, maintain_order=True)  # it is sorted by HIGH already
            in_order = order.height == rows.height and order[ROW].is_sorted()
            whole = rows if in_order else rows[order[ROW]]
            whole = whole.with_columns(held_out(whole, order[HIGH], self._schema))
            stored += self._store_partition(whole, part, staged, late=marked)
        return stored

    def _store_labels(self, rows: pl.DataFrame, labels: pl.DataFrame, staged: Staged) -> int:
        """Store rows that were taken without their label once more, as they were then, with the label.

        Args:
            rows: the batch.
            labels: which of its rows hold such labels, and in which partition each was taken FIRST.
            staged: what became of the file so far.
        """
        target = self._schema.target
        labels = labels.with_columns(rows[target][labels[ROW]])
        found: dict[bool, list[pl.DataFrame]] = {}
        for (sequence,), group in labels.group_by(FIRST, maintain_order=True):
            first = self._partition(int(sequence), staged.storing)
            frame = self._files.read(first)
            keyed = pl.concat([frame.drop(target), key_hashes(frame, self._schema.key)], how="horizontal")
            found.setdefault(first.late, []).append(keyed.join(group.select(HIGH, LOW, target), on=[HIGH, LOW]))
        stored = 0
        for late, frames in sorted(found.items()):
            whole = pl.concat(frames).sort(self._schema.time, HIGH)
            keys = whole.select(HIGH, LOW, pl.lit(True).alias(LABELLED)).sort(HIGH)
            whole = whole.select(*self._schema.columns, HOLDOUT)
            stored += self._store_partition(whole, keys, staged, kind="labels", late=late)
        return stored

    def _store_partition(
        self, rows: pl.DataFrame, keys: pl.DataFrame, staged: Staged, *, kind: PartitionKind = "rows", late: bool
    ) -> int:
        """Store rows as a partition, and give how many; none if a partition of these very rows was recalled."""
        if not rows.height:
            return 0
        digest, file = self._files.begin(self._index_keys, rows, keys), self._files.begin(self._files.write, rows)
        if self._recalled and digest.result() in self._places:
            return 0
        times = rows[self._schema.time].to_physical().to_numpy()
        new = NewPartition(
            model=self._spec.name,
            digest="",
            kind=kind,
            source_uri=staged.uri,
            uri="",
            sha256="",
            bytes=0,
            rows=rows.height,
            holdout_rows=int(rows[HOLDOUT].sum()),
            labelled_rows=rows.height - rows[self._schema.target].null_count(),
            time_from=_instant(int(times.min())),
            time_to=_instant(int(times.max())),
            late=late,
            run_id=self._run_id,
        )
        member = Member(digest.result, new.time_from, new.time_to)
        self._index.extend([member])
        staged.members.append(member)
        if len(staged.storing) >= AHEAD:
            staged.storing[-AHEAD].result()
        staged.storing.append(self._files.begin(self._store_file, file, new, digest))
        return rows.height

    def _index_keys(self, rows: pl.DataFrame, keys: pl.DataFrame) -> str:
        """Index the keys of a partition to be, under its digest."""
        digest = content_digest(rows)
        self._index.write(digest, keys)
        return digest

    def _store_file(self, file: Future[Path], new: NewPartition, digest: Future[str]) -> NewPartition:
        """Store a partition's file, and say where."""
        stored = self._files.put(file.result(), "partition", digest.result())
        return replace(new, digest=stored.digest, uri=stored.uri, sha256=stored.sha256, bytes=stored.bytes)

    def _reject(self, bad: pl.DataFrame, staged: Staged) -> None:
        """Keep bad rows as they came, and count them by reason."""
        stored = self._files.set_aside(bad)
        for reason, rows in bad.group_by(REASON).len().iter_rows():
            staged.refusals[reason, stored.uri] += rows

    def _partition(self, sequence: int, staged: Sequence[Future[NewPartition]]) -> PartitionRecord | NewPartition:
        """A partition that is recorded, or staged after those."""
        if sequence <= len(self._ledger):
            return self._registry.partition_at(self._spec.name, sequence)
        return staged[sequence - len(self._ledger) - 1].result()

    def _keys_of(self, digest: str) -> pl.DataFrame:
        """The keys of a recorded partition, from its file."""
        columns = dict.fromkeys((*self._schema.key, self._schema.target))
        rows = self._files.read(self._partition(self._places[digest], ()), tuple(columns))
        keys = key_hashes(rows, self._schema.key)
        return keys.with_columns(rows[self._schema.target].is_not_null().alias(LABELLED)).sort(HIGH)


def _member(entry: LedgerEntry) -> Member:
    return Member(lambda: entry.digest, entry.time_from, entry.time_to)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
