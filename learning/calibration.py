"""Chances put right after a training by a loss that moves them, on rows that did not train.

Log loss asks for chances as they are. Another loss does not: a focal loss draws them to the middle, and one of the
user's own may do anything. What is off then is off alike for all rows, so two kinds of numbers put it right: a scale of
the last layer's sums, and a shift for each class. Of two classes that is Platt's scaling (1999), of several temperature
scaling with bias correction (Alexandari, Kundaje and Shrikumar 2020). They are folded into that layer's weights: the
version stays a plain Keras model, and the order of its rows by one chance stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evergreen_client.shown import number
from learning.first_answers import last_sums, log_sums
from learning.losses import LOWEST
from learning.objectives import Objective
from learning.regression import Regression

if TYPE_CHECKING:
    import keras

    from learning.spec import ModelSpec

Floats = NDArray[np.floating[Any]]
PROPER = "binary_crossentropy", "sparse_categorical_crossentropy"  # what they ask for is the chance as it is
FEWEST = 30  # rows of a class, below which its shift would be chance's
LOOSE = 0.1  # how strongly scale 1 and shift 0 hold: as a tenth of a row would, so that no scale is without end
STEPS = 50
NEVER = 1e-7  # a chance that is kept off 0 and 1, as the objectives do


@dataclass(frozen=True)
class Calibration:
    """What the last layer's sums are multiplied by, and what is added to each; 1 and 0 where nothing is to be changed.

    Args:
        scale: above 0.
        shift: of two classes one number, of several one for each; () adds nothing.
        remark: what was done, in words; "" where nothing was to be done.
        log: predictions are numbers, of which 1 + them has the logarithm that is shifted.
    """

    scale: float = 1.0
    shift: tuple[float, ...] = ()
    remark: str = ""
    log: bool = False

    @property
    def changes(self) -> bool:
        """Whether predictions become others."""
        return self.scale != 1.0 or any(self.shift)

    def of(self, prediction: Floats) -> Floats:
        """The predictions that it makes of a version's, shape (rows, outputs).

        Example:
            >>> Calibration(2.0, (0.0,)).of(np.array([[0.5], [0.8]])).round(3).tolist()
            [[0.5], [0.941]]
        """
        if not self.changes:
            return prediction
        if self.log:
            return np.asarray(np.exp(self.shift[0]) * (prediction.astype("float64") + 1) - 1)
        sums = self.scale * _sums(prediction)
        sums[:, sums.shape[1] - len(self.shift) :] += self.shift
        chances = _chances(sums)
        return chances if prediction.shape[1] > 1 else chances[:, 1:]


def calibrates(spec: ModelSpec, head: keras.Model) -> bool:
    """Whether a version's predictions are put right: its loss moves them, and its last layer can take the numbers."""
    return _moves(spec) and not obstacle(spec, head)


def obstacle(spec: ModelSpec, head: keras.Model) -> str:
    """Why predictions that a loss moves cannot be put right in a head's weights, in words; "" where they can."""
    if not _moves(spec):
        return ""
    if isinstance(spec.objective, Regression):
        return "" if log_sums(head) else "the mean is that of logarithms: the head does not end in a plain Dense"
    last = last_sums(head)
    # Scale and shift go into a softmax of several sums; of several sigmoids each is a chance by itself.
    if last is not None and (last.units == 1 or last.activation.__name__ == "softmax"):
        return ""
    end = "sigmoid" if spec.objective.class_count == 2 else "softmax"
    return f"not calibrated: the head does not end in a Dense of {end} with a bias"


def _moves(spec: ModelSpec) -> bool:
    if isinstance(spec.objective, Regression):  # a median and other quantiles of logarithms are those of the numbers
        return spec.objective.log and spec.objective.loss == "mean_squared_error"
    return moves_chances(spec)


def moves_chances(spec: ModelSpec) -> bool:
    """Whether what gradient steps minimise asks for other chances than those as they are."""
    return spec.objective.class_count is not None and (spec.loss is not None or spec.objective.loss not in PROPER)


def calibration(objective: Objective, target: Floats, prediction: Floats, weight: Floats | None) -> Calibration:
    """Scale and shift that make the log loss on some rows least; never one by which it would rise.

    Args:
        objective: measures.
        target: shape (rows,).
        prediction: chances, shape (rows, outputs).
        weight: how much each row counts.

    Example:
        >>> from learning.objectives import Binary
        >>> target = np.repeat([0.0, 1.0], 50)
        >>> calibration(Binary(), target[:40], np.full((40, 1), 0.4), None).remark
        'not calibrated: 0 of the 30 rows held back that each class takes'
        >>> drawn = np.where(np.arange(100) % 5 == 0, 1 - target, target) * 0.2 + 0.4
        >>> calibration(Binary(), target, drawn[:, None], None).of(np.array([[0.4], [0.6]])).round(1).tolist()
        [[0.2], [0.8]]
    """
    if isinstance(objective, Regression):
        return _smearing(objective, target, prediction, weight)
    sums = _sums(prediction)
    rows = np.bincount(target.astype("int64"), minlength=sums.shape[1])
    shifts = rows.min() >= FEWEST
    # Of several classes the scale is of all of them; of two, most rows say nothing of a rare event's.
    if not shifts and (sums.shape[1] == 2 or len(target) - rows.max() < FEWEST):
        fewest = min(rows.min(), len(target) - rows.max())
        return Calibration(remark=f"not calibrated: {fewest:,} of the {FEWEST} rows held back that each class takes")
    found = _fit(
        sums, target.astype("int64"), np.ones(len(target)) if weight is None else weight / weight.mean(), shifts
    )
    before, after = (
        float(np.average(objective.row_loss(target, said), weights=weight))
        for said in (prediction, found.of(prediction))
    )
    if not after < before or found.scale <= 0:
        return Calibration(remark=f"calibrated as it was, on {len(target):,} rows held back")
    remark = f"calibrated on {len(target):,} rows held back, log loss {before:.4f} to {after:.4f}"
    return Calibration(found.scale, found.shift, remark)


def _smearing(objective: Regression, target: Floats, prediction: Floats, weight: Floats | None) -> Calibration:
    """The factor that a mean of logarithms leaves out: the mean of what errors come to as factors (Duan 1983).

    Example:
        >>> amounts, said = np.tile([9.0, 99.0], 20), np.full((40, 1), 30.6)
        >>> found = _smearing(Regression(log=True), amounts, said, None)
        >>> found.of(said)[0].round(1).tolist()
        [54.0]
    """
    if len(target) < FEWEST:
        return Calibration(remark=f"the mean is that of logarithms: {len(target):,} of the {FEWEST} rows held back")
    errors = np.log1p(target) - np.log1p(np.maximum(prediction[:, 0].astype("float64"), LOWEST))
    found = Calibration(shift=(float(np.log(np.average(np.exp(errors), weights=weight))),), log=True)
    before, after = (
        float(np.average(objective.row_loss(target, said), weights=weight))
        for said in (prediction, found.of(prediction))
    )
    if not after < before:
        return Calibration(
            remark=f"the mean is that of logarithms, which was no worse on {len(target):,} rows held back"
        )
    rmse = f"rmse {number(before**0.5)} to {number(after**0.5)}"
    remark = (
        f"times {np.exp(found.shift[0]):.3g}, which a mean of logarithms leaves out: {rmse} on {len(target):,} rows"
    )
    return replace(found, remark=f"{remark} held back")


def _sums(prediction: Floats) -> Floats:
    """The logarithm of each class's chance, shape (rows, classes), of two with the first one's at 0."""
    chances = np.clip(prediction.astype("float64"), NEVER, 1 - NEVER)
    if chances.shape[1] > 1:
        return np.asarray(np.log(chances))
    return np.hstack([np.zeros_like(chances), np.log(chances) - np.log1p(-chances)])


def _chances(sums: Floats) -> Floats:
    odds = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _fit(sums: Floats, target: NDArray[np.int64], weight: Floats, shifts: bool) -> Calibration:
    """Newton's steps on a loss that has no other valley, each as long as it leads down."""
    count = sums.shape[1] if shifts else 1  # the scale, and a shift for each class but the first
    came = np.eye(sums.shape[1])[target]

    def chances(numbers: Floats) -> Floats:
        return _chances(numbers[0] * sums + np.concatenate([[0.0], numbers[1:]]) if shifts else numbers[0] * sums)

    def loss(numbers: Floats) -> float:
        held = LOOSE / 2 * float(((numbers - begin) ** 2).sum())
        of_rows = np.log(np.maximum(chances(numbers)[np.arange(len(target)), target], 1e-300))
        return held - float(of_rows @ weight)

    begin = numbers = np.concatenate([[1.0], np.zeros(count - 1)])
    for _ in range(STEPS):
        said = chances(numbers)
        off, mean = weight[:, None] * (said - came), (said * sums).sum(axis=1, keepdims=True)
        slope = np.concatenate([[(off * sums).sum()], off.sum(axis=0)[1:]])[:count] + LOOSE * (numbers - begin)
        bend = np.diag(np.full(count, LOOSE))
        pull = weight[:, None] * said * (sums - mean)
        bend[0, 0] += (pull * sums).sum()
        if shifts:
            bend[0, 1:] += pull.sum(axis=0)[1:]
            bend[1:, 0] = bend[0, 1:]
            bend[1:, 1:] += np.diag((weight @ said)[1:]) - (said * weight[:, None]).T[1:] @ said[:, 1:]
        step = np.linalg.solve(bend, slope)
        length = next((2.0**-half for half in range(30) if loss(numbers - 2.0**-half * step) < loss(numbers)), 0.0)
        numbers = numbers - length * step
        if np.abs(length * step).max() < 1e-7:
            break
    shift = tuple(map(float, numbers[1:])) if shifts else ()
    return Calibration(float(numbers[0]), shift if sums.shape[1] == 2 or not shifts else (0.0, *shift))


def fold(found: Calibration, head: keras.Model) -> None:
    """Put a calibration into the weights of a head's last layer."""
    if found.log and (sums := log_sums(head)):
        dense, unit = sums
        dense.bias.assign(dense.bias.numpy() + found.shift[0] / unit.scale)
        return
    layer = last_sums(head)
    if not found.changes or layer is None:
        return
    kernel, bias = layer.kernel.numpy().astype("float64"), layer.bias.numpy().astype("float64")
    layer.kernel.assign(found.scale * kernel)
    layer.bias.assign(found.scale * bias + (np.array(found.shift) if found.shift else 0.0))
