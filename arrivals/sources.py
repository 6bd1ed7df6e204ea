"""A model's sources, gone through once: new files in the order of their names, and the new rows of a query."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from arrivals.listing import HINT, ListedFile, list_files, still_same
from arrivals.local_copies import LocalCopy, local_copy
from arrivals.readers import NeedsCare, Wanted, check_columns, complete, read_file
from arrivals.validation import Batch
from db.arrival_records import LandedRecord, NewLandedFile
from db.query_source import QuerySource
from errors import ArrivalConflict, ArrivalError, FileNotReady, UnreadableFile

if TYPE_CHECKING:
    from arrivals.intake import Intake, Taken
    from db.arrival_records import PartitionRecord
    from db.registry import ModelRegistry
    from learning.files import Progress
    from learning.spec import ModelSpec

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass
class IngestResult:
    """What an ingest took.

    Args:
        partitions: those that it recorded.
        files: read or refused, and not before.
        rows: in them, and of these:
        duplicates: taken before with the same values,
        conflicts: taken before with other values,
        refused: kept aside, each with its reason,
        waiting: labels whose row has not arrived yet.
        late: of the rows taken, those older than what had been seen.
        refused_files: files of which nothing could be taken.
        reasons: a sentence for each file that was refused or left for later.
        attention: a sentence for each thing that a person should look at.
    """

    partitions: tuple[PartitionRecord, ...] = ()
    files: int = 0
    rows: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    waiting: int = 0
    late: int = 0
    refused_files: int = 0
    reasons: list[str] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The figures in a sentence."""
        if not self.files:
            return "no new files"
        taken = sum(partition.rows for partition in self.partitions)
        parts = {
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "refused": self.refused,
            "labels waiting for their rows": self.waiting,
            "late": self.late,
        }
        rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
        whole = f"; {self.refused_files} refused as a whole" if self.refused_files else ""
        return f"{self.files:,} new files with {self.rows:,} rows: {taken:,} taken{rest}{whole}"

    def add(self, landed: NewLandedFile, partitions: tuple[PartitionRecord, ...]) -> None:
        """Count one more landed file."""
        self.partitions += partitions
        self.files += 1
        self.rows += landed.rows
        self.duplicates += landed.duplicates
        self.conflicts += landed.conflicts
        self.refused += landed.refused
        self.waiting += landed.waiting
        self.late += landed.late
        self.refused_files += bool(landed.reason)


@dataclass
class Sources:
    """Where a model's rows and labels land, and what was taken from there so far.

    Args:
        spec: the model.
        registry: remembers what was taken.
        intake: takes rows.
        landing: folder or URL that the sources are relative to.
        progress: told how far it has come.
    """

    spec: ModelSpec
    registry: ModelRegistry
    intake: Intake
    landing: str
    progress: Progress | None = None
    result: IngestResult = field(default_factory=IngestResult)
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    def take_all(self) -> IngestResult:
        """Take the rows first, then the labels that came for rows."""
        source = self.spec.source
        if source.query:
            self._take_query()
        else:
            self._take_files(source.path, labels=False)
        if source.labels:
            self._take_files(source.labels, labels=True)
        return self.result

    def _take_query(self) -> None:
        """Take the rows of a database from the last cursor value on."""
        source = self.spec.source
        rows = QuerySource(os.path.expandvars(source.path), source.query, source.cursor)
        upto = rows.newest()
        if upto is None:
            return
        before = [taken for taken in self.registry.landed_files(self.spec.name, uri=rows.uri) if taken.cursor]
        after = before[-1].cursor if before else None
        # Rows that share the last value may have come since, so the same stretch may be taken again: the next attempt.
        stamp = hashlib.sha256(f"{rows.uri} after {after}".encode()).hexdigest()
        attempt = sum(taken.stamp == stamp for taken in before)
        landed = NewLandedFile(rows.uri, stamp, self._rules(labels=False), self.intake.id, attempt, cursor=upto)
        wanted = self._wanted("query", labels=False)
        wanted = replace(wanted, ignore=(*wanted.ignore, source.cursor))

        def batches() -> Iterator[Batch]:
            for frame in rows.batches(after, upto, self.intake.batch_rows):
                check_columns(frame.columns, wanted, rows.uri)
                yield Batch(complete(frame, wanted))

        with suppress(ArrivalConflict):  # another process took these rows meanwhile
            self.result.add(*self.intake.take(landed, batches))
        self._report(1, 1, 1.0)

    def _take_files(self, path: str, *, labels: bool) -> None:
        """Take a folder's new files in the order of their names.

        That is all there is to resuming: a file is recorded in one transaction or not at all, so what a killed ingest
        did not get to is new. A file of labels that still wait is new in each ingest, as the next attempt on it.
        """
        listing = list_files(self.landing, path, self.spec.source.settle)
        earlier = self.registry.earlier_outcomes(self.spec.name, [file.stamp for file in listing.files])
        rules = self._rules(labels=labels)
        for uri in listing.unfinished:
            self.result.reasons.append(f"{uri}: it is still being written; the next run looks again")
        share = self.spec.source.max_bad_share
        new = [file for file in listing.files if _is_new(earlier.get(file.stamp), rules, share)]
        size, done = sum(file.size for file in new), 0
        for place, file in enumerate(new):
            self._report(place, len(new), done / max(size, 1))
            before = earlier.get(file.stamp)
            attempt = before.attempt + 1 if before and before.waiting else 0
            landed = NewLandedFile(file.uri, file.stamp, rules, self.intake.id, attempt, bytes=file.size)
            self._take_file(file, landed, labels=labels)
            done += file.size
        self._report(len(new), len(new), 1.0)

    def _take_file(self, file: ListedFile, landed: NewLandedFile, *, labels: bool) -> None:
        """Take one file, or refuse it, or leave it for the next ingest; the others go on."""
        try:
            if file.refusal:
                raise UnreadableFile(file.uri, file.refusal, HINT)
            with local_copy(file, self.intake.work) as copy:
                read = replace(landed, sha256=copy.sha256)
                taken = {"sha256": copy.sha256, "rules": landed.rules, "waiting": 0, "conflicts": 0, "reason": None}
                if twins := self.registry.landed_files(self.spec.name, **taken):
                    self.result.reasons.append(f"{file.uri}: it holds what {twins[0].uri} held, which was taken")
                    self.result.add(*self.intake.take_none(replace(read, rows=twins[0].rows, duplicates=twins[0].rows)))
                else:
                    self.result.add(*self._take_rows(file, copy, read, labels=labels))
        except ArrivalConflict:
            return  # another process took it meanwhile
        except FileNotReady as error:
            self.result.reasons.append(f"{file.uri}: {error.why}; the next run looks again")
        except ArrivalError as error:
            reason = f"{error.why}. To fix it: {error.fix}"
            self.result.reasons.append(f"{file.uri}: {reason}")
            self.result.attention.append(f"{file.uri}: {reason}")
            with suppress(ArrivalConflict):
                self.result.add(*self.intake.take_none(replace(landed, reason=reason)))

    def _take_rows(self, file: ListedFile, copy: LocalCopy, landed: NewLandedFile, *, labels: bool) -> Taken:
        """Take the rows of a file that can be opened."""
        wanted = self._wanted(copy.format, labels=labels)

        def batches(*, careful: bool) -> Iterator[Batch]:
            yield from read_file(copy, wanted, self.intake.batch_rows, careful=careful)
            if not still_same(file):
                raise FileNotReady(file.uri, "it changed while it was read", "wait until it is whole")

        try:
            return self.intake.take(landed, partial(batches, careful=False), labels=labels)
        except NeedsCare:
            return self.intake.take(landed, partial(batches, careful=True), labels=labels)

    def _wanted(self, kind: str, *, labels: bool) -> Wanted:
        """The columns that a file must have."""
        schema, source = self.spec.schema, self.spec.source
        if labels:
            return Wanted(tuple(dict.fromkeys((*schema.key, schema.target))), ignore=source.ignore)
        optional: tuple[str, ...] = (schema.target,) if source.labels else ()
        if kind == "jsonl":  # where a key that is left out means null
            optional += (schema.target, *schema.nullable)
        return Wanted(schema.columns, optional, source.ignore)

    def _rules(self, *, labels: bool) -> str:
        """Digest of what a file is judged by: a file refused under one schema may be good under another."""
        source = self.spec.source
        written = (source.timezone, source.time_format, source.decimal, source.thousands, source.max_future)
        rules = (self.spec.schema, self.spec.objective, source.ignore, source.corrections, written, labels)
        return hashlib.sha256(repr(rules).encode()).hexdigest()

    def _report(self, done: int, total: int, share: float) -> None:
        """Say how far the ingest has come, at most twice a second."""
        now = time.monotonic()
        if self.progress is None or (now - self._reported < SECONDS_BETWEEN_REPORTS and done < total):
            return
        self._reported = now
        spent = max(now - self._started, 1e-9)
        left = spent / share - spent if share else 0.0
        figures = {"rows": self.result.rows, "rows/s": self.result.rows / spent, "seconds left": left}
        self.progress("taking files", done, total, figures)


def _is_new(before: LandedRecord | None, rules: str, bad_share: float) -> bool:
    """Whether a file is to be read: for the first time, for labels that waited, or by other rules.

    By other rules, only one that was refused, as a whole or in so many rows that the run stopped, or met conflicts.
    """
    if before is None or before.waiting:
        return True
    refused = before.reason is not None or before.conflicts > 0 or 0 < before.refused >= bad_share * before.rows
    return refused and before.rules != rules
