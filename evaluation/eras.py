"""What a champion learned from, divided into eras that are judged one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.arrival_records import PartitionRecord


def past_eras(learned: Sequence[PartitionRecord], eras: int) -> dict[str, str]:
    """Divide what the champion learned from, oldest first, into eras of about as many rows: digest to era name."""
    total = sum(partition.rows for partition in learned)
    groups: dict[int, list[PartitionRecord]] = {}
    seen = 0
    for partition in learned:
        groups.setdefault(min(seen * eras // max(total, 1), eras - 1), []).append(partition)
        seen += partition.rows
    return {
        partition.digest: f"{group[0].time_from:%Y-%m-%d} to {max(p.time_to for p in group):%Y-%m-%d}"
        for group in groups.values()
        for partition in group
    }
