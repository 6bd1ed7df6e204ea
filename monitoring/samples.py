"""Rows of one side of a drift check, drawn from partitions' files: all blocks of a few, whole blocks of very many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from errors import NotEnoughData
from monitoring.choice import Choice, Known, choices, whole_blocks
from monitoring.drift import MIN_ROWS, Side
from monitoring.pieces import Cut, day_names
from monitoring.places import block_of_places, drawn_places

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW = "/row"  # no column of a schema has a "/" in its name
BLOCK = "/block"
TOGETHER = 100_000  # rows of files that are read at once: one file after the other would take long where they are small
LEAST_BLOCKS = 20  # whole ones, that are better than parts of more


@dataclass(frozen=True)
class Layout:
    """What must be known of rows to draw a sample of them.

    Args:
        time: column of their time.
        block: gives the start of each row's time block; None where time says nothing.
        entity: columns that name what a row belongs to, if several rows may belong to the same.
    """

    time: str
    block: pl.Expr | None = None
    entity: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """The rows of one side: those of some files, or some of them.

    Args:
        files: of partitions, in order.
        layout: their columns.
        spans: only rows whose time is in one of these, ends included.
        holdout: only rows that are held out, or only those that are not.
        known: of each file, what is known without reading it. Where it is, not all of very many rows are read.
    """

    files: tuple[Path, ...]
    layout: Layout
    spans: tuple[tuple[datetime, datetime], ...] = ()
    holdout: bool | None = None
    known: tuple[Known, ...] = ()

    @cached_property
    def counts(self) -> list[int]:
        """How many rows each file has, by its footer: what is known counts rows too that were corrected since."""
        return [int(pl.scan_parquet(path).select(pl.len()).collect().item()) for path in self.files]

    @cached_property
    def schemas(self) -> dict[Path, pl.Schema]:
        """Each file's columns."""
        return {path: pl.Schema(pl.read_parquet_schema(path)) for path in self.files}

    @cached_property
    def kinds(self) -> pl.Schema:
        """The columns of all files; where their types differ, as the newest file has it."""
        return pl.Schema({name: kind for schema in self.schemas.values() for name, kind in schema.items()})

    @cached_property
    def alike(self) -> frozenset[Path]:
        """The files that have all of these columns as the newest file has them."""
        return frozenset(path for path, schema in self.schemas.items() if schema == self.kinds)

    def table(self, files: Sequence[Path]) -> pl.LazyFrame:
        """All rows of some of the files, with their places there; null is what a file has not, or as another type."""
        if self.alike.issuperset(files):
            return pl.scan_parquet(list(files), row_index_name=ROW)
        kinds = [(name, kind, pl.lit(None, kind).alias(name)) for name, kind in self.kinds.items()]
        parts = [
            pl.scan_parquet(path).select(pl.col(n) if self.schemas[path].get(n) == k else null for n, k, null in kinds)
            for path in files
        ]
        return pl.concat(parts).with_row_index(ROW)

    def scan(self, files: Sequence[Path] | None = None) -> pl.LazyFrame:
        """The rows with their places, counted through all files, or through these."""
        rows = self.table(self.files if files is None else files)
        if self.spans:
            time = pl.col(self.layout.time)
            rows = rows.filter(pl.any_horizontal([time.is_between(*span) for span in self.spans]))
        return rows if self.holdout is None else rows.filter(pl.col("holdout") == self.holdout)


@dataclass(frozen=True)
class Sample:
    """Some rows of one side, in order.

    Args:
        values: their columns.
        place: each one's place, counted through all files.
        block: number of its time block; without blocks every row is one.
        entity: number of its entity; None where rows belong to nothing.
        time_from: time of the oldest of all rows, drawn or not.
        time_to: time of the newest.
        rows: how many there are; where not all were read, and not all of those are of this side, about how many.
        within: how many there are in the blocks that were drawn from.
        cuts: the rows by time block, if there are any, and by partition, if those have names.
    """

    values: pl.DataFrame
    place: NDArray[np.int64]
    block: NDArray[np.int64]
    entity: NDArray[np.uint64] | None
    time_from: datetime
    time_to: datetime
    rows: int
    within: int
    cuts: tuple[Cut, ...] = ()

    def side(self, values: pl.DataFrame) -> Side:
        """One side of a check, with these values of the same rows."""
        times = self.time_from, self.time_to
        return Side(values, self.block, self.entity, *times, self.rows, self.cuts, self.within)


@dataclass(frozen=True)
class Found:
    """Every row that may be drawn, block after block.

    Args:
        row: of each row, its place counted through the files that were read.
        lengths: how many rows each block has.
        blocks: the starts of the blocks, in order.
        time_from: time of the oldest.
        time_to: time of the newest.
        rows: how many there are on this side; about how many, where not all of them are here.
    """

    row: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    blocks: pl.Series
    time_from: datetime
    time_to: datetime
    rows: int

    def of_blocks(self, wanted: NDArray[np.bool_]) -> Found:
        """The rows of some blocks."""
        kept = self.blocks.filter(pl.Series(wanted))
        return replace(self, row=self.row[wanted.repeat(self.lengths)], lengths=self.lengths[wanted], blocks=kept)


def draw(rows: Rows, columns: Sequence[str], most: int) -> Sample:
    """Draw at most so many rows, evenly over all of them, the same ones every time, with all time blocks there.

    One row is drawn at random from each of as many equal stretches of the rows, block after block: a sample as even as
    the order of the rows, whatever rhythm they have. A block that was missed gives its first row, as far as half of the
    sample allows. Of very many rows, only those of some partitions are read (`choices`), and the blocks that are whole
    in these.

    Args:
        rows: where they are.
        columns: those that are wanted.
        most: rows drawn.

    Raises:
        NotEnoughData: there is no row.
    """
    if not rows.files:
        raise NotEnoughData("a window of no partitions", f"a drift check needs {MIN_ROWS} rows", "wait for some")
    starts = np.cumsum([0, *rows.counts])
    found, chosen = _found(rows, starts)
    if not len(found.row):
        raise NotEnoughData("a window of no rows", f"a drift check needs {MIN_ROWS}", "wait for more rows")
    drawn = drawn_places(found.lengths, most)
    drawn = drawn[found.row[drawn].argsort()]  # as they lie in the files
    place, block = _places(starts, chosen.files, found.row[drawn]), block_of_places(drawn, found.lengths)
    table = pl.concat(list(_read(rows, starts, place, tuple(dict.fromkeys((*columns, *rows.layout.entity))))))
    cuts = [] if rows.layout.block is None else [Cut(block, day_names(found.blocks))]
    if rows.known:
        file = np.searchsorted(starts, place, side="right") - 1
        cuts.append(Cut(file, [f"in partition {known.name}" for known in rows.known]))
    entity = rows.layout.entity
    return Sample(
        table.select(columns),
        place,
        np.arange(len(place)) if rows.layout.block is None else block,
        table.select(pl.struct(entity).hash()).to_series().to_numpy() if entity else None,
        *_times(rows, found, chosen),
        rows=found.rows,
        within=len(found.row),
        cuts=tuple(cuts),
    )


def _times(rows: Rows, found: Found, chosen: Choice) -> tuple[datetime, datetime]:
    """The oldest and the newest row's time."""
    if chosen.some and not rows.spans:
        return min(known.time_from for known in rows.known), max(known.time_to for known in rows.known)
    return found.time_from, found.time_to


def _found(rows: Rows, starts: NDArray[np.int64]) -> tuple[Found, Choice]:
    """The rows that may be drawn, and of which files they are."""
    for choice in choices(rows.known, rows.layout.block, len(rows.files)):
        found = _times_of(rows, starts, choice.files)
        if not choice.whole or rows.layout.block is None or not len(found.row):
            break
        whole = whole_blocks(rows.known, choice, (found.blocks, found.lengths), rows.layout.block)
        if whole.sum() >= LEAST_BLOCKS:
            return found.of_blocks(whole), choice
    return found, choice


def _times_of(rows: Rows, starts: NDArray[np.int64], files: Sequence[int]) -> Found:
    """The places, blocks and times of all rows of some files."""
    block = pl.lit(0) if rows.layout.block is None else rows.layout.block
    scan = rows.scan([rows.files[file] for file in files])  # at once: one by one they take three times as long
    table = scan.select(ROW, block.alias(BLOCK), pl.col(rows.layout.time)).collect()
    share = table.height / max(int(np.diff(starts)[list(files)].sum()), 1)
    time, count = table[rows.layout.time], round(share * int(starts[-1]))
    return Found(*_by_block(table[ROW].to_numpy(), table[BLOCK]), time.min(), time.max(), count)  # type: ignore[arg-type]


def _places(starts: NDArray[np.int64], files: Sequence[int], row: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The places of rows among those of all files, whose places among those of some files are known."""
    lengths = np.diff(starts)[list(files)]
    ends = lengths.cumsum()
    return np.asarray(row + (starts[list(files)] - ends + lengths)[np.searchsorted(ends, row, side="right")])


def _by_block(row: NDArray[np.uint32], starts: pl.Series) -> tuple[NDArray[np.uint32], NDArray[np.uint32], pl.Series]:
    """The rows block after block, how many each block has, and all blocks in order."""
    if not starts.is_sorted():  # as it is where no partition goes back behind another one
        order = starts.to_physical().to_numpy().argsort(kind="stable")
        row, starts = row[order], starts.gather(order)
    runs = starts.rle().struct
    return row, runs.field("len").to_numpy(), runs.field("value")


def _read(
    rows: Rows, starts: NDArray[np.int64], place: NDArray[np.int64], columns: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """The rows at some ascending places, in order, file by file."""
    file, lengths = np.searchsorted(starts, place, side="right") - 1, np.diff(starts)
    wanted = [pl.col(name) if name in rows.kinds else pl.lit(None).alias(name) for name in columns]
    for some in _together(np.unique(file).tolist(), lengths):
        table = rows.table([rows.files[one] for one in some]).select(wanted or [rows.layout.time]).collect()
        first = np.zeros(len(starts), dtype=np.int64)
        first[some] = np.cumsum([0, *lengths[some][:-1]])
        mine = slice(*np.searchsorted(file, [some[0], some[-1] + 1]))
        yield table[place[mine] - starts[file[mine]] + first[file[mine]]]


def _together(files: Sequence[int], lengths: NDArray[np.int64]) -> Iterator[list[int]]:
    """The same files, several at once where they are small."""
    some, held = list[int](), 0
    for file in files:
        some.append(file)
        held += int(lengths[file])
        if held >= TOGETHER:
            yield some
            some, held = [], 0
    if some:
        yield some
