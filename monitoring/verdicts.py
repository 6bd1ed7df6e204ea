"""What all measures of a check come to: drift or not, and the sentence that says why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from evergreen_client.shown import said

if TYPE_CHECKING:
    from db.verdict_records import DriftColumn, Window
    from learning.spec import DriftPolicy

DECIDING = ("target", "prediction")  # one of these that drifts is a drift by itself
NAMED = 3  # columns in a sentence


def verdict(
    found: Sequence[DriftColumn],
    roles: Mapping[str, str],
    policy: DriftPolicy,
    windows: tuple[Window, Window],
    used: float = 0.0,
) -> tuple[bool, float, str]:
    """Whether it is a drift, the share of columns that drifted, and why.

    Args:
        found: every measure.
        roles: of each column.
        policy: the share that makes a drift.
        windows: the rows that were compared with, and those that arrived.
        used: the importances of all that the champion takes, in sum, whether it is compared or not.
    """
    columns = list(dict.fromkeys(one.column for one in found))
    drifted = list(dict.fromkeys(one.column for one in found if one.drifted))
    if all(math.isnan(one.threshold) for one in found):
        return False, 0.0, _cannot_tell(found, *windows)
    share, weighed = weighed_share(found, used)
    deciding = [name for name in drifted if roles[name] in DECIDING]
    reason = f"{len(drifted)} of {len(columns)} columns drifted{_named(found, roles)}"
    reason += f", {share:.0%} of what the champion uses" if weighed else ""
    if deciding:
        word = " and ".join(sorted({roles[name] for name in deciding}))
        return True, share, f"{reason}; a drift of the {word} is one by itself"
    return share >= policy.share, share, f"{reason}; a drift needs {policy.share:.0%}"


def weighed_share(found: Iterable[DriftColumn], used: float = 0.0) -> tuple[float, bool]:
    """The share of columns that drifted, and whether it was weighed by importance: in parts of `used`, or of their sum.

    Example:
        >>> from db.verdict_records import DriftColumn
        >>> used = DriftColumn("speed", "wasserstein", 0.0, 0.1, drifted=False, importance=0.3)
        >>> unused = DriftColumn("noise", "wasserstein", 1.0, 0.1, drifted=True, importance=0.0)
        >>> weighed_share([used, unused])
        (0.0, True)
    """
    found = list(found)
    drifted = {one.column for one in found if one.drifted}
    columns = {one.column for one in found}
    known = {one.column: max(one.importance, 0.0) for one in found if one.importance is not None}
    total = max(sum(known.values()), used)
    if total > 0:
        return sum(weight for name, weight in known.items() if name in drifted) / total, True
    return len(drifted) / len(columns), False


def _named(found: Sequence[DriftColumn], roles: Mapping[str, str]) -> str:
    """The measures that exceed their thresholds most, one a column, each with its role."""
    worst: dict[str, DriftColumn] = {}
    for one in sorted(found, key=lambda one: one.threshold / max(one.score, 1e-12)):
        if one.drifted:
            worst.setdefault(one.column, one)
    told = [
        f"{roles[one.column]} '{said(one.column)}': {one.method} {one.score:.3g} against {one.threshold:.2g}"
        for one in list(worst.values())[:NAMED]
    ]
    return f" (most: {', '.join(told)})" if told else ""


def _cannot_tell(found: Sequence[DriftColumn], reference: Window, current: Window) -> str:
    """Why nothing was judged."""
    if all(one.remark and not one.broken for one in found):
        return "cannot tell drift, because every column only grows or identifies rows"
    sides = f"the reference has {_blocks(reference)} and what arrived {_blocks(current)}"
    return f"cannot tell drift, because {sides}: too few to see what chance does"


def _blocks(window: Window) -> str:
    """How many time blocks it has."""
    return f"{window.blocks} time block{'' if window.blocks == 1 else 's'}"
