"""When training diverges: are there rows that no learning rate helps, and which delivery brought them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from errors import TrainingDiverged
from learning.data import PartitionFile
from learning.stored import filled, wanted

if TYPE_CHECKING:
    from learning.spec import ModelSpec, Schema

TIMES_USUAL = 1e6  # a value so many times larger than usual is no value that a rare day brings
LARGEST = 1e18  # its square is beyond a float32, in which losses are computed


@dataclass(frozen=True)
class Absurdity:
    """Rows of one partition that have absurd values in one column."""

    partition: PartitionFile
    column: str
    rows: int


@contextmanager
def absurd_rows_named(
    spec: ModelSpec, new: Sequence[PartitionFile], old: Sequence[PartitionFile] = ()
) -> Iterator[None]:
    """Where a training inside diverges over absurd rows, say which ones and how to be rid of them.

    Args:
        spec: the model.
        new: the partitions that it learns from.
        old: those that were learned before without harm.

    Raises:
        TrainingDiverged: as inside, or with the partition, the column and the command that recalls it.
    """
    try:
        yield
    except TrainingDiverged as error:
        found = find_absurd(spec.schema, new, old)
        if found is None:
            raise
        digest, column = found.partition.digest[:12], found.column
        raise TrainingDiverged(
            error.received,
            f"{found.rows:,} rows of partition {digest} have values in column '{column}' that are more than "
            f"{TIMES_USUAL:,.0f} times larger than usual, or than {LARGEST:g}",
            f"look at them with `evergreen partitions show {spec.name} {digest}`; if they are wrong, run `evergreen "
            f'partitions recall {spec.name} {digest} --reason "absurd values in {column}"`, retrain, and give the '
            "column a range in the schema",
        ) from error


def find_absurd(schema: Schema, new: Sequence[PartitionFile], old: Sequence[PartitionFile] = ()) -> Absurdity | None:
    """The partition and column with most absurd values; None where there are none.

    What is usual is the median, over the old partitions or else all, of the size that a tenth of a partition's values
    exceed: so a delivery that is absurd as a whole does not make itself usual.
    """
    import polars as pl

    numbers = [name for name, kind in wanted(schema).items() if name in schema.targets and kind == pl.Float64]
    sizes = {name: pl.col(name).abs() for name in (*schema.numeric, *numbers)}
    for name in schema.tensors:
        sizes[name] = pl.col(name).cast(pl.List(pl.Float64)).list.eval(pl.element().abs()).list.max()
    if not sizes:
        return None
    tenth = [size.quantile(0.9) for size in sizes.values()]
    large = pl.concat(pl.collect_all([filled(schema, one).select(tenth) for one in old or new]))
    usual = large.quantile(0.5, interpolation="lower").row(0, named=True)
    absurd = [size > min(TIMES_USUAL * (usual[name] or 1.0), LARGEST) for name, size in sizes.items()]
    counts = pl.collect_all([filled(schema, one).select(rows.sum() for rows in absurd) for one in (*new, *old)])
    found = [
        Absurdity(one, name, rows)
        for one, count in zip((*new, *old), counts, strict=True)
        for name, rows in count.row(0, named=True).items()
        if rows
    ]
    return max(found, key=lambda absurdity: absurdity.rows, default=None)
