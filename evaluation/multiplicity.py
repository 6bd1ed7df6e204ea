"""Many comparisons at once: a family of them calls an equal challenger harmful no more often than one would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.comparison import CANNOT_TELL, NEW, NOT_COUNTED, Compared, Losses, compare

if TYPE_CHECKING:
    from learning.spec import Gate

KEPT = "kept"


def compare_all(everywhere: Sequence[Losses], metric: str, gate: Gate) -> list[Compared]:
    """Compare every dataset, era and slice; what is new by itself, each other kind as a family.

    In a family of m, harm has to be shown with m times less chance of error (Bonferroni: Dunn 1961). Once it is shown
    of some, only those that are left share the chance, and they are looked at again: "A simple sequentially rejective
    multiple test procedure" (Holm 1979). Whether anything vetoes is the same with either, since Holm's first step is
    Bonferroni's; but of a challenger that does harm in many places, more of them are named. The intervals of those
    of which no harm is shown hold together (Strassburger and Bretz 2008); each other one says that it is above the
    margin.

    Args:
        everywhere: the losses, in any order.
        metric: name of the loss.
        gate: has the confidence.
    """
    found: dict[int, Compared] = {}
    families: dict[str, list[int]] = {}
    for place, losses in enumerate(everywhere):
        if losses.kind == NEW or not losses.counted or losses.lacking(gate):
            found[place] = compare(losses, metric, gate, gate.confidence)
        else:
            families.setdefault(losses.kind, []).append(place)
    for family in families.values():
        left = family
        while left:
            chance = (1 - gate.confidence) / len(left)
            found |= {place: compare(everywhere[place], metric, gate, 1 - chance) for place in left}
            calm = [place for place in left if found[place].figure.verdict in {KEPT, CANNOT_TELL, NOT_COUNTED}]
            left = calm if len(calm) < len(left) else []
    return [found[place] for place in range(len(everywhere))]
