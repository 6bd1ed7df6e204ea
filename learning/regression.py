"""The objective of targets that are numbers: which loss is minimised, and what a mean of it is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec
from learning import figures
from learning.judged import Judged
from learning.one_output import OneOutput

Floats = NDArray[np.floating[Any]]
PINBALL = "pinball"
# What a regression may be trained by, and the mean of which the registry then has.
NUMBER_LOSSES = {
    "mean_squared_error": "squared_error",
    "mean_absolute_error": "absolute_error",
    "huber": "huber_loss",
    PINBALL: "pinball_loss",
}


@dataclass(frozen=True)
class Regression(OneOutput):
    """Targets and predictions are numbers, in the target's own unit.

    Args:
        loss: "mean_squared_error", which asks for the mean; "mean_absolute_error", for the median; or "huber", for the
            mean without what lies far out (Huber 1964). Versions are judged by the same one that is trained.
        quantile: asks for this quantile instead (Koenker and Bassett 1978): 0.9 is what nine of ten stay below.
        delta: of "huber", in the target's unit: from this error on, a row counts by its size alone, not by its square.
        log: learn the logarithm of 1 + the target, which is 0 or more, so that errors count by how large the target is.
            Predictions and all figures are in the target's own unit all the same.

    Example:
        >>> import numpy as np
        >>> Regression().spread(np.array([100.0, 300.0]))
        100.0
        >>> Regression(quantile=0.9).loss_name
        'pinball_loss'
        >>> Regression(loss="huber", delta=2.0).row_loss(np.zeros(2), np.array([1.0, 10.0])).tolist()
        [0.5, 18.0]
    """

    loss: str = "mean_squared_error"
    loss_name: str = field(default="", init=False)
    quantile: float | None = None
    delta: float | None = None
    log: bool = False
    class_count: ClassVar[None] = None  # a target is any number
    width: ClassVar[int] = 1
    names: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Name the loss; raises InvalidSpec if it is not known, or is not told what it needs."""
        if self.quantile is not None and self.loss == "mean_squared_error":
            object.__setattr__(self, "loss", PINBALL)
        if self.loss not in NUMBER_LOSSES:
            fix = f"choose from {sorted(NUMBER_LOSSES)}; ModelSpec.loss trains by any other"
            raise InvalidSpec(f"Regression(loss={self.loss!r})", "versions cannot be judged by it", fix)
        object.__setattr__(self, "loss_name", NUMBER_LOSSES[self.loss])
        if (self.loss == PINBALL) != (self.quantile is not None and 0 < self.quantile < 1):
            fix = "write Regression(quantile=0.9), between 0 and 1 and without another loss"
            raise InvalidSpec(f"quantile {self.quantile} of {self.loss}", "they do not go together", fix)
        if (self.loss == "huber") != (self.delta is not None and 0 < self.delta < np.inf):
            fix = 'write Regression(loss="huber", delta=...), about one and a half times what a usual error is'
            raise InvalidSpec(f"delta {self.delta} of {self.loss}", "they do not go together", fix)
        if self.log and self.loss == "huber":
            why = "delta is in the target's unit, and errors of logarithms are not"
            raise InvalidSpec(
                'Regression(loss="huber", log=True)', why, "leave one of them out: each tames large errors"
            )

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """The loss of each row: of errors squared, in the target's unit squared."""
        error = prediction.reshape(len(target)).astype("float64") - target
        size = np.abs(error)
        if self.loss == "mean_squared_error":
            return np.asarray(error**2)
        if self.delta is not None:
            return np.asarray(np.where(size <= self.delta, error**2 / 2, self.delta * (size - self.delta / 2)))
        if self.quantile is not None:
            return np.asarray(np.maximum((1 - self.quantile) * error, -self.quantile * error))
        return np.asarray(size)

    def metrics(self, target: Floats, prediction: Floats, weight: Floats | None = None) -> dict[str, float]:
        """Mean squared error and its root, mean absolute error, the share of the variance explained, and the loss."""
        error = prediction.reshape(len(target)).astype("float64") - target
        squared = float(np.average(error**2, weights=weight))
        return {
            "squared_error": squared,
            "rmse": float(np.sqrt(squared)),
            "absolute_error": float(np.average(np.abs(error), weights=weight)),
            "r2": float(figures.r2(Judged(target, prediction, weight))[0]),
            self.loss_name: float(np.average(self.row_loss(target, prediction), weights=weight)),
        }

    def constant(self, target: Floats, weight: Floats | None = None) -> Floats:
        """The mean target; the median or another quantile, or the mean without what lies far out."""
        if self.delta is not None:
            return np.array([_huber_mean(target, self.delta, weight)])
        if self.loss == "mean_squared_error":
            return np.array([np.average(target, weights=weight)])
        wanted = [self.quantile or 0.5]
        return np.quantile(target, wanted, method="inverted_cdf", weights=weight).astype("float64")

    def spread(self, target: Floats) -> float:
        """How far targets lie from the middle, as a rule; 1 where they do not.

        By squares only where the loss goes by squares: of a target with heavy tails, they tell of its largest rows.
        """
        if not len(target):
            return 1.0
        squares = self.loss == "mean_squared_error"
        far = float(np.std(target) if squares else np.mean(np.abs(target - np.median(target))))
        return far if np.isfinite(far) and far > 0 else 1.0

    def of_unit(self, unit: float) -> float:
        """What a loss of 1 is in the target's own unit, if errors were measured in units of `unit`."""
        return unit**2 if self.loss in {"mean_squared_error", "huber"} else unit


def _huber_mean(target: Floats, delta: float, weight: Floats | None) -> float:
    """The number from which targets lie as far above as below, none by more than `delta`: found by halving."""
    low, high = float(np.min(target)), float(np.max(target))
    for _ in range(64):
        middle = (low + high) / 2
        if np.average(np.clip(target - middle, -delta, delta), weights=weight) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
