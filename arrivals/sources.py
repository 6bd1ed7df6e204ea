"""A model's sources, gone through once: new files in the order of their names, and the new rows of a query."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import clock
from arrivals.attached import Attached
from arrivals.faults import fault_of, first_few, is_ours
from arrivals.ingest_result import IngestResult
from arrivals.listing import HINT, ListedFile, expanded, list_files, still_same
from arrivals.local_copies import LocalCopy, local_copy
from arrivals.queries import Reading
from arrivals.readers import check_columns, read_file, wanted_of
from arrivals.validation import FAILURES, Batch
from db.arrival_records import LandedRecord, NewLandedFile
from db.cursors import written
from db.query_source import FIX, QuerySource
from errors import ArrivalConflict, ArrivalError, FileNotReady, UnreachableSource

if TYPE_CHECKING:
    import polars as pl

    from arrivals.intake import Intake
    from db.registry import ModelRegistry
    from learning.files import Progress
    from learning.spec import ModelSpec

SECONDS_BETWEEN_REPORTS = 0.5
TOGETHER, SMALL, LARGE = 64, 1 << 16, 1 << 20  # files that are taken at once; most bytes of each, and of its rows


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
    _contents: dict[str, tuple[str, int]] = field(default_factory=dict)
    _odd: list[str] = field(default_factory=list)
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
        self.result.attention += first_few(self._odd, self.spec.name)
        return self.result

    def _take_query(self) -> None:
        """Take the rows of a database from the last cursor value on, or from an overlap before it."""
        spec, source, now = self.spec, self.spec.source, clock.now().astimezone(ZoneInfo(self.spec.source.timezone))
        rows = QuerySource(expanded(source.path), source.query, source.cursor, source.timezone)
        wanted = wanted_of(spec, "query", labels=False)
        check_columns(rows.columns(), replace(wanted, ignore=(*wanted.ignore, source.cursor)), rows.uri)
        earlier = self.registry.landed_files(spec.name, uri=rows.uri)
        reading = Reading(rows, rows.stand(now), earlier, source.overlap, now)
        self.result.attention += reading.oddities
        if reading.stand.newest is None:
            return
        cursor = written(reading.upto)
        stamp = hashlib.sha256(f"{rows.uri} up to {cursor}".encode()).hexdigest()
        attempt = sum(taken.stamp == stamp for taken in earlier)
        landed = NewLandedFile(rows.uri, stamp, self._rules(labels=False), self.intake.id, attempt, cursor=cursor)
        keys, kept = (*spec.schema.key, *spec.schema.entity), self.intake.kept(reading.overlapping())
        try:
            read = partial(reading.batches, wanted, keys, kept, self.intake.batch_rows)
            taken = self.intake.take(landed, lambda: (batch.arrived(spec.schema, now) for batch in read()))
        except ArrivalConflict:
            return  # another process took these rows meanwhile
        except BaseException as error:
            if is_ours(error) or isinstance(error, ArrivalError):
                raise
            raise UnreachableSource(rows.uri, f"reading its rows failed ({type(error).__name__})", FIX) from error
        if taken[0].rows:
            self.result.add(*taken)
        self._report(1, 1, 1.0)

    def _take_files(self, path: str, *, labels: bool) -> None:
        """Take a folder's new files in the order of their names.

        That is all there is to resuming: a file is recorded in one transaction or not at all, so what a killed ingest
        did not get to is new. A file of labels that still wait is new in each ingest, as the next attempt on it.
        """
        listing = list_files(self.landing, path, self.spec.source.settle)
        attached = Attached(self.spec, self.landing)
        tables = [file for file in listing.files if not attached.owns(file.uri)]
        earlier = self.registry.earlier_outcomes(self.spec.name, [file.stamp for file in tables])
        rules = self._rules(labels=labels)
        for uri in listing.unfinished:
            self.result.reasons.append(f"{uri}: it is still being written; the next run looks again")
        share = self.spec.source.max_bad_share
        found = [(file, earlier.get(file.stamp)) for file in tables]
        new = [(file, self._landed(file, before, rules)) for file, before in found if _is_new(before, rules, share)]
        size, done = sum(file.size for file, _ in new), 0
        self._contents = self.registry.taken_contents(self.spec.name, rules, list({file.size for file, _ in new}))
        place, most = 0, 1  # files that are taken together: more after such as are in order, fewer after others
        while some := new[place : place + most]:
            self._report(place, len(new), done / max(size, 1))
            if len(some) > 1:
                in_order = self._take_together(some)
            else:
                in_order = self._take_file(*some[0], labels=labels) and not labels
            most = min(2 * most, TOGETHER) if in_order else max(most // 2, 1)
            if in_order or len(some) == 1:
                place, done = place + len(some), done + sum(file.size for file, _ in some)
        self._report(len(new), len(new), 1.0)

    def _landed(self, file: ListedFile, before: LandedRecord | None, rules: str) -> NewLandedFile:
        """A listed file, of which nothing is counted yet."""
        attempt = before.attempt + 1 if before and before.waiting else 0
        return NewLandedFile(file.uri, file.stamp, rules, self.intake.id, attempt, bytes=file.size)

    def _take_together(self, files: Sequence[tuple[ListedFile, NewLandedFile]]) -> bool:
        """Take several small files at once; False if they must be taken one by one, which then shows what is odd."""
        now = self.registry.earlier_outcomes(self.spec.name, [file.stamp for file, _ in files])
        left = [(file, new) for file, new in files if file.stamp not in now or now[file.stamp].rules != new.rules]
        if self.spec.schema.files or any(file.size > SMALL for file, _ in left):
            return False
        found: dict[str, tuple[NewLandedFile, pl.DataFrame]] = {}
        try:
            for file, landed in left:  # those that no other process has taken meanwhile
                with local_copy(file, self.intake.work) as copy:
                    by_itself = copy.format == "jsonl" and self.spec.source.time_format != "iso"  # it may have both
                    rows = None if by_itself else _few_rows(self._batches(file, copy, labels=False))
                if rows is None or copy.sha256 in found or copy.sha256 in self._contents:
                    return False
                found[copy.sha256] = replace(landed, sha256=copy.sha256), rows
            taken = self.intake.take_together(list(found.values())) if found else []
        except ArrivalConflict:
            return False
        except FAILURES as error:
            if is_ours(error):
                raise
            return False
        for sha256, (recorded, partitions) in zip(found, taken, strict=False):
            self.result.add(recorded, partitions)
            self._contents[sha256] = recorded.uri, recorded.rows
        return len(taken) == len(found)

    def _take_file(self, file: ListedFile, landed: NewLandedFile, *, labels: bool) -> bool:
        """Take one file, or refuse it, or leave it for the next ingest; the others go on, whatever it does.

        Returns:
            Whether it has rows, and all of them were taken.
        """
        try:
            with local_copy(file, self.intake.work) as copy:
                read = replace(landed, sha256=copy.sha256)
                if twin := self._contents.get(copy.sha256):
                    self.result.reasons.append(f"{file.uri}: it holds what {twin[0]} held, which was taken")
                    self.result.add(*self.intake.take_none(replace(read, rows=twin[1], duplicates=twin[1])))
                    return False
                batches = partial(self._batches, file, copy, labels=labels)
                recorded, partitions = self.intake.take(read, batches, labels=labels)
            self.result.add(recorded, partitions)
            if not recorded.waiting and not recorded.conflicts:
                self._contents[copy.sha256] = file.uri, recorded.rows
        except ArrivalConflict:
            return False  # another process took it meanwhile
        except BaseException as error:  # Polars' panics are no Exceptions
            fault = fault_of(file, error)
            if fault is None:
                raise
            self.result.reasons.append(f"{file.uri}: {fault.why}")
            if fault.odd:
                self._odd.append(self.result.reasons[-1])
            if fault.recorded:
                with suppress(ArrivalConflict):
                    self.result.add(*self.intake.take_none(replace(landed, reason=fault.why)))
            return False
        return 0 < recorded.taken == recorded.rows

    def _batches(self, file: ListedFile, copy: LocalCopy, *, labels: bool) -> Iterator[Batch]:
        """Read the rows of a file that can be opened."""
        now, schema = clock.now(), self.spec.schema
        moment = min(file.modified or now, now)  # the same at every reading; a clock that is ahead is not believed
        try:
            for batch in read_file(copy, wanted_of(self.spec, copy.format, labels=labels), self.intake.batch_rows):
                yield batch if labels else batch.arrived(schema, moment)
        except OSError as error:  # one of the file's own; those of the store come from elsewhere
            raise FileNotReady(file.uri, f"it cannot be read ({error.strerror or error})", HINT) from error
        if not still_same(file):
            raise FileNotReady(file.uri, "it changed while it was read", "wait until it is whole")

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


def _few_rows(batches: Iterator[Batch]) -> pl.DataFrame | None:
    """The rows of a small file; None if one cannot be read, or they are not small: it may be packed."""
    found = list(islice(batches, 2))
    few = len(found) == 1 and found[0].refused is None and found[0].rows.estimated_size() <= LARGE
    return found[0].rows if few else None


def _is_new(before: LandedRecord | None, rules: str, bad_share: float) -> bool:
    """Whether a file is to be read: for the first time, for labels that waited, or by other rules.

    By other rules, only one that was refused, as a whole or in so many rows that the run stopped, or met conflicts.
    """
    if before is None or before.waiting:
        return True
    refused = before.reason is not None or before.conflicts > 0 or 0 < before.refused >= bad_share * before.rows
    return refused and before.rules != rules
