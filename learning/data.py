"""Rows of partition files as numpy arrays: labels, inputs of the base, and the selections that training draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from learning.blocks import block_of, labelled
from learning.stored import filled, labels_of, rows_of
from learning.window import MASK, STEPS, kept_window

if TYPE_CHECKING:
    import polars as pl

    from learning.spec import Schema

HOLDOUT = "holdout"
ROW = "/row"  # no column of a schema has a "/" in its name
Split = Literal["train", "holdout", "all"]
Array = NDArray[Any]
Columns = dict[str, Array]
Indices = NDArray[np.int64]
Blocks = NDArray[np.datetime64]


@dataclass(frozen=True)
class PartitionFile:
    """A partition's rows in a local Parquet file; `digest` is of the rows, so it names them for ever."""

    digest: str
    path: Path


@dataclass(frozen=True)
class Selection:
    """Some labelled rows of one partition.

    Args:
        partition: where they are.
        rows: their ascending positions.
        target: their targets, in the same order, shape (rows,); of several outputs (rows, outputs).
        block: start of each one's time block; None where the schema has no blocks.
        weight: how much each one counts; None where all count the same.
    """

    partition: PartitionFile
    rows: Indices
    target: NDArray[np.float64]
    block: Blocks | None = None
    weight: NDArray[np.float64] | None = None

    def take(self, chosen: NDArray[Any]) -> Selection:
        """The rows at these positions (or under this mask) of the selection."""
        block, weight = (None if one is None else one[chosen] for one in (self.block, self.weight))
        return Selection(self.partition, self.rows[chosen], self.target[chosen], block, weight)

    def every(self, step: int) -> Selection:
        """Its first row, and every so manieth after it."""
        return self.take(np.arange(0, len(self.rows), step))


def row_count(selections: Iterable[Selection]) -> int:
    """How many rows were selected in all."""
    return sum(len(selection.rows) for selection in selections)


def pick(selections: Sequence[Selection], places: Indices) -> list[Selection]:
    """The rows at these ascending places, counted through all selections: as many selections, also empty ones."""
    starts = np.cumsum([0, *(len(selection.rows) for selection in selections)])[:-1]
    parts = np.split(places, np.searchsorted(places, starts[1:]))
    return [selection.take(rows - start) for selection, rows, start in zip(selections, parts, starts, strict=False)]


def blocks_of(selections: Sequence[Selection]) -> Blocks | None:
    """The time blocks of all rows, selection by selection; None where the schema has none, or nothing was selected."""
    parts = [selection.block for selection in selections if selection.block is not None]
    return np.concatenate(parts) if parts else None


def weights_of(selections: Sequence[Selection]) -> NDArray[np.float64] | None:
    """How much each row counts, selection by selection; None where all count alike, or nothing was selected."""
    parts = [selection.weight for selection in selections if selection.weight is not None]
    return np.concatenate(parts) if parts else None


def select(  # noqa: PLR0913 - all but the first three by name
    schema: Schema,
    partitions: Sequence[PartitionFile],
    split: Split,
    *,
    since: datetime | None = None,
    before: datetime | None = None,
    after: datetime | None = None,
    unlabelled: bool = False,
) -> list[Selection]:
    """The labelled rows of a split, one selection a partition; files are read side by side, as a history has many.

    Args:
        schema: names the columns.
        partitions: where the rows are.
        split: "train", "holdout" or "all".
        since: only rows from this time on.
        before: only rows before this time,
        after: or from this one on, where it is given.
        unlabelled: also rows whose label is not known; their target is NaN.
    """
    import polars as pl

    time, wanted = pl.col(schema.event_time), schema.examples() if unlabelled else labelled(schema)
    if split != "all":
        wanted &= pl.col(HOLDOUT) == (split == "holdout")
    if since is not None:
        wanted &= time >= since
    if before is not None:
        wanted &= time < before if after is None else (time < before) | (time >= after)
    columns = {"rows": pl.col(ROW).cast(pl.Int64), "target": schema.labels()}
    if schema.block:
        columns["block"] = block_of(time, schema.block)
    if schema.weight is not None:  # a row from before there were weights counts as any other
        columns["weight"] = pl.col(schema.weight).cast(pl.Float64).fill_null(1.0)
    tables = (labels_of(schema, one).with_row_index(ROW) for one in partitions)
    # Rows are left out before their columns are looked at: column by column, it takes two to three times as long.
    frames = pl.collect_all([table.filter(wanted).select(**columns) for table in tables])
    arrays = ({column.name: column.to_numpy() for column in frame} for frame in frames)
    return [Selection(one, **named) for one, named in zip(partitions, arrays, strict=True)]


def read_inputs(schema: Schema, partition: PartitionFile, rows: Indices | None = None) -> Columns:
    """What the base takes, by column: float32 or object strings of shape (rows, 1), float32 tensors and files.

    Of windows the shape is (rows, length), and beside them is the mask.

    Args:
        schema: names the columns.
        partition: where they are.
        rows: ascending positions to read, in this order; by default all.
    """
    wanted = [schema.kept(name) if name in schema.files else name for name in schema.inputs]
    if schema.window:
        wanted = [*map(kept_window, schema.inputs), STEPS]
    table = rows_of(schema, partition).select(wanted)
    if rows is None:
        frame = table.collect()
    else:
        first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
        frame = table.slice(first, last - first + 1).collect()[rows - first]
    if schema.window:
        return _windows(schema, frame)
    numeric = {name: _numbers(frame[name]).reshape(-1, 1) for name in schema.numeric}
    strings = {name: frame[name].fill_null("").to_numpy().astype(object).reshape(-1, 1) for name in schema.strings}
    tensors = {name: _tensor(frame[name], tuple(int(size) for size in shape)) for name, shape in schema.tensors.items()}
    files = {name: _tensor(frame[schema.kept(name)], one.shape) for name, one in schema.files.items()}
    for name, one in schema.files.items():
        files[name] *= np.float32(one.scale)
    return {**numeric, **strings, **tensors, **files}


def _windows(schema: Schema, frame: pl.DataFrame) -> Columns:
    """Windows as they are kept, of shape (rows, length); what is before the first row of an entity says nothing."""
    size = schema.window.length if schema.window else 0
    mask = np.arange(size) >= size - frame[STEPS].to_numpy().astype(np.int64)[:, None]
    found: Columns = {}
    for name in schema.numeric:
        values = _tensor(frame[kept_window(name)], (size,))
        found[name] = np.where(mask, values, np.float32(0))  # null windows, as of a column added later, are NaN
    for name in schema.categorical:
        words = frame[kept_window(name)]
        empty = np.full(mask.shape, "", object)
        empty[words.is_not_null().to_numpy()] = words.drop_nulls().explode().to_numpy().reshape(-1, size)
        found[name] = empty
    return {**found, MASK: mask}


def entity_marks(schema: Schema, selection: Selection, share: float, seed: int) -> NDArray[np.bool_]:
    """Marks about a share of a selection's entities, all rows of each or none; one entity is marked everywhere."""
    import polars as pl

    frame = pl.read_parquet(selection.partition.path, columns=list(schema.entity))[selection.rows]
    ranks = frame.select(pl.struct(schema.entity).hash(seed)).to_series() % 2**20
    return (ranks < share * 2**20).to_numpy()


def count_rows(partition: PartitionFile) -> int:
    """Rows of a partition, from the file's footer."""
    import polars as pl

    return int(pl.scan_parquet(partition.path).select(pl.len()).collect().item())


def read_columns(schema: Schema, partition: PartitionFile, columns: Sequence[str], rows: Indices) -> Columns:
    """Any columns of some rows, as a schema has them: a number that is missing is NaN, and missing text is empty.

    So files that arrived under different schemas give the same kind of array.
    """
    import polars as pl

    if not columns:
        return {}
    table = filled(schema, partition)
    names = table.collect_schema().names()
    there = [name for name in columns if name in names]
    frame = table.select(there).collect()[rows]
    numbers = [pl.col(name).cast(pl.Float64) for name in there if name in schema.numeric]
    frame = frame.with_columns(pl.col(pl.String).fill_null(""), *numbers)
    nothing = np.full(len(rows), "", object)  # of a column that was added later
    return {name: frame[name].to_numpy() if name in there else nothing for name in columns}


def concatenate(parts: Sequence[Any]) -> Any:
    """Arrays end to end, or dicts of arrays column by column; at least one."""
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)


def _numbers(column: pl.Series) -> Array:
    import polars as pl

    return column.cast(pl.Float32).fill_null(float("nan")).to_numpy()


def _tensor(column: pl.Series, shape: tuple[int, ...]) -> Array:
    """Flat fixed-size lists as an array of `shape`, in C order."""
    import polars as pl

    if column.null_count():
        found = np.full((len(column), *shape), np.nan, "float32")
        found[column.is_not_null().to_numpy()] = _tensor(column.drop_nulls(), shape)
        return found
    flat = column.explode() if isinstance(column.dtype, pl.List) else column.to_numpy()
    return np.asarray(flat, dtype="float32").reshape(len(column), *shape)
