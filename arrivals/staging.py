"""The rows of a landed file, sorted: new, labels, corrections, duplicates, conflicts, refused; none is recorded yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from arrivals.conflicts import CONFLICT, CORRECTION, LATE_LABEL, NEW, OUTCOME, TAKEN, WAITING, both_rows, judge
from arrivals.contents import LABEL, asked_rows, label_of
from arrivals.history import LONG_AGO, History
from arrivals.keys import HIGH, HOLDOUT, LOW, ROW, SEQUENCE, TIME, held_out, key_hashes, partition_digest
from arrivals.known_keys import Storing
from arrivals.label_gaps import without_gaps
from arrivals.validation import REASON, Batch, Validator
from db.arrival_records import (
    NewArrival,
    NewLandedFile,
    NewPartition,
    NewRefusal,
    PartitionKind,
    PartitionRecord,
    RefusalKind,
    Superseded,
)

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
        self._newest_time = history.newest_time if spec.schema.time else LONG_AGO  # what brings no time cannot be late
        self._validator = Validator(spec.schema, spec.objective, spec.source)
        self._refusals: Counter[tuple[str, str, RefusalKind]] = Counter()
        self._storing: list[Future[NewPartition]] = []
        self._superseded: list[tuple[int, Future[NewPartition], int]] = []
        self._unread = 0  # rows whose files could not be read

    def arrival(self) -> NewArrival:
        """What the registry is to record of the file, once everything of it is stored."""
        partitions = tuple(storing.result() for storing in self._storing)
        refusals = tuple(NewRefusal(rows, *what) for what, rows in sorted(self._refusals.items()))
        superseded = tuple(
            Superseded(self._history.digest(sequence), by.result().digest, rows)
            for sequence, by, rows in self._superseded
        )
        return NewArrival(
            self._spec.name, self._history.recorded, self._landed, partitions, refusals, self._run_id, superseded
        )

    def add(self, batch: Batch, *, labels: bool) -> None:
        """Sort a batch's rows, store what is new, and count.

        Args:
            batch: the rows.
            labels: it holds keys and labels only, of rows that come from elsewhere.
        """
        columns = (*self._schema.key, self._schema.target) if labels else self._schema.columns
        checked = replace(self._validator, json=batch.json).validate(batch.rows, dict.fromkeys(columns))
        refused = [frame for frame in (batch.refused, checked.refused) if frame is not None]
        if batch.again is not None:
            refused = [frame.filter(_news(frame, batch.again["refused"])) for frame in refused]
        refused = [frame for frame in refused if frame.height]
        if refused:
            self._refuse(pl.concat(refused, how="diagonal"))

        corrects, unread = self._spec.source.corrections == "replace", self._unread
        judged = self._judged(checked.rows, labels=labels, replace=corrects)
        rows = without_gaps(checked.rows, judged, self._taken, self._schema, replace=corrects)
        if rows is not checked.rows:
            judged = self._judged(rows, labels=labels, replace=corrects)
        of = {outcome: judged.filter(pl.col(OUTCOME) == outcome) for outcome in judged[OUTCOME].unique()}
        taken = sum(
            store(of[outcome])
            for outcome, store in (  # corrections last: they supersede what is new beside them
                (NEW, partial(self._store_rows, rows)),
                (LATE_LABEL, partial(self._store_again, kind="labels")),
                (
                    CORRECTION,
                    partial(self._store_again, kind="corrections") if labels else partial(self._correct, rows),
                ),
            )
            if outcome in of
        )
        # A label whose row has not arrived waits: nothing is stored of it, and the next ingest reads its file again.
        waiting, conflicts = (of[outcome].height if outcome in of else 0 for outcome in (WAITING, CONFLICT))
        unread = self._unread - unread
        duplicates = rows.height - taken - waiting - conflicts - unread
        if conflicts and batch.again is not None:
            of[CONFLICT] = of[CONFLICT].filter(
                _news(self._said(checked.rows[of[CONFLICT][ROW]]), batch.again["conflict"])
            )
            conflicts = of[CONFLICT].height
        if conflicts:
            self._keep_conflicts(checked.rows, of[CONFLICT])
        if batch.again is not None:
            duplicates = 0
        bad = sum(frame.height for frame in refused) + unread
        self._landed = replace(
            self._landed,
            rows=self._landed.rows + taken + waiting + duplicates + conflicts + bad,
            taken=self._landed.taken + taken,
            waiting=self._landed.waiting + waiting,
            conflicts=self._landed.conflicts + conflicts,
            refused=self._landed.refused + bad,
            duplicates=self._landed.duplicates + duplicates,
        )

    def _judged(self, rows: pl.DataFrame, *, labels: bool, replace: bool) -> pl.DataFrame:
        asked = asked_rows(rows, self._schema)
        return judge(asked, self._history.find(asked), labels=labels, replace=replace)

    def add_new(self, rows: pl.DataFrame, new: pl.DataFrame) -> None:
        """Store rows of a file that are all good and new; `new` is what was asked of them, and names their ROW."""
        taken = self._store_rows(rows, new)
        self._landed = replace(self._landed, rows=new.height, taken=taken, duplicates=new.height - taken)

    def _store_rows(self, rows: pl.DataFrame, new: pl.DataFrame) -> int:
        """Store new rows, by time and then by hash; late ones by themselves if they are not to be trained on."""
        late = new[TIME] < self._newest_time
        self._landed = replace(self._landed, late=self._landed.late + int(late.sum()))
        if self._spec.source.late == "train":
            parts = [(new, bool(late.any()))]
        else:
            parts = [(new.filter(~late), False), (new.filter(late), True)]
        stored = 0
        for part, marked in parts:
            order = part.select(TIME, HIGH, ROW).sort(TIME, maintain_order=True)  # it is sorted by HIGH already
            in_order = order.height == rows.height and order[ROW].is_sorted()
            whole, order, keys = self._with_files(rows if in_order else rows[order[ROW]], order, part)
            if self._history.earlier and whole.height:
                whole = self._history.earlier.windows(whole, self._history.next_sequence)
            whole = whole.with_columns(held_out(whole, order[HIGH], self._schema))
            stored += self._store(whole, keys, late=marked)
        return stored

    def _with_files(self, rows: pl.DataFrame, order: pl.DataFrame, keys: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
        """Rows with what the files hold that they name, their order and their keys; rows without a file are refused."""
        if not self._schema.files or self._files.attached is None or not rows.height:
            return rows, order, keys
        whole, good, refused = self._files.attached.read(rows)
        if not refused.height:
            return whole, order, keys
        self._refuse(refused)
        self._unread += refused.height
        left = order.filter(good)
        return whole, left, keys.filter(pl.col(ROW).is_in(left[ROW].implode()))

    def _store_again(self, labels: pl.DataFrame, *, kind: PartitionKind) -> int:
        """Store rows once more as they were taken, each with the label that came for it."""
        target, found = self._schema.target, dict[bool, list[pl.DataFrame]]()
        for partition, rows in self._read_taken(labels):
            labelled = rows.with_columns(self._label().alias(target))
            found.setdefault(partition.late, []).append(labelled)
        stored = 0
        for late, frames in sorted(found.items()):
            whole = pl.concat(map(self._as_now, frames)).sort(self._schema.event_time, HIGH).drop(HIGH)
            stored += self._store(whole, asked_rows(whole, self._schema), kind=kind, late=late)
        return stored

    def _as_now(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that were taken before with the schema's columns; those that it did not have then are null."""
        kinds = self._validator.kinds | self._schema.kept_kinds()
        absent = [name for name in kinds if rows.schema.get(name) != kinds[name]]
        return rows.with_columns(pl.lit(None, kinds[name]).alias(name) for name in absent).select(*kinds, HOLDOUT, HIGH)

    def _correct(self, rows: pl.DataFrame, corrections: pl.DataFrame) -> int:
        """Store rows in place of those that were taken of their keys; they are late where those were."""
        known = {sequence: self._history.partition(sequence).late for sequence in corrections[SEQUENCE].drop_nulls()}
        was_late = pl.col(SEQUENCE).replace_strict(known, default=None, return_dtype=pl.Boolean)
        late = corrections.select(pl.coalesce(was_late, pl.col(TIME) < self._newest_time)).to_series()
        stored = 0
        for part, marked in ((corrections.filter(~late), False), (corrections.filter(late), True)):
            order = part.sort(TIME, maintain_order=True)
            labels = order.select(self._label().alias(self._schema.target)).to_series()
            whole, order, keys = self._with_files(rows[order[ROW]].with_columns(labels), order, part)
            whole = whole.with_columns(held_out(whole, order[HIGH], self._schema))
            stored += self._store(whole, keys, kind="corrections", late=marked)
        return stored

    def _label(self) -> pl.Expr:
        """A row's LABEL as the target arrives."""
        return self._schema.as_arrived(label_of(pl.col(LABEL)))

    def _read_taken(self, wanted: pl.DataFrame) -> Iterator[tuple[PartitionRecord | NewPartition, pl.DataFrame]]:
        """The newest rows that were taken of some keys, with HIGH, LOW and the LABEL that is given: by partition."""
        for (sequence,), group in wanted.group_by(SEQUENCE, maintain_order=True):
            partition = self._history.partition(int(sequence))
            rows = self._files.read(partition)
            keyed = pl.concat([rows, key_hashes(rows, self._schema.key)], how="horizontal")
            yield partition, keyed.join(group.select(HIGH, LOW, LABEL).unique([HIGH, LOW]), on=[HIGH, LOW])

    def _store(self, rows: pl.DataFrame, keys: pl.DataFrame, *, kind: PartitionKind = "rows", late: bool) -> int:
        """Begin to store rows as a partition, and give how many; none if one of these very rows was recalled."""
        if not rows.height:
            return 0
        background = self._files.workers.submit
        digest = background(partition_digest, self._said(rows), tuple(self._schema.window_kinds()))
        file = background(self._files.write, rows)
        if self._history.was_recalled(digest):
            return 0
        older = self._history.find(keys).group_by(SEQUENCE).len().sort(SEQUENCE) if kind == "corrections" else None
        times = rows[self._schema.event_time]
        time_from, time_to = cast("datetime", times.min()), cast("datetime", times.max())
        facts = partial(
            NewPartition,
            model=self._spec.name,
            kind=kind,
            source_uri=self._landed.uri,
            rows=rows.height,
            holdout_rows=int(rows[HOLDOUT].sum()),
            labelled_rows=self._schema.labelled_examples(rows),
            time_from=time_from,
            time_to=time_to,
            late=late,
            run_id=self._run_id,
        )
        if len(self._storing) >= AHEAD:
            self._storing[-AHEAD].result()
        storing = background(self._finish, digest, file, keys, facts)
        self._storing.append(storing)
        if self._history.earlier:
            self._history.earlier.add(digest, rows if kind == "rows" else None, self._history.next_sequence, late=late)
        self._history.add(Storing(storing, time_from, time_to))
        if older is not None:
            self._superseded += ((sequence, storing, count) for sequence, count in older.iter_rows())
        return rows.height

    def _said(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows as they arrived: when they did makes no other rows of them, which would come back after a recall."""
        return rows if self._schema.time else rows.drop(self._schema.event_time)

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
            self._refusals[reason, stored.uri, "refused"] += count

    def _keep_conflicts(self, rows: pl.DataFrame, conflicts: pl.DataFrame) -> None:
        """Keep conflicts beside the rows that were taken of their keys, from this batch or before."""
        arrived = pl.concat([rows[conflicts[ROW]], conflicts.select(HIGH, LOW)], how="horizontal")
        kept, reason = both_rows(arrived, self._taken(rows, conflicts), self._schema)
        self._refusals[reason, self._files.refuse(kept, "conflict").uri, "conflict"] += arrived.height

    def _taken(self, rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
        """The rows that were taken of some keys, from this batch or before, with HIGH and LOW."""
        here = judged.filter(pl.col(TAKEN).is_not_null()).unique([HIGH, LOW], maintain_order=True)
        before = judged.filter(pl.col(TAKEN).is_null())
        taken = [pl.concat([rows[here[TAKEN]], here.select(HIGH, LOW)], how="horizontal")]
        taken += (found.drop(LABEL, HOLDOUT, *self._schema.kept_kinds()) for _, found in self._read_taken(before))
        return pl.concat(taken, how="diagonal_relaxed")


def _news(found: pl.DataFrame, before: pl.DataFrame) -> pl.Series:
    """Which of some refused rows, or conflicts, were not kept before."""
    same = [name for name in found.columns if name in before.columns and not found.schema[name].is_nested()]
    if before.is_empty() or not same:
        return pl.repeat(value=True, n=found.height, eager=True)
    kept = before.select(pl.col(name).cast(found.schema[name], strict=False) for name in same).unique()
    marked = found.select(same).join(
        kept.with_columns(kept=True), on=same, how="left", nulls_equal=True, maintain_order="left"
    )
    return marked["kept"].is_null()
