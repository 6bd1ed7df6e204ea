"""Labels that a row lacks and its key has already: of one output a label apart, of more columns beside the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from arrivals.conflicts import CONFLICT, CORRECTION, OUTCOME, WAS
from arrivals.contents import FEATURES
from arrivals.keys import HIGH, LOW, ROW

if TYPE_CHECKING:
    from learning.spec import Schema

TakenOf = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


def without_gaps(
    rows: pl.DataFrame, judged: pl.DataFrame, taken_of: TakenOf, schema: Schema, *, replace: bool
) -> pl.DataFrame:
    """Rows that differ from what was taken, with the labels that are known of their keys; the same where none lacks.

    A row without a label says nothing about it. Of the first target `judge` sees to that; labels of the others are
    compared with the features, so that a row without one would be another row, and as a correction take it away.

    Args:
        rows: as they arrived.
        judged: what became of them.
        taken_of: gives a row, with HIGH and LOW, for each key of some judged rows.
        schema: the columns.
        replace: a row's label is also known of the later rows of its key.
    """
    names = [name for name, _ in schema.other_targets]
    if not names or not any(rows[name].null_count() for name in names):
        return rows
    differs = pl.col(OUTCOME).is_in([CONFLICT, CORRECTION]).any().over(HIGH, LOW, FEATURES)
    differing = judged.filter(differs)
    said = rows[differing[ROW]].select(names)
    if not any(said[name].null_count() for name in names):
        return rows
    known = taken_of(rows, differing).select(HIGH, LOW, pl.col(names).name.suffix(WAS))
    labels = pl.concat([differing.select(HIGH, LOW, ROW), said], how="horizontal")
    labels = labels.join(known, on=[HIGH, LOW], how="left", maintain_order="left")
    filled = labels.select(ROW, *(_known(name, rows.schema[name], replace=replace) for name in names))
    return rows.with_columns(pl.int_range(pl.len()).alias(ROW)).update(filled, on=ROW).drop(ROW)


def _known(name: str, kind: pl.DataType, *, replace: bool) -> pl.Expr:
    own = pl.col(name).forward_fill().over(HIGH, LOW) if replace else pl.col(name)
    return pl.coalesce(own, pl.col(name + WAS).cast(kind, strict=False)).alias(name)
