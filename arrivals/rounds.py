"""One look at everything that has landed for a model: new files taken in order, broken ones set aside."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from arrivals.landing import HINT, Landed, NotNow, local_copy, look, still_same
from arrivals.readers import Batch, NeedsCare, Readable, Wanted, check_columns, complete, read_batches
from db.arrival_records import EarlierOutcome, NewLandedFile
from db.query_source import QuerySource
from errors import ArrivalConflict, ArrivalError, UnreadableFile

if TYPE_CHECKING:
    from arrivals.intake import Intake
    from db.arrival_records import PartitionRecord
    from db.registry import ModelRegistry
    from learning.files import Progress
    from learning.spec import ModelSpec

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True)
class Arrivals:
    """What an ingest found.

    Args:
        partitions: those that it took.
        files: looked at, and not before.
        rows: in them, and of these:
        duplicates: taken before,
        rejected: refused,
        waiting: labels whose row has not arrived yet.
        late: of the rows taken, those older than what had been seen.
        set_aside: files of which nothing could be taken.
        reasons: a sentence for each file that was set aside or left for later.
    """

    partitions: tuple[PartitionRecord, ...] = ()
    files: int = 0
    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    waiting: int = 0
    late: int = 0
    set_aside: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The figures in a sentence."""
        if not self.files:
            return "no new files"
        taken = sum(partition.rows for partition in self.partitions)
        parts = {
            "duplicates": self.duplicates,
            "bad": self.rejected,
            "labels waiting for their rows": self.waiting,
            "late": self.late,
        }
        rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
        aside = f"; {self.set_aside} set aside" if self.set_aside else ""
        return f"{self.files:,} new files with {self.rows:,} rows: {taken:,} taken{rest}{aside}"


@dataclass
class Round:
    """A look at a model's sources.

    Args:
        spec: the model.
        registry: remembers what was taken.
        intake: takes rows.
        landing: what the sources are relative to.
        progress: told how far the round has come.
    """

    spec: ModelSpec
    registry: ModelRegistry
    intake: Intake
    landing: str
    progress: Progress | None = None
    _found: Arrivals = field(default_factory=Arrivals)
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    def take_everything(self) -> Arrivals:
        """Take the rows first, then the labels that came for rows."""
        source = self.spec.source
        if source.query:
            self._take_query()
        else:
            self._take_files(source.path, labels=False)
        if source.labels:
            self._take_files(source.labels, labels=True)
        return self._found

    def _take_query(self) -> None:
        """Take the rows of a database from the last cursor value on."""
        source = self.spec.source
        rows = QuerySource(os.path.expandvars(source.path), source.query, source.cursor)
        upto = rows.newest()
        if upto is None:
            return
        before = self.registry.cursors(self.spec.name, rows.uri)
        after = before[-1][1] if before else None
        stamp = hashlib.sha256(f"{rows.uri} after {after}".encode()).hexdigest()
        attempt = sum(taken == stamp for taken, _ in before)
        rules = self._rules(labels=False)
        landing = NewLandedFile(rows.uri, stamp, rules, self.intake.id, attempt, cursor=upto)
        schema, optional = self.spec.schema, (self.spec.schema.target,) if source.labels else ()
        wanted = Wanted(schema.columns, optional, (*source.ignore, source.cursor))

        def batches() -> Iterator[Batch]:
            for frame in rows.batches(after, upto, self.intake.batch_rows):
                check_columns(frame.columns, wanted, rows.uri)
                yield Batch(complete(frame, wanted))

        with suppress(ArrivalConflict):  # another process took these rows while we did
            self._count(*self.intake.take(landing, batches))
        self._report(1, 1, 1.0)

    def _take_files(self, path: str, *, labels: bool) -> None:
        """Take a folder's new files in the order of their names."""
        there = look(self.landing, path, self.spec.source.settle)
        seen = self.registry.earlier_outcomes(self.spec.name, [file.stamp for file in there.files])
        rules = self._rules(labels=labels)
        for uri in there.unfinished:
            self._note(uri, "it is still being written; the next run looks again")
        todo = [file for file in there.files if _is_new(seen.get(file.stamp), rules)]
        size, done = sum(file.size for file in todo), 0
        for place, file in enumerate(todo):
            self._report(place, len(todo), done / max(size, 1))
            before = seen.get(file.stamp)
            attempt = before.attempt + 1 if before and before.waiting else 0
            landing = NewLandedFile(file.uri, file.stamp, rules, self.intake.id, attempt, bytes=file.size)
            self._take_file(file, landing, labels=labels)
            done += file.size
        self._report(len(todo), len(todo), 1.0)

    def _take_file(self, file: Landed, landing: NewLandedFile, *, labels: bool) -> None:
        """Take one file, or set it aside, or leave it for the next run; the others go on."""
        try:
            if file.refusal:
                raise UnreadableFile(file.uri, file.refusal, HINT)
            with local_copy(file, self.intake.work) as (path, sha256):
                read = replace(landing, sha256=sha256)
                if twin := self.registry.find_twin(self.spec.name, sha256, landing.rules):
                    uri, rows = twin
                    self._note(file.uri, f"it holds what {uri} held, which was taken")
                    self._count(*self.intake.take_none(replace(read, rows=rows, duplicates=rows)))
                else:
                    self._count(*self._take_rows(file, read, path, labels=labels))
        except ArrivalConflict:
            return  # another process took it while we did
        except NotNow as error:
            self._note(file.uri, str(error))
        except ArrivalError as error:
            reason = f"{error.why}. To fix it: {error.fix}"
            self._note(file.uri, reason)
            with suppress(ArrivalConflict):
                self._count(*self.intake.take_none(replace(landing, reason=reason)))

    def _take_rows(
        self, file: Landed, landing: NewLandedFile, path: Path, *, labels: bool
    ) -> tuple[NewLandedFile, tuple[PartitionRecord, ...]]:
        """Take a readable file's rows; line by line if it cannot be read as a whole."""
        readable = Readable(path, file.format or "", file.uri)
        wanted = self._wanted(readable.format, labels=labels)

        def batches(*, careful: bool) -> Iterator[Batch]:
            yield from read_batches(readable, wanted, self.intake.batch_rows, careful=careful)
            if not still_same(file):
                raise NotNow("it changed while it was read; the next run looks again")

        try:
            return self.intake.take(landing, lambda: batches(careful=False), labels=labels)
        except NeedsCare:
            pass
        try:
            return self.intake.take(landing, lambda: batches(careful=True), labels=labels)
        except NeedsCare as error:
            raise UnreadableFile(file.uri, f"it cannot be parsed ({error})", "land it again, whole") from error

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
        """Digest of what a file is judged by: a file set aside under one schema may be good under another."""
        rules = (self.spec.schema, self.spec.objective, self.spec.source.timezone, self.spec.source.ignore, labels)
        return hashlib.sha256(repr(rules).encode()).hexdigest()

    def _count(self, landing: NewLandedFile, partitions: tuple[PartitionRecord, ...]) -> None:
        found = self._found
        self._found = replace(
            found,
            partitions=(*found.partitions, *partitions),
            files=found.files + 1,
            rows=found.rows + landing.rows,
            duplicates=found.duplicates + landing.duplicates,
            rejected=found.rejected + landing.refused,
            waiting=found.waiting + landing.waiting,
            late=found.late + landing.late,
            set_aside=found.set_aside + bool(landing.reason),
        )

    def _note(self, uri: str, reason: str) -> None:
        self._found = replace(self._found, reasons=(*self._found.reasons, f"{uri}: {reason}"))

    def _report(self, done: int, total: int, share: float) -> None:
        """Say how far the round has come, at most twice a second."""
        now = time.monotonic()
        if self.progress is None or (now - self._reported < SECONDS_BETWEEN_REPORTS and done < total):
            return
        self._reported = now
        spent = max(now - self._started, 1e-9)
        left = spent / share - spent if share else 0.0
        figures = {"rows": self._found.rows, "rows/s": self._found.rows / spent, "seconds left": left}
        self.progress("taking files", done, total, figures)


def _is_new(before: EarlierOutcome | None, rules: str) -> bool:
    """Whether a file is to be looked at: for the first time, by another schema, or for labels that waited."""
    if before is None or before.waiting:
        return True
    return before.reason is not None and before.rules != rules
