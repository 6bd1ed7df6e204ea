"""Sides of a drift check, made of plain frames."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from learning.spec import DriftPolicy
from monitoring.drift import Compared, DriftVerdict, Side, compare_sides

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def side(values: pl.DataFrame, blocks: int | Sequence[int], first: int = 0) -> Side:
    """Rows in so many time blocks of one size, or in these; a block is a day."""
    block = np.arange(len(values)) * blocks // max(len(values), 1) if isinstance(blocks, int) else np.asarray(blocks)
    block = block + first
    begin, end = (BEGIN + timedelta(days=int(day)) for day in (block.min(initial=first), block.max(initial=first)))
    return Side(values, block, None, begin, end, len(values))


def compared(values: pl.DataFrame, target: str = "y") -> list[Compared]:
    """Every column: texts as categories, the target as such."""
    return [
        Compared(
            name,
            "category" if kind in (pl.String, pl.Boolean) else "number",
            "target" if name == target else "input",
        )
        for name, kind in values.schema.items()
    ]


def compare(  # noqa: PLR0913 - by name
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    blocks: tuple[int, int] = (60, 7),
    policy: DriftPolicy | None = None,
    report: Path | None = None,
    importance: dict[str, float] | None = None,
) -> DriftVerdict:
    """Compare frames of the same columns."""
    sides = side(reference, blocks[0]), side(current, blocks[1], blocks[0])
    columns = compared(reference)
    return compare_sides(*sides, columns, policy or DriftPolicy(), report=report, importance=importance or {})
