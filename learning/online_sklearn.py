"""An online learner as a scikit-learn estimator: `partial_fit`, `predict`, `predict_proba`.

Rows are arrays of numbers, as scikit-learn has them. This module imports scikit-learn; nothing else here imports it.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from learning.objectives import Binary, Multiclass, Objective
from learning.online import OnlineLearner
from learning.online_plan import Online
from learning.online_tables import spec_of
from learning.regression import Regression
from learning.spec import ModelSpec


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What a classifier and a regressor share.

    Args:
        plan: how it learns.
    """

    def __init__(self, plan: Online | None = None) -> None:
        self.plan = plan

    def __getstate__(self) -> dict[str, Any]:
        """For pickles and copies: a learner as its state, since graphs cannot be pickled."""
        kept = dict(super().__getstate__())
        if "learner_" in kept:
            kept["learner_"] = (self.learner_.spec.objective, self.learner_.state())
        return kept

    def __setstate__(self, kept: dict[str, Any]) -> None:
        objective, state = kept.pop("learner_", (None, b""))
        super().__setstate__(kept)
        if state:
            self.learner_ = OnlineLearner.restore(state, self._spec(objective), None, self.plan)

    def _spec(self, objective: Objective) -> ModelSpec:
        return spec_of([f"x{place}" for place in range(self.n_features_in_)], (), objective)

    def _learn(self, rows: NDArray[Any], labels: Any, objective: Objective) -> Self:
        """Learn from rows in their order; the first call makes the learner."""
        if not hasattr(self, "learner_"):
            self.learner_ = OnlineLearner(self._spec(objective), None, self.plan)
        self.learner_.partial_fit(self._mappings(rows), labels)
        return self

    def _said(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        check_is_fitted(self, "learner_")
        rows = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        return self.learner_.predict(self._mappings(rows))

    @staticmethod
    def _mappings(rows: NDArray[Any]) -> list[dict[str, float]]:
        return [{f"x{place}": float(value) for place, value in enumerate(row)} for row in rows]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class OnlineClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Two or more classes, all of which the first `partial_fit` names."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from rows in their order, from the beginning."""
        if hasattr(self, "learner_"):
            del self.learner_
        return self.partial_fit(X, y, unique_labels(y))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:  # noqa: N803
        """Learn from more rows in their order.

        Raises:
            ValueError: a label is none of the classes, or the first call does not name them.
        """
        first = not hasattr(self, "learner_")
        rows, labels = validate_data(self, X, y, reset=first, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        if first:
            if classes is None:
                message = "the first partial_fit takes classes=, as later rows may have others"
                raise ValueError(message)
            self.classes_ = np.unique(np.asarray(classes))
        places = np.searchsorted(self.classes_, labels)
        if not np.array_equal(self.classes_[np.minimum(places, len(self.classes_) - 1)], labels):
            message = f"a label is none of the classes {self.classes_.tolist()}"
            raise ValueError(message)
        count = len(self.classes_)
        return self._learn(rows, places, Binary() if count <= 2 else Multiclass(count))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """The chance of each class, in the order of `classes_`."""
        said = self._said(X).astype("float64")
        if len(self.classes_) == 1:
            return np.ones((len(said), 1))
        chances = np.hstack([1 - said, said]) if said.shape[1] == 1 else said
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each row."""
        chances = self.predict_proba(X)
        return np.asarray(self.classes_[chances.argmax(axis=1)])


class OnlineRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A number."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from rows in their order, from the beginning."""
        if hasattr(self, "learner_"):
            del self.learner_
        return self.partial_fit(X, y)

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from more rows in their order."""
        first = not hasattr(self, "learner_")
        rows, labels = validate_data(self, X, y, reset=first, ensure_all_finite="allow-nan", y_numeric=True)
        return self._learn(rows, labels.astype("float64"), Regression())

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """The number that is expected of each row."""
        return np.asarray(self._said(X)[:, 0], "float64")
