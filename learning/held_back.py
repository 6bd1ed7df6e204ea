"""Which rows a training holds back from itself, to choose the best epoch by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from errors import NotEnoughData
from learning.blocks import fewest
from learning.data import Selection, blocks_of, entity_marks, pick, row_count

if TYPE_CHECKING:
    from learning.spec import FineTune, Pretrain, Schema

MOST = 0.5  # share of the new rows that may choose

Divided = tuple[list[Selection], list[Selection]]  # rows to learn from, rows to choose the best epoch by


def all_of(chosen: Sequence[Selection]) -> list[Selection]:
    """All rows, to learn from.

    Raises:
        NotEnoughData: there are none.
    """
    if row_count(chosen) == 0:
        raise NotEnoughData(
            "0 labelled training rows", "there is nothing to learn from", "wait for labels, or land more files"
        )
    return list(chosen)


def hold_back(
    schema: Schema,
    chosen: Sequence[Selection],
    plan: Pretrain | FineTune,
    seed: int,
    replayed: Sequence[Selection] = (),
) -> Divided:
    """Rows to learn from, and rows to choose the best epoch by; with too few rows both are all rows.

    Rows of the same days say no more than those that are learned from, so the newest blocks choose, thinned evenly to
    `plan.validation_rows`. Where even one is more than half of the new rows, it is a random share of all; rows of one
    entity then fall on the same side, as an epoch must not look good because it knows the patient.

    Args:
        schema: names the entity.
        chosen: new rows.
        plan: how many are to choose.
        seed: decides which, where they are a random share.
        replayed: old rows.

    Raises:
        NotEnoughData: there are no new rows.
    """
    rows = [*all_of(chosen), *replayed]
    share = min(plan.validation, plan.validation_rows / row_count(rows))
    marks = _newest_blocks(chosen, share * row_count(chosen))
    if marks is None:
        marks = _random_share(schema, rows, share, seed)
    held = np.flatnonzero(marks)
    learning = np.setdiff1d(np.arange(row_count(rows)), held, assume_unique=True)
    if not len(held) or not len(learning):
        return rows, rows
    most = min(len(held), plan.validation_rows)
    return pick(rows, learning), pick(rows, held[np.arange(most) * len(held) // most])


def _newest_blocks(chosen: Sequence[Selection], wanted: float) -> NDArray[np.bool_] | None:
    """Marks the newest blocks that hold so many rows; None where there are not blocks enough."""
    blocks = blocks_of(chosen)
    if blocks is None:
        return None
    starts, counts = np.unique(blocks, return_counts=True)
    held = counts[::-1].cumsum()
    held = held[held <= MOST * len(blocks)]
    return np.asarray(blocks >= starts[-1 - fewest(held, wanted)]) if len(held) else None


def _random_share(schema: Schema, chosen: Sequence[Selection], share: float, seed: int) -> NDArray[np.bool_]:
    if schema.entity:
        return np.concatenate([entity_marks(schema, selection, share, seed) for selection in chosen])
    rows = row_count(chosen)
    marks = np.zeros(rows, "bool")
    marks[np.random.default_rng([seed, rows]).permutation(rows)[: round(share * rows)]] = True
    return marks
