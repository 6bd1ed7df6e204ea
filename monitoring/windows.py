"""The windows of a drift check: two sides, drawn from partitions' files and compared as what their columns are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from errors import NotEnoughData
from monitoring.drift import MIN_ROWS, Compared, DriftVerdict, Side, compare_sides
from monitoring.samples import Rows, draw

if TYPE_CHECKING:
    from learning.spec import DriftPolicy

TEXT = 0.9  # share of different values in the reference from which a column is free text, and no list of categories
STILL_TEXT = 0.5  # the same for what arrived: below it is something else now, which is to be seen
TEXT_ROWS = 100  # of fewer values nearly every one may be different by chance
FREE_TEXT = "free text: its length is compared, and what the base makes of it"


@dataclass(frozen=True)
class Sides:
    """Both sides as they are compared, the columns, and which of those are free text."""

    reference: Side
    current: Side
    columns: tuple[Compared, ...]
    texts: tuple[str, ...]


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
    sides = drawn(reference, current, columns, policy.max_rows)
    verdict = compare_sides(
        sides.reference,
        sides.current,
        sides.columns,
        policy,
        report=report,
        title=title,
        importance=importance,
        reference_name=reference_name,
    )
    remarked = (
        replace(found, remark=f"{FREE_TEXT}; {found.remark}" if found.remark else FREE_TEXT)
        if found.column in sides.texts
        else found
        for found in verdict.columns
    )
    return replace(verdict, columns=tuple(remarked))


def drawn(reference: Rows, current: Rows, columns: Sequence[Compared], most: int) -> Sides:
    """Samples of both sides, of at most so many rows, and what is compared of them; raises as `compare_rows` does."""
    names = [column.name for column in columns]
    samples = [draw(rows, names, most) for rows in (reference, current)]
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
    return Sides(old, new, tuple(compared), texts)


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
