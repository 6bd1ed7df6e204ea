"""How much rows count, and what that does to the chances that a model learns.

Where rows of a class count more, or are drawn more often, a model learns the chances of a world in which that class is
so much more frequent: q of class k goes like r_k p_k, where p are the chances of the world as it is, and r_k says how
much more the class counts (Elkan 2001; Saerens et al. 2002; dal Pozzolo et al. 2015). So a gradient step compares with
the labels not the p that the model gives, but the q that belongs to it: the offset of a case-control study (Prentice
and Pyke 1979), or logit adjustment (Menon et al. 2021). What the model gives stays p, at every step. So log loss and
calibration hold, nothing has to be put back afterwards, and any head will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from learning.data import Selection, row_count
from learning.multi_output import MultiOutput
from learning.objectives import Binary, Multiclass, Objective
from learning.plans import BALANCED, ClassWeight, Pretrain, Stage
from learning.regression import Regression

Classes = Binary | Multiclass
Shares = NDArray[np.float64]


def class_weights(wanted: ClassWeight, objective: Classes, target: NDArray[np.float64]) -> Shares:
    """The weight of each class.

    Args:
        wanted: "balanced", so that every class counts the same in all; or class to weight, 1 for one that is not named.
        objective: names the classes.
        target: of the rows that are learned from.

    Example:
        >>> class_weights("balanced", Binary(), np.array([0.0, 0.0, 0.0, 1.0])).tolist()
        [0.6666666666666666, 2.0]
        >>> class_weights({"fraud": 50}, Binary(classes=("fine", "fraud")), np.zeros(1)).tolist()
        [1.0, 50.0]
    """
    count = objective.class_count
    if wanted == BALANCED:
        rows = np.bincount(target.astype("int64"), minlength=count)
        return len(target) / (np.count_nonzero(rows) * np.maximum(rows, 1))
    weights = np.ones(count)
    for name, weight in wanted.items() if isinstance(wanted, Mapping) else ():
        weights[objective.names.index(str(name)) if objective.names else int(name)] = weight
    return weights


def counted(
    objective: Objective, plan: Pretrain | Stage, learning: Sequence[Selection], more: Shares | None = None
) -> tuple[list[Selection], tuple[float, ...]]:
    """Rows with the weights that a plan gives them, and by how much that shifts the chances that they teach.

    Args:
        objective: names the classes.
        plan: says how much each class counts.
        learning: the rows.
        more: how much more often than usual each class is among them, where it is.
    """
    if isinstance(objective, Regression | MultiOutput):
        return list(learning), ()
    much = np.ones(objective.class_count) if more is None else more
    if plan.class_weight is None:
        return list(learning), shift_of(much)
    target = np.concatenate([selection.target for selection in learning])
    weights = class_weights(plan.class_weight, objective, target)
    return weighed(learning, weights), shift_of(much * weights)


def weighed(selections: Sequence[Selection], weights: Shares) -> list[Selection]:
    """Rows with the weight of their class, times their own where they have one."""
    return [
        replace(one, weight=weights[one.target.astype("int64")] * (1.0 if one.weight is None else one.weight))
        for one in selections
    ]


def shares(selections: Sequence[Selection], classes: int) -> Shares:
    """The share of each class among some rows; NaN where there are none."""
    counts = sum((np.bincount(one.target.astype("int64"), minlength=classes) for one in selections), np.zeros(classes))
    with np.errstate(invalid="ignore"):
        return np.asarray(counts / row_count(selections), "float64")


def drawn_more(new: Sequence[Selection], replayed: Sequence[Selection], usual: Shares) -> Shares:
    """How much more often than usual each class is drawn, where old rows are drawn by class.

    Args:
        new: rows as they arrived.
        replayed: old rows, as many of each class.
        usual: the share of each class among old rows.
    """
    rows = row_count(replayed)
    if not rows:
        return np.ones(len(usual))
    own = row_count(new) * np.nan_to_num(shares(new, len(usual)))
    drawn, there = own + rows * shares(replayed, len(usual)), own + rows * usual
    return np.where((drawn > 0) & (there > 0), drawn / np.where(there > 0, there, 1.0), 1.0)


def shift_of(more: Shares) -> tuple[float, ...]:
    """What is added to the logarithm of each chance, before it is compared with labels; nothing where all are alike."""
    logs = np.log(more) - np.log(more).max()
    return () if np.allclose(logs, 0.0, atol=1e-9) else tuple(map(float, logs))
