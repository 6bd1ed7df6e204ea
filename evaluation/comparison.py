"""Two versions' losses on the same rows of a dataset or slice: the figures, and the word that they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.verdict_records import EvaluationMetric
from evaluation.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from learning.objectives import Objective
    from learning.spec import Gate

Floats = NDArray[np.floating[Any]]

PROVING = "proving window"
NEWEST = "newest"  # held-out entities of what is pending: the weaker proof
CANNOT_TELL = "cannot tell"
NOT_COUNTED = "not counted"
SUSPECT = "suspect"  # said of a slice that was found: harm is shown there, and nobody has said that it may veto
NEW, ERA, SLICE, FOUND = "new", "era", "slice", "found"  # the kinds of rows, each with a rule of its own
ONE = {"blocks": "block", "entities": "entity", "rows": "row"}
NEGLIGIBLE = 0.01  # of a constant's loss: where both are all but perfect, half as bad again is no forgetting


@dataclass(frozen=True)
class Losses:
    """The losses of the same rows under both versions.

    Args:
        dataset: which.
        slice: of all counted rows those with one value of a column, as "column=value"; empty for a whole dataset.
        rows: which of all the rows these are, as marks.
        before: of the champion, or of the reference that an era is compared with, shape (rows,).
        after: of the challenger.
        clusters: "blocks" and "entities", where there are such: what names the group of each row.
        events: how many rows are of the rarer outcomes.
        constant: mean loss of the constant that is best on these rows.
        counted: whether it may refuse a challenger; an era from before the world turned may not.
        against: number of the version that `before` is of, where that is not the champion.
        weight: how much each row counts, above 0, shape (rows,); None where all count alike.
        numbers: whether the target is a number, whose losses have no bound.
    """

    dataset: str
    slice: str
    rows: NDArray[np.bool_]
    before: Floats
    after: Floats
    clusters: Mapping[str, NDArray[Any]]
    events: int
    constant: float
    counted: bool = True
    against: int | None = None
    weight: Floats | None = None
    numbers: bool = False

    def mean(self, values: Floats) -> float:
        """The mean over the rows, weighted where they have weights."""
        return float(np.average(values, weights=self.weight))

    @property
    def kind(self) -> str:
        """What is new, a past era or a slice, one that was named or one that was found."""
        if self.dataset == FOUND:
            return FOUND
        if self.slice:
            return SLICE
        return NEW if self.dataset in {PROVING, NEWEST} else ERA

    def lacking(self, gate: Gate) -> str:
        """What there is too little of for a verdict, in words; "" if there is enough."""
        rows = len(self.before)
        rare = "rows of the rarer outcome" if self.events < rows else "labelled rows"
        needs = (rows, gate.min_rows, "labelled rows"), (self.events, gate.min_events, rare)
        short = [
            f"{there:,} of the {least:,} {what} that a verdict takes" for there, least, what in needs if there < least
        ]
        return short[0] if short else ""


def events(objective: Objective, target: Floats) -> int:
    """Rows that are not of the most frequent class: what evidence of rare outcomes is counted in; of numbers, rows."""
    if objective.class_count is None or not len(target):
        return len(target)
    return len(target) - int(np.bincount(target.astype("int64")).max())


def constant_loss(objective: Objective, target: Floats, weight: Floats | None = None) -> float:
    """Mean loss of the constant that is best on these very rows."""
    constant = objective.constant(target) if weight is None else objective.constant(target, weight)
    losses = objective.row_loss(target, np.broadcast_to(constant, (len(target), len(constant))))
    return float(np.average(losses, weights=weight))


@dataclass(frozen=True)
class Compared:
    """A paired comparison: the losses, the figure that people see, and the interval, relative to the loss before."""

    losses: Losses
    figure: EvaluationMetric
    interval: Interval | None
    higher: bool = False  # whether more of the figure is better

    @property
    def gain(self) -> float:
        """The relative change, as far as it is for the better."""
        return self.figure.delta if self.higher else -self.figure.delta

    @property
    def change(self) -> str:
        """The relative change and its interval, for people, and how many observations that stands on."""
        sizes = {name: len(np.unique(names)) for name, names in self.losses.clusters.items()}
        fewest = min(sizes, key=sizes.__getitem__, default="rows")
        if self.interval is None:
            few = sizes.get(fewest, self.figure.rows)
            return f"{self.figure.delta:+.1%}, without an interval: {few} {fewest if few > 1 else ONE[fewest]}"
        low, high, clusters = self.interval.low, self.interval.high, self.interval.clusters
        return f"{self.figure.delta:+.1%}, between {low:+.1%} and {high:+.1%}, {clusters:,} {fewest}"


def compare(losses: Losses, metric: str, gate: Gate, confidence: float) -> Compared:
    """Compare row losses in pairs; no interval where there is too little evidence for a verdict."""
    before, after = losses.mean(losses.before), losses.mean(losses.after)
    scale = max(abs(before), 1e-12)
    found = None
    if not losses.lacking(gate):
        clusters = tuple(losses.clusters.values())
        found = mean_interval((losses.after - losses.before) / scale, clusters, confidence, losses.weight)
        found = found.from_at_least(-1.0) if found else None
    figure = EvaluationMetric(
        dataset=losses.dataset,
        slice=losses.slice,
        metric=metric,
        rows=len(losses.before),
        champion_value=before,
        challenger_value=after,
        delta=(after - before) / scale,
        ci_low=found.low if found else None,
        ci_high=found.high if found else None,
        verdict=word(losses, found, scale, gate),
        blocks=found.clusters if found else None,
        effective_rows=found.effective_rows if found else None,
        against=losses.against,
    )
    return Compared(losses, figure, found)


def word(losses: Losses, found: Interval | None, scale: float, gate: Gate) -> str:
    """What a comparison comes to, in a word; elsewhere than on what is new, harm has to be shown beyond the margin."""
    if not losses.counted:
        return NOT_COUNTED
    if found is None:
        return CANNOT_TELL
    if losses.kind == NEW:
        return "better" if found.high < -gate.min_gain else "worse" if found.low > 0 else "same"
    margin = gate.max_forgetting + NEGLIGIBLE * losses.constant / scale
    if found.low > margin:
        return {ERA: "forgotten", SLICE: "harmed", FOUND: SUSPECT}[losses.kind]
    return "kept"
