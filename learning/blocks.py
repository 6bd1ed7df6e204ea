"""Time blocks: rows of one share their weather, so a challenger is proven on whole blocks that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learning.schema import ARRIVAL
from learning.stored import labels_of

if TYPE_CHECKING:
    import polars as pl

    from learning.data import PartitionFile
    from learning.spec import Gate, Schema


def block_of(times: pl.Expr, block: str) -> pl.Expr:
    """The start of each time's block, in UTC and without a zone, as numpy writes times; weeks begin on Mondays.

    Args:
        times: datetimes.
        block: length of a block, as in `Schema.block`, but not ""; of an arrival, each time is a block.

    Example:
        >>> import polars as pl
        >>> times = pl.DataFrame({"at": ["2013-05-01T23:59+00:00", "2013-05-02T03:00+04:00"]}).select(
        ...     pl.col("at").str.to_datetime(time_zone="UTC")
        ... )
        >>> times.select(block_of(pl.col("at"), "1d"))["at"].dt.to_string("%d.%m. %H:%M").to_list()
        ['01.05. 00:00', '01.05. 00:00']
    """
    plain = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
    return plain if block == ARRIVAL else plain.dt.truncate(block)


def labelled(schema: Schema) -> pl.Expr:
    """Whether a row is an example whose label is known."""
    return schema.labelled() & schema.examples()


def fewest(held: NDArray[np.integer[Any]], wanted: float) -> int:
    """The place of the first of these growing numbers that is enough, or of the last one.

    Example:
        >>> fewest(np.array([10, 30, 60]), 20), fewest(np.array([10, 30, 60]), 70)
        (1, 2)
    """
    return min(int(np.searchsorted(held, wanted)), len(held) - 1)


def proving_window(schema: Schema, gate: Gate, partitions: Sequence[PartitionFile]) -> datetime | None:
    """Where the proving window begins: the newest rows, in whole blocks, that a challenger is judged on.

    As few blocks as hold `gate.prove_on` of the labelled rows, and `gate.min_rows`. The blocks before them must leave
    enough to learn from: as large a share as the window is to have (or, where that is most of the rows, as is left).
    One old row that came with a day of new ones is no such history.

    Args:
        schema: the length of a block, and the columns of time and label.
        gate: how large the window is to be.
        partitions: the pending ones.

    Returns:
        Start of a block, in UTC; None where there are no blocks, or too few of them.
    """
    import polars as pl

    if not schema.block or not partitions:
        return None
    block = block_of(pl.col(schema.event_time), schema.block).alias("block")
    found = pl.concat([labels_of(schema, one).filter(labelled(schema)).select(block) for one in partitions])
    counts = found.group_by("block").len().sort("block", descending=True).collect()
    held = counts["len"].to_numpy().cumsum()  # by the newest block, by the newest two, ...
    rows = int(held[-1]) if len(held) else 0
    learned = rows - held
    allowed = held[(learned > 0) & (learned >= min(gate.prove_on, 1 - gate.prove_on) * rows)]
    if not len(allowed):
        return None
    start: datetime = counts["block"][fewest(allowed, max(gate.prove_on * rows, gate.min_rows))]
    return start.replace(tzinfo=UTC)
