"""A drift check of ten million rows beside one of a million: `python -m benchmarks.drift_size`.

25 columns, partitions of 100,000 rows as an ingest cuts them, 27,000 rows a day; a week arrives. The processor's time
of whole comparisons, Evidently's import aside, in one process, the median of eleven pairs in turn, and how much memory
the larger ones take beyond the smaller.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from learning.blocks import block_of
from learning.spec import DriftPolicy
from monitoring.choice import Known
from monitoring.drift import Compared
from monitoring.samples import Layout, Rows, draw
from monitoring.windows import compare_rows

START = datetime(2024, 1, 1, tzinfo=UTC)
PART, A_DAY, WEEK = 100_000, 27_000, 189_000
MILLION = 1_000_000
NUMBERS, TEXTS = [f"x{place}" for place in range(20)], [f"c{place}" for place in range(3)]
COLUMNS = tuple(Compared(c, "category" if c in TEXTS else "number", "input") for c in (*NUMBERS, *TEXTS))
COLUMNS = (*COLUMNS, Compared("y", "number", "target"))
ROUNDS = 11
LAYOUT = Layout("at", block_of(pl.col("at"), "1d"))
GOAL, MEMORY = 1.3, 256  # times as long; MiB


def partition(folder: Path, first: int, rows: int) -> tuple[Path, Known]:
    """Rows of a time, twenty numbers, three categories and a label, each a few seconds after the one before."""
    draw, every = np.random.default_rng(first), timedelta(days=1) / A_DAY
    at = pl.datetime_range(START + first * every, interval=every, end=START + (first + rows - 1) * every, eager=True)
    columns = {name: draw.normal(size=rows).astype("float32") for name in NUMBERS}
    columns |= {name: draw.integers(0, 20, rows).astype(str) for name in TEXTS}
    table = pl.DataFrame({"at": at.head(rows), **columns, "y": draw.integers(0, 2, rows).astype(float)})
    path = folder / f"{first}.parquet"
    table.write_parquet(path, compression="lz4")
    return path, Known(str(first), len(table), table["at"][0], table["at"][-1])


def side(parts: list[tuple[Path, Known]]) -> Rows:
    """The rows of some partitions."""
    return Rows(tuple(path for path, _ in parts), LAYOUT, known=tuple(known for _, known in parts))


def seconds(reference: Rows, current: Rows) -> float:
    """Of processor time that a comparison takes."""
    began = time.process_time()
    compare_rows(reference, current, COLUMNS, DriftPolicy(), report=None, importance={}, reference_name="champion")
    return time.process_time() - began


def times(work: Callable[[Rows], float], large: Rows, small: Rows) -> float:
    """How many times as long the large side takes: the median of pairs in turn, as a machine is busy now and then.

    Each time the files are as new: nothing of them is remembered.
    """
    return median(work(replace(large)) / work(replace(small)) for _ in range(ROUNDS))


def peak() -> float:
    """The most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Print every claim; 1 if one does not hold."""
    claims = Claims()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    with TemporaryDirectory() as folder:
        parts = [partition(Path(folder), first, PART) for first in range(0, 10 * MILLION, PART)]
        week = side([partition(Path(folder), 10 * MILLION, WEEK)])
        small, large = side(parts[: MILLION // PART]), side(parts)
        seconds(small, week)  # imports what is measured with
        claims.show("a comparison with 1 M rows", seconds(small, week), "s")
        before = peak()
        claims.at_most("with 10 M, by that", times(lambda some: seconds(some, week), large, small), GOAL)
        claims.at_most("the memory that it takes beyond that", peak() - before, MEMORY, "MiB")
        claims.show("time blocks that are drawn from, of 371", len(np.unique(draw(large, [], 20_000).block)), "")
        ratio = times(lambda some: seconds(week, some), large, small)
        claims.at_most("where 10 M rows arrive instead of 1 M", ratio, GOAL)
    return claims.exit_code


if __name__ == "__main__":
    sys.exit(main())
