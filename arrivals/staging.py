"""A landed file's rows, sorted into new ones, labels for known ones, duplicates and refused ones; none is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from arrivals.history import History
from arrivals.keys import (
    HIGH,
    HOLDOUT,
    LABELLED,
    LOW,
    ROW,
    SEQUENCE,
    TIME,
    content_digest,
    first_of_each_key,
    held_out,
    key_hashes,
)
from arrivals.known_keys import Storing
from arrivals.validation import REASON, Batch, Validator
from db.arrival_records import NewArrival, NewLandedFile, NewPartition, NewRefusal, PartitionKind

if TYPE_CHECKING:
    from arrivals.partition_files import PartitionFiles
    from learning.spec import ModelSpec

AHEAD = 3  # partitions that may wait to be stored, in memory


class Staging:
    """One reading of a landed file: its new rows are stored as partitions, and nothing of it is recorded.

    Args:
        spec: the model.
        history: what was taken before.
        files: stores partitions and refused rows.
        landed: the file.
        run_id: the run that takes it.
    """

    def __init__(
        self, spec: ModelSpec, history: History, files: PartitionFiles, landed: NewLandedFile, run_id: int | None
    ) -> None:
        self._spec, self._schema, self._history, self._files = spec, spec.schema, history, files
        self._landed, self._run_id = landed, run_id
        self._validator = Validator(spec.schema, spec.objective, spec.source)
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._storing: list[Future[NewPartition]] = []

    def arrival(self) -> NewArrival:
        """What the registry is to record of the file, once everything of it is stored."""
        partitions = tuple(storing.result() for storing in self._storing)
        refusals = tuple(NewRefusal(rows, *what) for what, rows in sorted(self._refusals.items()))
        landed = replace(self._landed, refused=self._refusals.total())
        return NewArrival(self._spec.name, self._history.recorded, landed, partitions, refusals, self._run_id)

    def add(self, batch: Batch, *, labels: bool) -> None:
        """Sort a batch's rows, store what is new, and count.

        Args:
            batch: the rows.
            labels: it holds keys and labels only, of rows that come from elsewhere.
        """
        columns = (*self._schema.key, self._schema.target) if labels else self._schema.columns
        checked = self._validator.validate(batch.rows, dict.fromkeys(columns))
        rows = checked.rows
        refused = [frame for frame in (batch.refused, checked.refused) if frame is not None and frame.height]
        if refused:
            self._refuse(pl.concat(refused, how="diagonal"))

        firsts = first_of_each_key(rows, self._schema)
        known = self._history.find(firsts)
        unknown = firsts if known.is_empty() else firsts.join(known, on=ROW, how="anti")
        learnt = firsts.filter(LABELLED).join(known.filter(~pl.col(LABELLED)).select(ROW, SEQUENCE), on=ROW)
        taken = self._store_labels(rows, learnt)
        # A label whose row has not arrived waits: nothing is stored of it, and the next ingest reads its file again.
        waiting = unknown.filter(LABELLED).height if labels else 0
        if not labels:
            taken += self._store_rows(rows, unknown)
        self._landed = replace(
            self._landed,
            rows=self._landed.rows + rows.height + sum(frame.height for frame in refused),
            taken=self._landed.taken + taken,
            waiting=self._landed.waiting + waiting,
            duplicates=self._landed.duplicates + rows.height - taken - waiting,
        )

    def _store_rows(self, rows: pl.DataFrame, new: pl.DataFrame) -> int:
        """Store new rows, by time and then by hash; late ones by themselves if they are not to be trained on."""
        late = new[TIME] < self._history.newest_time
        self._landed = replace(self._landed, late=self._landed.late + int(late.sum()))
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
            stored += self._store(whole, part, late=marked)
        return stored

    def _store_labels(self, rows: pl.DataFrame, labels: pl.DataFrame) -> int:
        """Store rows that were taken without their label once more, as they were then, with the label.

        Args:
            rows: the batch.
            labels: which of its rows hold such labels, and the SEQUENCE of the partition that has the row.
        """
        target = self._schema.target
        labels = labels.with_columns(rows[target][labels[ROW]])
        found: dict[bool, list[pl.DataFrame]] = {}
        for (sequence,), group in labels.group_by(SEQUENCE, maintain_order=True):
            first = self._history.partition(int(sequence))
            frame = self._files.read(first)
            keyed = pl.concat([frame.drop(target), key_hashes(frame, self._schema.key)], how="horizontal")
            found.setdefault(first.late, []).append(keyed.join(group.select(HIGH, LOW, target), on=[HIGH, LOW]))
        stored = 0
        for late, frames in sorted(found.items()):
            whole = pl.concat(frames).sort(self._schema.time, HIGH)
            keys = whole.select(HIGH, LOW, pl.lit(True).alias(LABELLED)).sort(HIGH)
            stored += self._store(whole.select(*self._schema.columns, HOLDOUT), keys, kind="labels", late=late)
        return stored

    def _store(self, rows: pl.DataFrame, keys: pl.DataFrame, *, kind: PartitionKind = "rows", late: bool) -> int:
        """Begin to store rows as a partition, and give how many; none if one of these very rows was recalled."""
        if not rows.height:
            return 0
        background = self._files.workers.submit
        digest, file = background(content_digest, rows), background(self._files.write, rows)
        if self._history.was_recalled(digest):
            return 0
        times = rows[self._schema.time]
        time_from, time_to = cast("datetime", times.min()), cast("datetime", times.max())
        facts = partial(
            NewPartition,
            model=self._spec.name,
            kind=kind,
            source_uri=self._landed.uri,
            rows=rows.height,
            holdout_rows=int(rows[HOLDOUT].sum()),
            labelled_rows=rows.height - rows[self._schema.target].null_count(),
            time_from=time_from,
            time_to=time_to,
            late=late,
            run_id=self._run_id,
        )
        if len(self._storing) >= AHEAD:
            self._storing[-AHEAD].result()
        storing = background(self._finish, digest, file, keys, facts)
        self._storing.append(storing)
        self._history.add(Storing(storing, time_from, time_to))
        return rows.height

    def _finish(
        self, digest: Future[str], file: Future[Path], keys: pl.DataFrame, facts: Callable[..., NewPartition]
    ) -> NewPartition:
        """The partition, now that its keys and its file are stored."""
        self._history.keys.write(digest.result(), keys)
        stored = self._files.put(file.result(), "partition", digest.result())
        return facts(digest=stored.digest, uri=stored.uri, sha256=stored.sha256, bytes=stored.bytes)

    def _refuse(self, rows: pl.DataFrame) -> None:
        """Keep refused rows as they came, and count them by reason."""
        stored = self._files.refuse(rows)
        for reason, count in rows.group_by(REASON).len().iter_rows():
            self._refusals[reason, stored.uri] += count
