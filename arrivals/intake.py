"""Takes landed files: each good row exactly once, whoever else does the same at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from uuid import uuid4

import numpy as np
import polars as pl

from arrivals.contents import asked_rows
from arrivals.history import History
from arrivals.keys import HIGH, ROW
from arrivals.partition_files import PartitionFiles
from arrivals.staging import Staging
from arrivals.validation import Batch, Validator
from db.arrival_records import LandedRecord, NewArrival, NewLandedFile, PartitionRecord, RefusalKind
from errors import ArrivalConflict

if TYPE_CHECKING:
    from db.registry import ModelRegistry
    from learning.spec import ModelSpec

BATCH_BYTES = 1 << 26
BATCH_ROWS = 400_000
FEWEST, FEWEST_WITH_FILES = 1_000, 100  # rows of a batch, however large they are

Taken = tuple[NewLandedFile, tuple[PartitionRecord, ...]]
"""A landed file with what became of its rows, and its partitions, as recorded."""


class Intake:
    """Stores and records the rows of one model's landed files.

    Args:
        spec: the model.
        registry: remembers what was taken.
        files: stores partitions and refused rows.
        cache: local folder of what can be made again.
        run_id: the run that takes them.
    """

    def __init__(
        self, spec: ModelSpec, registry: ModelRegistry, files: PartitionFiles, cache: Path, run_id: int | None
    ) -> None:
        self.id, self.work = uuid4().hex, files.work
        self._spec, self._registry, self._files, self._run_id = spec, registry, files, run_id
        self._history = History(spec, registry, files, cache)
        self._history.catch_up()

    @property
    def batch_rows(self) -> int:
        """How many rows of this model fit into a batch of bounded size."""
        schema = self._spec.schema
        least = FEWEST_WITH_FILES if schema.files else FEWEST
        return max(least, min(BATCH_ROWS, BATCH_BYTES // (24 * len(schema.columns) + schema.wide_bytes)))

    def take(self, landed: NewLandedFile, batches: Callable[[], Iterator[Batch]], *, labels: bool = False) -> Taken:
        """Take a file's rows, and record them together with what became of each.

        This is a compare-and-swap (docs/adr/0006). Duplicates are looked for among the partitions up to a sequence
        number, and the registry accepts the file's partitions only as those that follow it. If somebody else's came
        first, nothing was recorded: then the file is read again if these share a key with it, and else only renumbered,
        so that a long file is not read for ever because short ones are recorded meanwhile.

        Args:
            landed: the file; its counts are filled in.
            batches: reads it from its start.
            labels: it holds keys and labels only.

        Raises:
            ArrivalConflict: somebody else has recorded this very file.
        """
        arrival: NewArrival | None = None
        recorded: tuple[PartitionRecord, ...] | None = None
        try:
            while True:
                if arrival is None:
                    staging = Staging(self._spec, self._history, self._files, landed, self._run_id)
                    with closing(self._files.ahead(batches())) as read:
                        for batch in read:
                            staging.add(batch, labels=labels)
                    arrival = staging.arrival()
                if landed.attempt and not arrival.partitions and (labels or not arrival.refusals):
                    return arrival.file, ()  # labels that still wait, or a query without news: nothing to say
                try:
                    recorded = self._registry.record_arrival(arrival)
                except ArrivalConflict:
                    arrival = self._after_conflict(arrival)
                else:
                    return arrival.file, recorded
        finally:
            self._history.catch_up(recorded)

    def take_together(self, files: Sequence[tuple[NewLandedFile, pl.DataFrame]]) -> list[Taken]:
        """Take small files, each with its rows as they were read, as `take` does one by one; but record all at once.

        What costs a small file most, validation and the search for its keys, is done once for all of them. That tells
        what becomes of each file's rows only if all rows are good, and no key is known or there twice: if not, nothing
        is taken, and the files must be taken one by one.

        Raises:
            ArrivalConflict: somebody else came first.
        """
        rows, parts = self._all_new([frame for _, frame in files])
        recorded, staged = None, list[Staging]()
        try:
            for (landed, _), new in zip(files, parts, strict=False):
                staged.append(Staging(self._spec, self._history, self._files, landed, self._run_id))
                staged[-1].add_new(rows, new)
            arrivals = [staging.arrival() for staging in staged]
            recorded = self._registry.record_arrivals(arrivals) if arrivals else None
            rest = iter(recorded or ())
            return [(arrival.file, tuple(islice(rest, len(arrival.partitions)))) for arrival in arrivals]
        finally:
            self._history.catch_up(recorded)

    def save_keys(self) -> None:
        """Leave the next ingest the keys of what was taken, and the rows that windows reach back to."""
        self._history.keys.save()
        if self._history.earlier:
            self._history.earlier.save()

    def kept(self, landed: Sequence[LandedRecord]) -> dict[RefusalKind, pl.DataFrame]:
        """The refused rows and the conflicts of landed files, as they are kept."""
        found = [refusal for file in landed for refusal in self._registry.refusals(self._spec.name, landed_id=file.id)]
        uris = {kind: {one.uri for one in found if one.uri and one.kind == kind} for kind in get_args(RefusalKind)}
        return {
            kind: pl.concat([pl.DataFrame(), *map(self._files.refused, sorted(some))], how="diagonal_relaxed")
            for kind, some in uris.items()
        }

    def take_none(self, landed: NewLandedFile) -> Taken:
        """Record a file of which nothing is taken, as it stands."""
        arrival = NewArrival(self._spec.name, self._history.recorded, landed, run_id=self._run_id)
        return landed, self._registry.record_arrival(arrival)

    def _all_new(self, frames: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Files' rows, typed, and the asked ones of each file; of no file if a row is bad or no new one."""
        checked = Validator(self._spec.schema, self._spec.objective, self._spec.source).validate(pl.concat(frames))
        asked = asked_rows(checked.rows, self._spec.schema)
        twice = (asked[HIGH] == asked[HIGH].shift()).any()
        if checked.refused is not None or twice or self._history.find(asked).height:
            return checked.rows, []
        sizes = [frame.height for frame in frames]
        ends = np.cumsum(sizes)
        asked = asked[np.argsort(np.searchsorted(ends, asked[ROW].to_numpy(), side="right"), kind="stable")]
        return checked.rows, [asked.slice(end - size, size) for end, size in zip(ends, sizes, strict=True)]

    def _after_conflict(self, arrival: NewArrival) -> NewArrival | None:
        """The arrival as it may follow what others have recorded; None if the file must be read again.

        Raises:
            ArrivalConflict: what they have recorded is this file.
        """
        before = self._history.recorded
        self._history.catch_up()
        file = arrival.file
        this_reading = {"stamp": file.stamp, "rules": file.rules, "attempt": file.attempt}
        if self._history.recorded == before or self._registry.landed_files(self._spec.name, **this_reading):
            raise ArrivalConflict(f"the file {file.uri}", "somebody else has just taken it", "nothing: it is taken")
        # Windows of its rows were built on what had been taken before.
        if self._history.earlier or self._history.keys.shared(arrival.partitions, after=before):
            return None
        return replace(arrival, seen=self._history.recorded)
