"""The windows of a drift check: from partitions' files to two sides, with the time block and entity of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from errors import NotEnoughData
from monitoring.drift import MIN_ROWS, Compared, DriftVerdict, Side, compare_sides

if TYPE_CHECKING:
    from learning.spec import DriftPolicy

ROW = "/row"  # no column of a schema has a "/" in its name
SEED = 20130101  # of the places that are drawn: the same ones every time
FEW = 2  # rows that a time block is to be expected to have in a sample; of one with fewer, a row is added if need be
TEXT = 0.9  # share of different values in the reference from which a column is free text, and no list of categories
STILL_TEXT = 0.5  # the same for what arrived: below it is something else now, which is to be seen
TEXT_ROWS = 100  # of fewer values nearly every one may be different by chance
FREE_TEXT = "free text: its length is compared, and what the base makes of it"


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
    """

    files: tuple[Path, ...]
    layout: Layout
    spans: tuple[tuple[datetime, datetime], ...] = ()
    holdout: bool | None = None

    def scan(self) -> pl.LazyFrame:
        """The rows with their places, counted through all files."""
        rows = scanned(self.files)
        if self.spans:
            time = pl.col(self.layout.time)
            rows = rows.filter(pl.any_horizontal([time.is_between(*span) for span in self.spans]))
        return rows if self.holdout is None else rows.filter(pl.col("holdout") == self.holdout)


def scanned(files: Sequence[Path]) -> pl.LazyFrame:
    """The rows of several files with their places; where schemas differ, each column as the newest file has it.

    In a file that has no such column, or one of another type, it is null.
    """
    schemas = [pl.read_parquet_schema(path) for path in files]
    if all(schema == schemas[0] for schema in schemas):
        return pl.scan_parquet(list(files), row_index_name=ROW)
    kinds = {name: kind for schema in schemas for name, kind in schema.items()}
    parts = [
        pl.scan_parquet(path).select(
            pl.col(name) if schema.get(name) == kind else pl.lit(None, kind).alias(name) for name, kind in kinds.items()
        )
        for path, schema in zip(files, schemas, strict=True)
    ]
    return pl.concat(parts).with_row_index(ROW)


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
        rows: how many there are.
    """

    values: pl.DataFrame
    place: NDArray[np.int64]
    block: NDArray[np.int64]
    entity: NDArray[np.uint64] | None
    time_from: datetime
    time_to: datetime
    rows: int

    def side(self, values: pl.DataFrame) -> Side:
        """One side of a check, with these values of the same rows."""
        return Side(values, self.block, self.entity, self.time_from, self.time_to, self.rows)


def compare_rows(  # noqa: PLR0913 - the last four by name
    reference: Rows,
    current: Rows,
    columns: Sequence[Compared],
    policy: DriftPolicy,
    *,
    report: Path | None,
    importance: Mapping[str, float],
    reference_name: str,
    title: str = "Drift check",
) -> DriftVerdict:
    """Compare the columns of two sides as they arrived; of free text, the length.

    Args:
        reference: what is known.
        current: what arrived.
        columns: what is compared; a target that has too few labels yet is left out.
        policy: thresholds, and how many rows are drawn.
        report: where to write the page about it.
        importance: how much the champion's loss rises when a column is shuffled.
        reference_name: which rows the reference is.
        title: of the page.

    Raises:
        NotEnoughData: a side has too few rows, or there is no column to compare.
    """
    names = [column.name for column in columns]
    samples = [draw(rows, names, policy.max_rows) for rows in (reference, current)]
    texts = tuple(
        column.name
        for column in columns
        if column.kind == "text"
        or (column.kind == "category" and is_text(*(one.values[column.name] for one in samples)))
    )
    compared = [
        replace(column, kind="number") if column.name in texts else column
        for column in columns
        if column.role != "target" or all(s.values[column.name].drop_nulls().len() >= MIN_ROWS for s in samples)
    ]
    if not compared:
        raise NotEnoughData(
            "windows without a column to compare", "no column has enough values in both", "wait for more rows"
        )
    old, new = (one.side(as_compared(one.values, compared, texts)) for one in samples)
    verdict = compare_sides(
        old,
        new,
        compared,
        policy,
        report=report,
        title=title,
        importance=importance,
        reference_name=reference_name,
    )
    remarked = (
        replace(found, remark=f"{FREE_TEXT}; {found.remark}" if found.remark else FREE_TEXT)
        if found.column in texts
        else found
        for found in verdict.columns
    )
    return replace(verdict, columns=tuple(remarked))


def draw(rows: Rows, columns: Sequence[str], most: int) -> Sample:
    """Draw at most so many rows, evenly over all of them, the same ones every time, with all time blocks there.

    One row is drawn at random from each of as many equal stretches of the rows: a sample as even as the order of the
    rows, whatever rhythm they have. A block that was missed gives its first row, as far as half of the sample allows.
    Only the times are read of all rows, streaming; so memory does not grow with them.

    Args:
        rows: where they are.
        columns: those that are wanted.
        most: rows drawn.

    Raises:
        NotEnoughData: there is no row.
    """
    layout = rows.layout
    block = pl.lit(0) if layout.block is None else layout.block
    time = pl.col(layout.time)
    counted = rows.scan().select(ROW, block.alias("block"), time.alias("time")).group_by("block")
    blocks = counted.agg(pl.len(), pl.col(ROW).min(), time_from=pl.col("time").min(), time_to=pl.col("time").max())
    found = blocks.sort("block").collect(engine="streaming")
    total = int(found["len"].sum())
    if not total:
        raise NotEnoughData("a window of no rows", f"a drift check needs {MIN_ROWS}", "wait for more rows")
    table, number = _drawn(rows, found, tuple(dict.fromkeys((*columns, *layout.entity))), most)
    return Sample(
        table.select(columns),
        table[ROW].to_numpy().astype(np.int64),
        np.arange(table.height) if layout.block is None else number,
        table.select(pl.struct(layout.entity).hash()).to_series().to_numpy() if layout.entity else None,
        found["time_from"].min(),  # type: ignore[arg-type]  # of a column of times, the smallest is a time
        found["time_to"].max(),  # type: ignore[arg-type]
        total,
    )


def _drawn(
    rows: Rows, blocks: pl.DataFrame, columns: Sequence[str], most: int
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The drawn rows, and the number of each one's block.

    Args:
        rows: where they are.
        blocks: all blocks, in order, with their `len` and the place of their first row.
        columns: those that are wanted.
        most: rows drawn.
    """
    total = int(blocks["len"].sum())
    rare = blocks.filter(pl.col("len") * most < FEW * total)
    spare = 0 if total <= most else min(rare.height, most // 2)
    places = even_places(total, most - spare)
    if total > most and (rows.spans or rows.holdout is not None):  # places among these rows, not in the files
        places = rows.scan().select(ROW).collect(engine="streaming")[ROW].to_numpy()[places]
    table = _at(rows, None if total <= most else places, columns)
    number = _numbers(table, blocks)
    missed = rare.filter(~pl.col("block").is_in(blocks["block"][np.unique(number)].implode()))[ROW].to_numpy()
    if not len(missed) or not spare:
        return table, number
    added = missed[even_places(len(missed), spare)]
    table = pl.concat([table, _at(rows, added, columns)]).sort(ROW)
    return table, _numbers(table, blocks)


def even_places(total: int, wanted: int) -> NDArray[np.int64]:
    """Ascending places among so many: one at random from each of as many equal stretches as are wanted, or all.

    Example:
        >>> even_places(3, 5).tolist(), len(even_places(1_000, 10))
        ([0, 1, 2], 10)
    """
    if total <= wanted:
        return np.arange(total)
    random = np.random.default_rng(SEED).random(wanted)
    return np.minimum(((np.arange(wanted) + random) * (total / wanted)).astype(np.int64), total - 1)


def _at(rows: Rows, places: NDArray[Any] | None, columns: Sequence[str]) -> pl.DataFrame:
    """The rows at these places, or all, with their block."""
    block = pl.lit(0) if rows.layout.block is None else rows.layout.block
    scan = rows.scan()
    if places is not None:
        scan = scan.filter(pl.col(ROW).is_in(pl.Series(places, dtype=pl.UInt32).implode()))
    there = scan.collect_schema()
    named = [pl.col(name) if name in there else pl.lit(None).alias(name) for name in columns]  # null in older files
    return scan.select(ROW, block.alias("/block"), *named).collect(engine="streaming").sort(ROW)


def _numbers(table: pl.DataFrame, blocks: pl.DataFrame) -> NDArray[np.int64]:
    """The number of each row's block, by the order of all blocks."""
    return np.searchsorted(blocks["block"].to_numpy(), table["/block"].to_numpy())


def is_text(reference: pl.Series, current: pl.Series) -> bool:
    """Whether a column is free text: nearly all of its values differ, and many of what arrived still do.

    Such a column has no categories: a window shares hardly a value with the next one, drift or not.
    """
    known, new = reference.drop_nulls(), current.drop_nulls()
    many = len(known) >= TEXT_ROWS and known.n_unique() > TEXT * len(known)
    return many and len(new) > 0 and new.n_unique() > STILL_TEXT * len(new)


def as_compared(values: pl.DataFrame, columns: Sequence[Compared], texts: Sequence[str] = ()) -> pl.DataFrame:
    """Numbers as numbers, without NaN; categories as text, class 3.0 as "3"; of free text the length."""

    def converted(column: Compared) -> pl.Expr:
        value = pl.col(column.name)
        if column.name in texts:
            return value.str.len_chars().cast(pl.Float64)
        if column.kind == "number":
            return value.cast(pl.Float64).fill_nan(None)
        whole = value.cast(pl.Int64, strict=False) if values.schema[column.name].is_float() else value
        return whole.cast(pl.String)

    return values.select([converted(column) for column in columns])
