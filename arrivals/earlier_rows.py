"""The newest rows of each entity among all that was taken: what the windows of new rows reach back to.

All of it follows from the partitions. It is kept in memory while rows are taken, and in the cache between two ingests,
in a file that is named by the partitions that it covers and has its checksum beside it: one that is missing, torn or of
other partitions is not believed, and is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from arrivals.newest import CHECKSUM, is_whole
from arrivals.validation import Validator
from arrivals.windows import FROM, PLACE, by_of, narrow, nearest, newest, placed, windowed
from evergreen_client.artifacts import file_sha256
from evergreen_client.durable import remove_whatever, written_whole

if TYPE_CHECKING:
    from datetime import datetime

    from arrivals.partition_files import PartitionFiles
    from db.arrival_records import NewPartition, PartitionRecord
    from learning.spec import ModelSpec

    Recorded = tuple[int, str]  # sequence number and digest of a partition that counts

ENOUGH = 2  # so many windows of rows are kept of each entity: of one that is a little late, no partition is read again
MANY = 100_000  # rows that may be added before the newest are looked for again


class EarlierRows:
    """What was taken of a model's entities; windows of rows that are being taken are built on it.

    Args:
        spec: the model.
        files: reads partitions.
        folder: where it is kept between two ingests.
        partition: gives the partition of a sequence number.
    """

    def __init__(
        self,
        spec: ModelSpec,
        files: PartitionFiles,
        folder: Path,
        partition: Callable[[int], PartitionRecord | NewPartition],
    ) -> None:
        self._spec, self._schema, self._files, self._folder = spec, spec.schema, files, folder
        self._partition = partition
        kinds = Validator(spec.schema, spec.objective, spec.source).kinds
        self._none = narrow(pl.DataFrame(schema={**kinds, PLACE: pl.Int64()}), spec.schema, 0)
        self._length = spec.schema.window.length if spec.schema.window else 1
        self._most = ENOUGH * self._length
        self._live: list[Recorded] = []
        self._covered = 0  # of these
        self._rows: pl.DataFrame | None = None  # the newest rows of the covered ones; None before they were asked for
        self._staged: list[Future[str]] = []
        self._now: pl.DataFrame | None = None  # with what is being stored
        self._file: Path | None = None
        self._least = 0  # rows that were left when the newest were last looked for

    def catch_up(self, live: Sequence[Recorded]) -> None:
        """Learn which recorded partitions count; what was being stored is recorded by now, or never was."""
        if list(live[: self._covered]) != self._live[: self._covered]:
            self._covered, self._rows, self._now = 0, None, None  # one was recalled
        new = [digest for _, digest in live[self._covered :]]
        if self._now is not None and len(new) == len(self._staged) and new == [one.result() for one in self._staged]:
            self._covered, self._rows = len(live), self._now
        self._live, self._staged, self._now = list(live), [], None

    def add(self, digest: Future[str], rows: pl.DataFrame | None, sequence: int, *, late: bool) -> None:
        """Count with a partition that is being stored: its rows, or None where they were taken before."""
        now = self._of_now()
        if rows is not None and self._held(late=late):
            now = pl.concat([now, narrow(rows, self._schema, sequence)])
            now = self._bounded(now)
        self._staged.append(digest)
        self._now = now

    def windows(self, rows: pl.DataFrame, sequence: int) -> pl.DataFrame:
        """Rows that will be the partition of a sequence number, with the columns that keep their windows."""
        asked = narrow(rows.with_columns(pl.lit(0).alias(PLACE)), self._schema, sequence)
        near = newest(self._of_now().join(asked, on=by_of(self._schema), how="semi"), self._schema, self._most)
        rows = placed(rows, near, self._schema)
        return windowed(rows, self._before(near, asked, sequence), self._schema, sequence)

    def save(self) -> None:
        """Leave the next ingest what is known of the recorded partitions."""
        if self._rows is None or not self._covered:
            return
        path = self._paths()[self._covered]
        with suppress(OSError, pl.exceptions.PolarsError):  # it is made again when it is asked for
            if path != self._file or not is_whole(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path, sync=False) as temporary:
                    newest(self._rows, self._schema, self._most).write_parquet(temporary, compression="lz4")
                    checksum = file_sha256(temporary)[0]
                with written_whole(path.with_suffix(CHECKSUM), sync=False) as temporary:
                    temporary.write_text(checksum)
            if self._file is not None and self._file != path:
                for older in (self._file, self._file.with_suffix(CHECKSUM)):
                    remove_whatever(older)
            self._file = path

    def _of_now(self) -> pl.DataFrame:
        return self._known() if self._now is None else self._now

    def _known(self) -> pl.DataFrame:
        """The newest rows of all recorded partitions that count."""
        if self._rows is None:
            self._covered, self._rows = self._loaded()
        found = self._rows
        for sequence, _ in self._live[self._covered :]:
            found = self._bounded(pl.concat([found, self._of_partition(sequence)]))
        self._covered, self._rows = len(self._live), found
        return found

    def _bounded(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same rows, or only the newest ones of each entity, if many came since these were looked for."""
        if rows.height > 2 * self._least + MANY:
            rows = newest(rows, self._schema, self._most)
            self._least = rows.height
        return rows

    def _loaded(self) -> tuple[int, pl.DataFrame]:
        """What an earlier ingest left, and how many partitions it covers."""
        for covered, path in reversed(list(enumerate(self._paths()))):
            if is_whole(path):
                with suppress(OSError, pl.exceptions.PolarsError):
                    rows = pl.read_parquet(path)
                    self._file, self._least = path, rows.height
                    return covered, rows
        return 0, self._none

    def _paths(self) -> list[Path]:
        """The file that covers the first none, one, two, ... of the partitions that count."""
        schema = self._schema
        name = hashlib.sha256(repr((schema.window, schema.event_time, schema.inputs, schema.numeric)).encode())
        paths = [self._folder / f"{name.hexdigest()}.parquet"]
        for sequence, digest in self._live:
            name.update(f"{sequence}:{digest};".encode())
            paths.append(self._folder / f"{name.hexdigest()}.parquet")
        return paths

    def _before(self, near: pl.DataFrame, asked: pl.DataFrame, sequence: int) -> pl.DataFrame:
        """Earlier rows that windows of these may hold; of an entity with very late rows, from its partitions."""
        by = by_of(self._schema)
        firsts = asked.group_by(by).agg(pl.col("time").min().alias("first"))
        fit = (pl.col("time") <= pl.col("first")).sum()
        known = near.join(firsts, on=by).group_by(by).agg(pl.len().alias("rows"), fit.alias("fit"))
        deep = known.filter((pl.col("rows") >= self._most) & (pl.col("fit") < self._length - 1))
        if not deep.height:
            return near
        late = self._from_partitions(asked.join(deep, on=by, how="semi"), sequence)
        return pl.concat([near.join(deep, on=by, how="anti"), late])

    def _from_partitions(self, asked: pl.DataFrame, sequence: int) -> pl.DataFrame:
        """The last rows before some others, looked for in the partitions; one of them at a time is in memory."""
        staged = range(sequence - len(self._staged), sequence)
        found, newest_asked = self._none, cast("datetime", asked["time"].max())
        for number in (*(number for number, _ in self._live), *staged):
            if self._partition(number).time_from <= newest_asked:
                rows = self._of_partition(number).join(asked, on=by_of(self._schema), how="semi")
                found = nearest(pl.concat([found, rows]), asked, self._schema).sort(FROM, maintain_order=True)
        return found

    def _of_partition(self, sequence: int) -> pl.DataFrame:
        """A partition's rows as later windows need them; none of one that they do not hold."""
        partition = self._partition(sequence)
        if partition.kind != "rows" or not self._held(late=partition.late):
            return self._none
        schema = self._schema
        columns = dict.fromkeys((*schema.window.by, schema.event_time, *schema.inputs, PLACE)) if schema.window else ()
        try:
            rows = self._files.read(partition, list(columns))
        except pl.exceptions.ColumnNotFoundError:  # it arrived before the schema had one of them
            rows = self._files.read(partition)
        return narrow(rows, schema, sequence)

    def _held(self, *, late: bool) -> bool:
        """Whether later windows hold rows of a partition; not those that are kept without training on them."""
        return not late or self._spec.source.late == "train"
