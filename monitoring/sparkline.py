"""Loss per time block as text: a line of small bars, and what stands below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from monitoring.overview import LiveBlock, Overview

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60  # marks in a line; beyond that several blocks share one
LOST = "?"  # a block without a finite loss


@dataclass(frozen=True)
class Sparkline:
    """Text to print.

    Args:
        between: how many blocks, from when until when.
        scale: what the lowest and the highest mark mean, and the limit.
        lines: text and what it shows; the first is the loss.
    """

    between: str
    scale: str
    lines: tuple[tuple[str, str], ...]


def sparkline(seen: Overview, width: int = WIDTH) -> Sparkline:
    """Draw a model's losses; where several blocks share a mark, it is the worst of them, so that no peak is lost."""
    blocks, times = seen.blocks, [block.time for block in seen.blocks]
    size = math.ceil(len(blocks) / width)
    groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
    between = f"{len(blocks):,} from {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
    between += f", the worst of each {size} a mark" if size > 1 else ""
    alarms = "".join("!" if any(block.above for block in group) else " " for group in groups)
    marks = [" "] * len(groups)
    for promotion, when in seen.marks:
        place = _place(times, when) // size
        marks[place] = "<" if promotion.kind == "rollback" or marks[place] == "<" else "^"
    lines = [(bars(groups), "? has no finite loss" if any(not math.isfinite(b.loss) for b in blocks) else "")]
    if alarms.strip():
        lines.append((alarms, "! above its limit, or no finite loss"))
    lines.append(("".join(marks), "^ promotion, < rollback"))
    return Sparkline(between, scale(blocks), tuple(lines))


def bars(groups: Sequence[Sequence[LiveBlock]]) -> str:
    """A mark for each group of blocks, as high as its worst loss.

    Example:
        >>> from datetime import datetime
        >>> from monitoring.overview import LiveBlock
        >>> bars([[LiveBlock(datetime(2026, 1, 1), 9, loss, 1)] for loss in (0.1, 0.4, 0.2, float("nan"))])
        '▁█▃?'
    """
    worst = [max((block.loss for block in group), key=_badness) for group in groups]
    finite = [loss for loss in worst if math.isfinite(loss)]
    if not finite:
        return LOST * len(worst)
    low, span = min(finite), max(finite) - min(finite)
    steps = len(BARS) - 1

    def mark(loss: float) -> str:
        if not math.isfinite(loss):
            return LOST
        return BARS[round((loss - low) / span * steps)] if span else BARS[0]

    return "".join(map(mark, worst))


def scale(blocks: Sequence[LiveBlock]) -> str:
    """From which loss to which the marks go, the newest loss, and the newest limit."""
    finite = [block.loss for block in blocks if math.isfinite(block.loss)]
    if not finite:
        return ": none is a finite number"
    words = f": {min(finite):.4g} to {max(finite):.4g}"
    if math.isfinite(blocks[-1].loss):
        words += f", newest {blocks[-1].loss:.4g}"
    limits = [block.limit for block in blocks if block.limit is not None and math.isfinite(block.limit)]
    return words + (f", limit {limits[-1]:.4g}" if limits else "")


def _badness(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _place(times: Sequence[datetime], when: datetime | None) -> int:
    """At which block a promotion stands; one after all of them at the last."""
    return next((place for place, time in enumerate(times) if when is not None and time >= when), len(times) - 1)
