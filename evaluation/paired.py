"""The rows that champion and challenger both predict, and their losses on each dataset and slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.comparison import FOUND, NEWEST, PROVING, Losses, constant_loss, events
from evaluation.found_slices import found_slices
from evaluation.losses import paired_losses
from evaluation.slices import slices

if TYPE_CHECKING:
    from learning.metrics import Metric
    from learning.objectives import Objective
    from learning.thresholds import Threshold

Floats = NDArray[np.floating[Any]]
Marks = NDArray[np.bool_]

ALL = "all"  # the dataset of slices: every row that counts
LEAST = 50  # rows of a part that is looked for, among those that are searched and those that judge it
BLOCKS = 8  # without which the rows are halved otherwise


@dataclass(frozen=True)
class Paired:
    """The same rows, predicted by both versions; all arrays are in the same order.

    Args:
        target: labels, shape (rows,).
        champion_prediction: the champion's, shape (rows, outputs).
        challenger_prediction: the challenger's, of the same shape.
        dataset: name of the dataset that each row belongs to, shape (rows,): PROVING, NEWEST or an era.
        slices: slice column to its values, each of shape (rows,): words, or numbers, which are cut into quarters.
        entity: a number for the patient or card that each row belongs to, shape (rows,); by default every row is
            one by itself.
        block: start of the time block of each row, datetime64, shape (rows,); None where time says nothing.
        reference_prediction: that of the version which past eras are compared with, of the champion's shape; only rows
            of past eras are looked at. By default the champion's.
        weight: how much each row counts, 0 or more, shape (rows,); None where all count alike.
        searched: column to its values, like slices: where the challenger does worst is looked for among them.
        thresholds: of champion and challenger, from which chance an alarm pays; None of one that has none.
    """

    target: Floats
    champion_prediction: Floats
    challenger_prediction: Floats
    dataset: NDArray[np.str_]
    slices: Mapping[str, NDArray[Any]]
    entity: NDArray[np.integer[Any]] | None = None
    block: NDArray[np.datetime64] | None = None
    reference_prediction: Floats | None = None
    weight: Floats | None = None
    searched: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    thresholds: tuple[Threshold | None, Threshold | None] = (None, None)

    def weighing(self) -> Paired:
        """The rows that weigh anything: the others judge nothing."""
        if self.weight is None or (self.weight > 0).all():
            return self
        rows = self.weight > 0
        slices, searched = (
            {column: values[rows] for column, values in of.items()} for of in (self.slices, self.searched)
        )
        arrays: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, slices=slices, searched=searched, **arrays)

    @property
    def earlier_prediction(self) -> Floats:
        """What the challenger's is compared with: the champion's, and on past eras the reference's."""
        champion, reference = self.champion_prediction, self.reference_prediction
        if reference is None:
            return champion
        return np.where(np.isin(self.dataset, (PROVING, NEWEST))[:, None], champion, reference)

    def decided(self, metric: Metric | None, before: Floats, after: Floats) -> tuple[Floats, Floats]:
        """What a figure is taken of: predictions, and of a cost each version's alarms by its own threshold."""
        champion, challenger = self.thresholds
        if metric is None:
            return before, after
        return (
            champion.decided(metric, before) if champion else before,
            challenger.decided(metric, after) if challenger else after,
        )

    def clusters(self, dataset: str, rows: Marks) -> dict[str, NDArray[Any]]:
        """What makes some rows of one observation: their block, their entity.

        Held-out entities of a single block are told apart by entity alone: that is the weaker proof.
        """
        found: dict[str, NDArray[Any]] = {}
        if self.block is not None and not (dataset == NEWEST and len(np.unique(self.block[rows])) == 1):
            found["blocks"] = self.block[rows]
        if self.entity is not None:
            found["entities"] = self.entity[rows]
        return found


def parts(paired: Paired, objective: Objective, uncounted: frozenset[str], against: Mapping[str, int]) -> list[Losses]:
    """The losses on every dataset, the one that decides first, and then on slices of all rows that count.

    Slices that were found come last, of the half of the rows on which they were not looked for.
    """
    challenger = paired.challenger_prediction
    before, after = paired_losses(objective, paired.target, paired.champion_prediction, challenger)
    earlier = before
    if paired.reference_prediction is not None:
        earlier, _ = paired_losses(objective, paired.target, paired.earlier_prediction, challenger)

    def losses(dataset: str, part: str, rows: Marks, before: Floats) -> Losses:
        target, weight = paired.target[rows], None if paired.weight is None else paired.weight[rows]
        return Losses(
            dataset=dataset,
            slice=part,
            rows=rows,
            before=before[rows],
            after=after[rows],
            clusters=paired.clusters(dataset, rows),
            events=events(objective, target),
            constant=constant_loss(objective, target, weight),
            counted=dataset not in uncounted,
            against=None if part else against.get(dataset),
            weight=weight,
            numbers=objective.class_count is None,
        )

    counted = ~np.isin(paired.dataset, sorted(uncounted))
    halves = np.where(counted, _halves(paired), -1)
    return [
        *(losses(dataset, "", rows, earlier) for dataset, rows in _datasets(paired)),
        *(losses(ALL, part, rows, before) for part, rows in slices(paired.slices, counted)),
        *(
            losses(FOUND, part, rows, before)
            for part, rows in found_slices(paired.searched, after - before, halves, LEAST)
        ),
    ]


def _datasets(paired: Paired) -> Iterator[tuple[str, Marks]]:
    """What is new first: the proving window, where there is one, before the held-out entities."""
    for name in sorted(set(paired.dataset.tolist()), key=lambda name: (name != PROVING, name != NEWEST, name)):
        yield name, paired.dataset == name


def _halves(paired: Paired) -> NDArray[np.int64]:
    """Every other block, where there are some, else every other entity, or row; no observation is in both halves."""
    for names in (paired.block, paired.entity):
        if names is not None:
            known, place = np.unique(names, return_inverse=True)
            if len(known) >= BLOCKS:
                return np.asarray(place % 2)
    return np.arange(len(paired.target)) % 2
