"""What a model is trained and judged by: the loss of each row, so that versions can be compared in pairs.

Each objective names the Keras loss that training minimises (`loss`), the mean of its `row_loss` as the registry stores
it (`loss_name`), and how many classes a target names as whole numbers from 0 on (`class_count`). Where the target
arrives as words, `names` are these words in the order of those numbers. The best prediction that looks at no input, its
`constant` for one row, is what any model must beat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec

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
class Binary:
    """Targets 0 or 1; predictions are probabilities of 1, shape (rows, 1) or (rows,).

    Args:
        classes: the two words that the target arrives as, if it does; the second is the event, which is 1 to a model.

    Example:
        >>> import numpy as np
        >>> round(Binary().metrics(np.array([0.0, 1.0]), np.array([0.5, 0.5]))["log_loss"], 3)
        0.693
        >>> Binary(classes=("no", "yes")).names
        ('no', 'yes')
    """

    classes: tuple[str, ...] = ()
    loss: str = "binary_crossentropy"
    loss_name: str = "log_loss"
    class_count: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Refuse words that cannot name two classes; raises InvalidSpec."""
        if self.classes:
            _check_names(self, self.classes)
            if len(self.classes) != 2:
                why = f"it has {len(self.classes)} classes"
                raise InvalidSpec(repr(self), why, "name two, the event second, or use Multiclass(classes=...)")

    @property
    def names(self) -> tuple[str, ...]:
        """The words that the target arrives as; none where it is 0 or 1."""
        return self.classes

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """Negative log likelihood of each row, in nats."""
        chance = np.clip(prediction.reshape(len(target)).astype("float64"), 1e-7, 1 - 1e-7)
        return np.asarray(-np.where(target > 0.5, np.log(chance), np.log1p(-chance)))

    def metrics(self, target: Floats, prediction: Floats) -> dict[str, float]:
        """Mean log loss, area under the ROC curve, and accuracy at one half."""
        chance = prediction.reshape(len(target))
        return {
            "log_loss": float(np.mean(self.row_loss(target, prediction))),
            "auc": roc_auc(target > 0.5, chance),
            "accuracy": float(np.mean((chance > 0.5) == (target > 0.5))),
        }

    def constant(self, target: Floats) -> Floats:
        """The share of ones."""
        return np.array([np.mean(target)])


@dataclass(frozen=True)
class Multiclass:
    """Targets 0 … classes-1; predictions are probabilities, shape (rows, classes).

    Args:
        classes: how many; or the words that the target arrives as, in the order of the predictions.

    Example:
        >>> Multiclass(3).class_count, Multiclass(classes=("cat", "dog", "bird")).class_count
        (3, 3)
    """

    classes: int | tuple[str, ...]
    loss: str = "sparse_categorical_crossentropy"
    loss_name: str = "log_loss"

    def __post_init__(self) -> None:
        """Refuse words that cannot name classes; raises InvalidSpec."""
        if not isinstance(self.classes, int):
            _check_names(self, self.classes)

    @property
    def class_count(self) -> int:
        """As many as were named."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The words that the target arrives as; none where it is a number."""
        return () if isinstance(self.classes, int) else self.classes

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """Negative log likelihood of each row, in nats."""
        chance = prediction[np.arange(len(target)), target.astype("int64")].astype("float64")
        return np.asarray(-np.log(np.clip(chance, 1e-7, 1.0)))

    def metrics(self, target: Floats, prediction: Floats) -> dict[str, float]:
        """Mean log loss and accuracy."""
        return {
            "log_loss": float(np.mean(self.row_loss(target, prediction))),
            "accuracy": float(np.mean(prediction.argmax(axis=1) == target)),
        }

    def constant(self, target: Floats) -> Floats:
        """The share of each class."""
        return np.bincount(target.astype("int64"), minlength=self.class_count) / len(target)


@dataclass(frozen=True)
class Regression:
    """Targets and predictions are numbers, in the target's own unit.

    Args:
        loss: "mean_squared_error", which asks for the mean; "mean_absolute_error", for the median; or "huber", for the
            mean without what lies far out (Huber 1964). Versions are judged by the same one that is trained.
        quantile: asks for this quantile instead (Koenker and Bassett 1978): 0.9 is what nine of ten stay below.
        delta: of "huber", in the target's unit: from this error on, a row counts by its size alone, not by its square.

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
    class_count: ClassVar[None] = None  # a target is any number
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

    def metrics(self, target: Floats, prediction: Floats) -> dict[str, float]:
        """Mean squared and mean absolute error, and the mean loss where it is neither."""
        error = prediction.reshape(len(target)).astype("float64") - target
        found = {"squared_error": float(np.mean(error**2)), "absolute_error": float(np.mean(np.abs(error)))}
        if self.loss_name not in found:
            found[self.loss_name] = float(np.mean(self.row_loss(target, prediction)))
        return found

    def constant(self, target: Floats) -> Floats:
        """The mean target; the median or another quantile, or the mean without what lies far out."""
        if self.delta is not None:
            return np.array([_huber_mean(target, self.delta)])
        if self.loss == "mean_squared_error":
            return np.array([np.mean(target)])
        return np.quantile(target, [self.quantile or 0.5], method="inverted_cdf").astype("float64")

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


Objective = Binary | Multiclass | Regression


def _huber_mean(target: Floats, delta: float) -> float:
    """The number from which targets lie as far above as below, none by more than `delta`: found by halving."""
    low, high = float(np.min(target)), float(np.max(target))
    for _ in range(64):
        middle = (low + high) / 2
        if np.clip(target - middle, -delta, delta).sum() > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _check_names(objective: Binary | Multiclass, names: object) -> None:
    """Refuse what cannot be the words of a target.

    Raises:
        InvalidSpec: it is no tuple of at least two words, one is empty, or one is there twice.
    """
    words = names if isinstance(names, tuple) else ()
    if len(words) < 2 or not all(isinstance(word, str) and word.strip() for word in words):
        raise InvalidSpec(repr(objective), "these are no words for classes", 'write classes=("cat", "dog")')
    if twice := sorted({word for word in words if words.count(word) > 1}):
        raise InvalidSpec(repr(objective), f"{twice} are there twice", "name each class once")


def roc_auc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve; NaN where only one class is present, or a score is no number.

    It is the chance that a positive row ranks above a negative one, ties counting half (Mann and Whitney 1947);
    scikit-learn gives the same, after two seconds of import in every retrain.
    """
    if positive.all() or not positive.any() or not np.isfinite(score).all():
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    ones = int(positive.sum())
    above = rank[place][positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * (len(positive) - ones)))
