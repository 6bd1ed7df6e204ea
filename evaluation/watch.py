"""After a promotion: the predecessor predicts the next arrivals too, and takes its place back if it is shown better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from db.verdict_records import rare_of
from evergreen_client.shown import number

if TYPE_CHECKING:
    from db.verdict_records import BlockLossRecord
    from learning.spec import Gate

FIRST = 3  # blocks; two can say next to nothing, and a look at them would take its share of the error


def shown_worse(champion: Sequence[BlockLossRecord], predecessor: Sequence[BlockLossRecord], gate: Gate) -> str:
    """How the champion is shown to be worse than its predecessor, in a sentence; "" if it is not.

    The difference of their mean losses is the observation, block by block, the first `watch` blocks since the
    promotion. Its t-test may be looked at after each of them, from the third on: every look has the same share of the
    error 1 - confidence, so that by Bonferroni's inequality an equal version is taken back with at most that chance,
    however many of the looks are taken; see Jennison and Turnbull, "Group Sequential Methods with Applications to
    Clinical Trials" (2000). That holds for independent normal differences. For few looks this has more power than
    evidence that could go on for ever: a version 5 % worse, whose difference varies by 2 to 3 % of the loss from block
    to block, is taken back within four blocks in 86 to 57 % of cases.

    On a block without a rare row, whoever expects more of them is worse, whatever the truth is. So the blocks that are
    looked at have to hold `min_events` of them, or as many that the champion expects.

    Args:
        champion: its losses on what arrived since the promotion.
        predecessor: those of the version that it replaced; blocks that both have are compared.
        gate: has the confidence, and for how many blocks a version is watched.
    """
    from scipy.special import stdtrit  # scipy.stats imports ten times as long

    seen = list(paired_blocks(champion, predecessor))[: gate.watch]
    pairs, blocks = np.array([(one.mine, one.theirs) for one in seen]).reshape(-1, 2), len(seen)
    rare = rare_of([part for one in seen for part in one.parts])
    if blocks < FIRST or (rare is not None and rare.evidence < gate.min_events):
        return ""
    rise = pairs[:, 0] - pairs[:, 1]
    bar = stdtrit(blocks - 1, 1 - (1 - gate.confidence) / (gate.watch - FIRST + 1)) * rise.std(ddof=1) / np.sqrt(blocks)
    if not rise.mean() > max(bar, 0.0):
        return ""
    after, before = pairs.mean(axis=0)
    change = f" ({after / before - 1:+.1%})" if before > 0 else ""
    losses = f"{number(before)} to {number(after)}{change}"
    return f"shown worse than version {predecessor[0].number} over {blocks} blocks: {losses}"


class PairedBlock(NamedTuple):
    """A time block: both mean losses on it, and what the champion's is the mean of."""

    block: datetime
    mine: float
    theirs: float
    parts: tuple[BlockLossRecord, ...]


def paired_blocks(champion: Sequence[BlockLossRecord], predecessor: Sequence[BlockLossRecord]) -> Iterator[PairedBlock]:
    """The mean losses of both on each block, over the partitions that both were scored on, oldest block first.

    What a version showed while it was on trial is left out: it was promoted for that.
    """
    theirs = {(record.partition, record.block): record for record in predecessor if not record.proving}
    blocks: dict[datetime, list[tuple[BlockLossRecord, float]]] = {}
    for mine in champion:
        if not mine.proving and (other := theirs.get((mine.partition, mine.block))):
            blocks.setdefault(mine.block, []).append((mine, other.loss))
    for block, pairs in sorted(blocks.items()):
        parts, their_losses = zip(*pairs, strict=True)
        rows = np.array([one.rows for one in parts])
        mine_losses = [one.loss for one in parts]
        yield PairedBlock(block, float(rows @ mine_losses / rows.sum()), float(rows @ their_losses / rows.sum()), parts)
