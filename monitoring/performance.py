"""How the champion fares on what arrives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.verdict_records import PerformanceState


@dataclass(frozen=True)
class Performance:
    """How the champion fares, by its mean losses of time blocks.

    Args:
        state: "in control", "warning", "broken", or "cannot tell" while there are too few blocks.
        since: start of the first block of the warning or the break.
        reason: why, in one sentence.
        blocks: on how many blocks it rests.
        loss: the mean loss on the newest arrival.
        limit: the loss above which a block is a break; None while that cannot be told.
    """

    state: PerformanceState
    since: datetime | None
    reason: str
    blocks: int
    loss: float
    limit: float | None
