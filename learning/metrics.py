"""Which figures a gate may name, of which objectives, and whether more or less of each is better."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from errors import InvalidSpec
from evergreen_client.shown import gist
from learning import figures
from learning.judged import Floats, Judged
from learning.multi_output import MultiOutput
from learning.objectives import Binary, Multiclass, Objective
from learning.regression import Regression

Own = Callable[..., float]
Kinds = tuple[type[Any], ...]
BEST_HIGH, BEST_LOW = ("_score",), ("_error", "_loss", "_deviance", "_cost")  # scikit-learn's words, and one more
CLASSES = Binary, Multiclass


@dataclass(frozen=True)
class Cost:
    """What decisions cost: `matrix[true class][decided class]`, in any unit.

    Each row is decided as is cheapest by its probabilities (Elkan, "The foundations of cost-sensitive learning", 2001),
    and costs what its true class says; the figure is the mean.

    Example:
        >>> fraud = Cost(((0, 1), (50, 0)))  # a false alarm costs 1, a fraud that is missed 50
        >>> print(figure(fraud, Binary()).value(np.array([0.0, 1.0]), np.array([0.1, 0.01])))
        25.5
    """

    matrix: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Refuse what is no square of numbers; raises InvalidSpec."""
        rows = self.matrix if isinstance(self.matrix, tuple | list) else ()
        square = len(rows) > 1 and all(isinstance(row, tuple | list) and len(row) == len(rows) for row in rows)
        if not square or not all(isinstance(cost, int | float) and math.isfinite(cost) for row in rows for cost in row):
            fix = "write a row for each true class and a number for each decided one, as in Cost(((0, 1), (50, 0)))"
            raise InvalidSpec(repr(self), "it is no square of numbers", fix)
        object.__setattr__(self, "matrix", tuple(tuple(float(cost) for cost in row) for row in rows))

    @property
    def break_even(self) -> float:
        """Of two classes, the chance of the event from which an alarm costs less than none; NaN where that is never so.

        Example:
            >>> Cost(((0, 1), (50, 0))).break_even
            0.0196078431372549
        """
        (quiet, false_alarm), (missed, alarm) = self.matrix
        paid, spared = false_alarm - quiet, missed - alarm
        return paid / (paid + spared) if min(paid, spared) > 0 else math.nan

    def rows(self, rows: Judged) -> Floats:
        """What each row costs."""
        matrix = np.array(self.matrix)
        return np.asarray(matrix[rows.target.astype("intp"), (rows.chances @ matrix).argmin(axis=1)])


Metric = str | Cost | Own


@dataclass(frozen=True)
class Figure:
    """A figure of a version on some rows.

    Args:
        name: as the registry has it.
        higher: whether more of it is better.
        of: its value for each group of rows.
        of_rows: the values whose mean it is; None of a figure that is no mean over rows.
        signed: whether it may lie below 0.
    """

    name: str
    higher: bool
    of: Callable[[Judged], Floats]
    of_rows: Callable[[Judged], Floats] | None = None
    signed: bool = False

    def value(self, target: Floats, prediction: Floats, weight: Floats | None = None) -> float:
        """Its value on rows that are one group; NaN where it has none, as of a single class."""
        return float(self.of(Judged(target, prediction, weight))[0])

    def row_values(self, target: Floats, prediction: Floats) -> Floats | None:
        """What each row adds to the mean that it is; None of a figure that is no mean over rows."""
        return self.of_rows(Judged(target, prediction)) if self.of_rows else None


# Of each figure: whether more is better, what gives it (or the row values whose mean it is), and for which objectives.
WHOLE: Mapping[str, tuple[bool, Callable[[Judged], Floats], Kinds]] = MappingProxyType(
    {
        "calibration_error": (False, figures.calibration_error, CLASSES),
        "auc": (True, figures.auc, (Binary,)),
        "pr_auc": (True, figures.pr_auc, (Binary,)),
        "macro_f1": (True, figures.macro_f1, CLASSES),
        "rmse": (False, figures.rmse, (Regression,)),
        "r2": (True, figures.r2, (Regression,)),
    }
)
SIGNED = ("r2",)  # which may lie below 0, so that they can fall by more than all of it
MEANS: Mapping[str, tuple[bool, Callable[[Judged], Floats], Kinds]] = MappingProxyType(
    {
        "log_loss": (False, figures.log_loss, CLASSES),
        "brier": (False, figures.brier, CLASSES),
        "accuracy": (True, figures.accurate, CLASSES),
        "squared_error": (False, figures.squared_error, (Regression,)),
        "absolute_error": (False, figures.absolute_error, (Regression,)),
    }
)
# Those that take a share after an "@", here with the one by which they are listed.
SHARES: Mapping[str, tuple[bool, Callable[[Judged, float], Floats], Kinds, str]] = MappingProxyType(
    {
        "recall": (True, figures.recall_at, (Binary,), "0.01"),
        "recall_at_precision": (True, figures.recall_at_precision, (Binary,), "0.9"),
        "pinball": (False, figures.pinball, (Regression,), "0.5"),
    }
)


def names(objective: Objective) -> list[str]:
    """The figures of an objective, as a gate names them.

    Example:
        >>> names(Regression())
        ['absolute_error', 'pinball@0.5', 'r2', 'rmse', 'squared_error']
    """
    if isinstance(objective, MultiOutput):
        return [f"{one.name}/{name}" for one in objective.outputs for name in names(one.objective)]
    plain = [name for table in (WHOLE, MEANS) for name, (*_, kinds) in table.items() if isinstance(objective, kinds)]
    shares = [f"{name}@{listed}" for name, (*_, kinds, listed) in SHARES.items() if isinstance(objective, kinds)]
    return sorted([*plain, *shares])


def figure(metric: Metric, objective: Objective) -> Figure:
    """The figure that a gate names.

    Args:
        metric: a name, as "pr_auc" or "recall@0.01", of one of several outputs as "late/pr_auc"; a Cost; or a function
            of target and prediction.
        objective: what predictions are for.

    Raises:
        InvalidSpec: there is no such figure, or not of this objective.

    Example:
        >>> figure("recall@0.5", Binary()).value(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.3, 0.2]))
        0.5
    """
    if isinstance(metric, Cost):
        return _cost(metric, objective)
    if not isinstance(metric, str):
        return own(metric)
    found = _of_output(metric, objective) if isinstance(objective, MultiOutput) else _named(metric, objective)
    if found is None:
        fix = f"choose from {', '.join(names(objective))} (any share after an @), a Cost or a function of your own"
        raise InvalidSpec(f"figure {metric!r}", f"there is none such of {objective}", fix)
    return found


def own(function: Own) -> Figure:
    """A function of the user's as a figure; its name says which way is better, as scikit-learn's do.

    It is given target and prediction of some rows, shape (rows,) and (rows, outputs), of one output (rows,); and
    `sample_weight`, if it has an argument of that name.

    Raises:
        InvalidSpec: it is no function, or one without a name.
    """
    name = called(function)
    if not name.isidentifier():
        fix = "write `def my_score(target, prediction): ...` in the model's file"
        raise InvalidSpec(f"figure {function!r}", "it is neither a name nor a function that has one", fix)

    def of(rows: Judged) -> Floats:
        values = np.full(rows.groups, np.nan)
        for place in range(rows.groups):
            mine = slice(None) if rows.group is None else rows.group == place
            output = rows.prediction[mine].reshape(len(rows.target[mine]), -1)
            more = {"sample_weight": rows.weight[mine]} if rows.weight is not None and weighs(function) else {}
            try:
                values[place] = function(rows.target[mine], output[:, 0] if output.shape[1] == 1 else output, **more)
            except Exception as error:
                raise InvalidSpec(f"figure '{name}'", gist(error), "mend the function in the model's file") from error
        return values

    return Figure(name, name.endswith(BEST_HIGH), of, signed=True)


def directed(metric: Metric) -> bool:
    """Whether it is known which way a figure is better: of a user's function, by its name."""
    return isinstance(metric, str | Cost) or called(metric).endswith((*BEST_HIGH, *BEST_LOW))


def called(metric: Metric) -> str:
    """The name of a figure; of what has none, nothing."""
    if isinstance(metric, str | Cost):
        return metric if isinstance(metric, str) else "cost"
    return metric.__name__ if inspect.isfunction(metric) else ""


def weighs(metric: Metric) -> bool:
    """Whether a figure can weigh rows: a user's function only if it takes `sample_weight`."""
    return not inspect.isfunction(metric) or "sample_weight" in inspect.signature(metric).parameters


def _named(metric: str, objective: Objective) -> Figure | None:
    name, at, given = metric.partition("@")
    return _with_share(name, given, objective) if at else _plain(name, objective)


def _of_output(metric: str, objective: MultiOutput) -> Figure | None:
    """A figure of one of several outputs, as "late/auc"."""
    output, _, name = metric.partition("/")
    place = next((place for place, one in enumerate(objective.outputs) if one.name == output), None)
    found = None if place is None else _named(name, objective.outputs[place].objective)
    if place is None or found is None:
        return None

    def mine(rows: Judged) -> Judged:
        *_, target, prediction = list(objective.parts(rows.target, rows.prediction))[place]
        return Judged(target, prediction, rows.weight, rows.group, rows.groups)

    of, of_rows = found.of, found.of_rows
    of_mine = of_rows and (lambda rows: of_rows(mine(rows)))
    return Figure(metric, found.higher, lambda rows: of(mine(rows)), of_mine, signed=found.signed)


def _plain(name: str, objective: Objective) -> Figure | None:
    if name in WHOLE and isinstance(objective, WHOLE[name][2]):
        return Figure(name, *WHOLE[name][:2], signed=name in SIGNED)
    if name in MEANS and isinstance(objective, MEANS[name][2]):
        return _mean(name, *MEANS[name][:2])
    return None


def _with_share(name: str, given: str, objective: Objective) -> Figure | None:
    higher, function, kinds, _ = SHARES.get(name, (False, figures.pinball, (), ""))
    if not isinstance(objective, kinds) or not re.fullmatch(r"0?\.\d+", given) or not float(given):
        return None
    of = partial(_given, function, float(given))
    return _mean(f"{name}@{given}", higher, of) if name == "pinball" else Figure(f"{name}@{given}", higher, of)


def _given(function: Callable[[Judged, float], Floats], part: float, rows: Judged) -> Floats:
    return function(rows, part)


def _mean(name: str, higher: bool, of_rows: Callable[[Judged], Floats], *, signed: bool = False) -> Figure:
    return Figure(name, higher, lambda rows: rows.mean(of_rows(rows)), of_rows, signed)


def _cost(cost: Cost, objective: Objective) -> Figure:
    """A mean cost, of as many classes as the objective has; raises InvalidSpec."""
    if objective.class_count != len(cost.matrix):
        there = f"{objective} has {objective.class_count or 'no'} classes"
        raise InvalidSpec(repr(cost), there, "write a row and a column for each class")
    return _mean("cost", False, cost.rows, signed=min(map(min, cost.matrix)) < 0)
