"""Has a base aged? Words that were not there when it was built, and numbers outside of what it was scaled to.

A drift check compares with what the champion learned from, the newest rows included. But its base was adapted once,
to the rows that it was built from, and fine-tuning a head cannot mend what the base no longer tells apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evergreen_client.shown import said
from monitoring.counted import numbers, texts
from monitoring.faults import ENOUGH
from monitoring.usual import WIDTH, Rows, new_share
from monitoring.windows import is_text

if TYPE_CHECKING:
    from monitoring.samples import Sample

MORE = 0.1  # of the rows, beyond the oddest block of those that the base was built from
NAMED = 3  # columns in a sentence


def aged(built_from: Sample, now: Sample, categorical: Sequence[str], numeric: Sequence[str]) -> str:
    """What of the new rows a base was not adapted to, in a sentence without an end; "" if that is little.

    Args:
        built_from: rows that it was built from.
        now: rows that arrived.
        categorical: columns of words; free text is passed over.
        numeric: columns of numbers.
    """
    found = [*_unknown(built_from, now, categorical), *_outside(built_from, now, numeric)]
    worst = [sentence for _, sentence in sorted(found, reverse=True)[:NAMED]]
    more = [f"and {len(found) - NAMED} more columns"] if len(found) > NAMED else []
    return ", ".join((*worst, *more))


def _unknown(built_from: Sample, now: Sample, columns: Sequence[str]) -> Iterator[tuple[float, str]]:
    for name in columns:
        known, current = texts(built_from.values[name]), texts(now.values[name]).drop_nulls()
        if min(known.count(), len(current)) < ENOUGH:
            continue
        share = float(np.mean(~current.is_in(known.drop_nulls().unique().implode()).to_numpy()))
        if share < MORE or is_text(known, current):  # before it is asked how each block was, which takes longest
            continue
        if share >= new_share(Rows(known, built_from.block)) + MORE:
            yield share, f"{share:.0%} of '{said(name)}' are words that were not there"


def _outside(built_from: Sample, now: Sample, columns: Sequence[str]) -> Iterator[tuple[float, str]]:
    for name in columns:
        known, current = (np.asarray(numbers(one.values[name]), dtype=float) for one in (built_from, now))
        there = np.isfinite(known)
        current = current[np.isfinite(current)]
        if min(there.sum(), len(current)) < ENOUGH:
            continue
        low, high = np.quantile(known[there], WIDTH)
        share = float(np.mean((current < low) | (current > high)))
        if share >= MORE + 1 - (WIDTH[1] - WIDTH[0]):
            yield share, f"{share:.0%} of '{said(name)}' lie outside of the range that it was scaled to"
