"""Folds: whole time blocks of the pending rows, each judged by a challenger that learned from all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median_low
from typing import TYPE_CHECKING

import numpy as np

from learning.data import Selection, blocks_of
from learning.plans import Pretrain

if TYPE_CHECKING:
    from learning.files import Trained

MOST = 5  # folds: each takes two trainings


def fold_starts(rows: Sequence[Selection], share: float) -> tuple[datetime, ...]:
    """Where each fold begins, oldest first: stretches of blocks with about as many rows of the rarer classes each.

    Stretches, as blocks that follow each other are alike; the last fold is an ordinary proving window.

    Args:
        rows: with their time blocks.
        share: of them in a fold, as `Gate.prove_on`; five folds at most.

    Returns:
        Starts of blocks, in UTC; fewer than two where there are not blocks enough.
    """
    blocks = blocks_of(rows)
    if blocks is None or not len(blocks):
        return ()
    target = np.concatenate([one.target for one in rows]).astype("int64")
    starts, place = np.unique(blocks, return_inverse=True)
    rare = np.bincount(place, weights=target != np.bincount(target).argmax())
    held = np.concatenate([[0], rare.cumsum()[:-1]])  # by the blocks before each
    folds = int(np.clip(round(1 / share), 2, MOST))
    wanted = rare.sum() * np.arange(folds) / folds
    first = np.minimum(np.searchsorted(held, wanted), len(starts) - 1)
    return tuple(start.replace(tzinfo=UTC) for start in starts[np.unique(first)].tolist())


def refit_epochs(trained: Sequence[Trained]) -> Mapping[str, int]:
    """The epoch that each stage is to keep where several trainings chose: the middle one of theirs.

    Of trainings from scratch it is the latest: they have no earlier version to fall back on, and a handful of events
    stops them too early (docs/adr/0047-few-events-judge-in-folds.md).
    """
    chosen = {stage: [one.kept[stage] for one in trained] for stage in trained[0].kept}
    return {stage: max(some) if stage == Pretrain.name else median_low(some) for stage, some in chosen.items()}
