"""Which partitions are read of very many rows: what the registry knows of them is enough to choose.

Parquet has to be read to be skipped: to draw every 500th of ten million rows costs as much as to read them all. So the
time blocks are chosen first, by what is known of each partition, and only their rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

READ = 4_000_000  # rows, of which all are read; of more, those of as many partitions as have about so many
RUNS = 4  # of neighbouring partitions: one a season, if the rows are those of a year
LOST = 0.2  # share of a block's rows that may lie in partitions that are not read
SEED = 20130102


@dataclass(frozen=True)
class Known:
    """What the registry knows of a partition's rows: a name for people, how many, from when until when.

    They are as they arrived: of rows that were corrected since, the file that is read has fewer. To choose by, that is
    good enough.
    """

    name: str
    rows: int
    time_from: datetime
    time_to: datetime


@dataclass(frozen=True)
class Choice:
    """Some of the files.

    Args:
        files: their numbers, ascending.
        some: whether these are not all.
        whole: whether only blocks are wanted whose rows are all in these.
    """

    files: tuple[int, ...]
    some: bool = False
    whole: bool = False


def choices(known: Sequence[Known], block: pl.Expr | None, files: int) -> Iterator[Choice]:
    """What to read, the best first; the last one is right whatever is found in it.

    All, if that is not too much. Else a few runs of neighbouring partitions, of which the whole blocks count: days in a
    row, as they arrive. Where blocks are so long that hardly one is whole in as many rows, partitions evenly from all
    of them: then a part stands for its block.

    Args:
        known: what is known of each file; nothing where nobody knows.
        block: gives the start of a time's block.
        files: how many there are.
    """
    rows = np.array([one.rows for one in known], dtype=float)
    if len(known) != files or rows.sum() <= READ or files == 1:
        yield Choice(tuple(range(files)))
        return
    order = np.argsort([one.time_from.timestamp() for one in known], kind="stable")
    ends = rows[order].cumsum()
    middle, total = ends - rows[order] / 2, float(ends[-1])
    if block is not None:
        length, stretch = READ / RUNS, total / RUNS
        begins = (np.arange(RUNS) + np.random.default_rng(SEED).random(RUNS) * (1 - length / stretch)) * stretch
        inside = ((middle[:, None] >= begins) & (middle[:, None] < begins + length)).any(axis=1)
        yield _some(order[inside], whole=True)
    wanted = max(1, int(READ / rows.mean()))
    places = (np.arange(wanted) + np.random.default_rng(SEED).random(wanted)) * (total / wanted)
    yield _some(order[np.unique(np.searchsorted(ends, places, side="right").clip(max=files - 1))], whole=False)


def _some(files: NDArray[np.integer[Any]], *, whole: bool) -> Choice:
    return Choice(tuple(np.sort(files).tolist()), some=True, whole=whole)


def whole_blocks(
    known: Sequence[Known], choice: Choice, blocks: tuple[pl.Series, NDArray[np.integer[Any]]], block: pl.Expr
) -> NDArray[np.bool_]:
    """Whether nearly all rows of each block are in the chosen files.

    Args:
        known: what is known of each file.
        choice: the files that were read.
        blocks: the starts of the blocks that were met, in order, and how many rows were read of each.
        block: gives the start of a time's block.
    """
    chosen = {*choice.files}
    left = [one for number, one in enumerate(known) if number not in chosen]
    first, last = (_starts([getattr(one, end) for one in left], block) for end in ("time_from", "time_to"))
    starts, read = blocks[0].to_physical().to_numpy(), blocks[1]
    # The rows of a partition that was not read are taken for evenly spread over its blocks.
    length = float(np.median(np.diff(starts))) if len(starts) > 1 else 1.0
    density = np.array([one.rows for one in left]) / ((last - first) / length + 1)
    begun = _sum_of(first, density, starts, side="right")
    ended = _sum_of(last, density, starts, side="left")
    return np.asarray(begun - ended <= LOST * (begun - ended + read))


def _sum_of(
    ends: NDArray[np.int64],
    density: NDArray[np.floating[Any]],
    starts: NDArray[np.int64],
    side: Literal["left", "right"],
) -> NDArray[np.floating[Any]]:
    """By each start, the sum of the densities of all whose end lies before."""
    order = np.argsort(ends)
    sums = np.concatenate([[0.0], density[order].cumsum()])
    return np.asarray(sums[np.searchsorted(ends[order], starts, side=side)])


def _starts(times: Sequence[datetime], block: pl.Expr) -> NDArray[np.int64]:
    """The start of each time's block, as a number."""
    name = block.meta.root_names()[0]
    times_of = pl.DataFrame({name: pl.Series(times).cast(pl.Datetime("us", "UTC"))})
    return times_of.select(block.alias("start"))["start"].to_physical().to_numpy()
