"""What a model is trained and judged by: the loss of each row, so that versions can be compared in pairs.

Each objective names the Keras loss that training minimises (`loss`), the mean of its `row_loss` as the registry stores
it (`loss_name`), and how many classes a target names as whole numbers from 0 on (`class_count`). Where the target
arrives as words, `names` are these words in the order of those numbers. The best prediction that looks at no input, its
`constant` for one row, is what any model must beat. A prediction of a row is so many numbers as its `width` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from errors import InvalidSpec
from learning import figures
from learning.judged import Judged
from learning.multi_output import MultiOutput
from learning.one_output import OneOutput
from learning.regression import Regression

Floats = NDArray[np.floating[Any]]
RARE = 0.05  # share of events below which accuracy says nothing by itself


@dataclass(frozen=True)
class Binary(OneOutput):
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
    width: ClassVar[int] = 1
    log: ClassVar[bool] = False

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

    def metrics(self, target: Floats, prediction: Floats, weight: Floats | None = None) -> dict[str, float]:
        """Mean log loss, area under the ROC curve, and accuracy at one half; of a rare event also the PR-AUC.

        Whoever calls nothing an event is right in 99.9 % of rows where one in a thousand is: that says nothing.
        """
        chance = prediction.reshape(len(target))
        found = {
            "log_loss": float(np.average(self.row_loss(target, prediction), weights=weight)),
            "auc": roc_auc(target > 0.5, chance)
            if weight is None
            else float(figures.auc(Judged(target, chance, weight))[0]),
            "accuracy": float(np.average((chance > 0.5) == (target > 0.5), weights=weight)),
        }
        if np.mean(target) < RARE:
            found["pr_auc"] = float(figures.pr_auc(Judged(target, chance, weight))[0])
        return found

    def constant(self, target: Floats, weight: Floats | None = None) -> Floats:
        """The share of ones."""
        return np.array([np.average(target, weights=weight)])


@dataclass(frozen=True)
class Multiclass(OneOutput):
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
    log: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse words that cannot name classes; raises InvalidSpec."""
        if not isinstance(self.classes, int):
            _check_names(self, self.classes)

    @property
    def class_count(self) -> int:
        """As many as were named."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    @property
    def width(self) -> int:
        """A chance for each class."""
        return self.class_count

    @property
    def names(self) -> tuple[str, ...]:
        """The words that the target arrives as; none where it is a number."""
        return () if isinstance(self.classes, int) else self.classes

    def row_loss(self, target: Floats, prediction: Floats) -> Floats:
        """Negative log likelihood of each row, in nats."""
        chance = prediction[np.arange(len(target)), target.astype("int64")].astype("float64")
        return np.asarray(-np.log(np.clip(chance, 1e-7, 1.0)))

    def metrics(self, target: Floats, prediction: Floats, weight: Floats | None = None) -> dict[str, float]:
        """Mean log loss and accuracy."""
        return {
            "log_loss": float(np.average(self.row_loss(target, prediction), weights=weight)),
            "accuracy": float(np.average(prediction.argmax(axis=1) == target, weights=weight)),
        }

    def constant(self, target: Floats, weight: Floats | None = None) -> Floats:
        """The share of each class."""
        counts = np.bincount(target.astype("int64"), weights=weight, minlength=self.class_count)
        return counts / (len(target) if weight is None else weight.sum())


Objective = Binary | Multiclass | Regression | MultiOutput


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
