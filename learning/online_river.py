"""An online learner as a River estimator, for its pipelines, metrics and `evaluate.progressive_val_score`.

River is not imported here. It knows its estimators by their base classes, so whoever has imported it gets these
classes registered there, when the first one is made.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from errors import InvalidSpec
from learning.objectives import Multiclass
from learning.online import OnlineLearner
from learning.online_plan import Online
from learning.online_tables import Table
from learning.regression import Regression

Features = Mapping[Any, Any]


class _Estimator:
    """What River asks of all its estimators."""

    _supervised, _river_name = True, ""

    def __init__(self, plan: Online | None = None) -> None:
        self.plan = plan
        self._table: Table | None = None
        self._learner: OnlineLearner | None = None
        if "river.base" in sys.modules:
            getattr(sys.modules["river.base"], self._river_name).register(type(self))

    @property
    def learner(self) -> OnlineLearner | None:
        """The learner itself; None before the first row."""
        return self._learner

    def _known(self, features: Features, objective: Any) -> tuple[OnlineLearner, dict[str, Any]]:
        """The learner, made for the columns of the first row, and a row as it takes it."""
        if self._table is None or self._learner is None:
            self._table = Table(features, objective)
            self._learner = OnlineLearner(self._table.spec, None, self.plan)
        return self._learner, self._table.row(features)


class RiverClassifier(_Estimator):
    """Two or more classes, that become known as they come.

    Args:
        plan: how it learns.
        classes: most that there can be.

    As any other of River's::

        evaluate.progressive_val_score(datasets.Phishing(), RiverClassifier(), metrics.Accuracy())
    """

    _multiclass, _river_name = True, "Classifier"

    def __init__(self, plan: Online | None = None, classes: int = 16) -> None:
        super().__init__(plan)
        self.classes = classes
        self._words: dict[Any, int] = {}

    def learn_one(self, x: Features, y: Any) -> None:
        """Learn from one event.

        Raises:
            InvalidSpec: there are more classes than were said.
        """
        if y not in self._words and len(self._words) == self.classes:
            why = f"there are {self.classes} others already"
            raise InvalidSpec("a label of a new class", why, "make it with RiverClassifier(classes=...)")
        learner, row = self._known(x, Multiclass(self.classes))
        learner.learn_one(row, self._words.setdefault(y, len(self._words)))

    def predict_proba_one(self, x: Features) -> dict[Any, float]:
        """The chance of each class that is known."""
        if not self._words:
            return {}
        learner, row = self._known(x, Multiclass(self.classes))
        chances = learner.predict_one(row)[: len(self._words)]
        whole = float(chances.sum()) or 1.0
        return {word: float(chance) / whole for word, chance in zip(self._words, chances, strict=True)}

    def predict_one(self, x: Features) -> Any:
        """The likeliest class; None before the first is known."""
        chances = self.predict_proba_one(x)
        return max(chances, key=chances.__getitem__) if chances else None


class RiverRegressor(_Estimator):
    """A number.

    Args:
        plan: how it learns.
    """

    _river_name = "Regressor"

    def learn_one(self, x: Features, y: float) -> None:
        """Learn from one event."""
        learner, row = self._known(x, Regression())
        learner.learn_one(row, y)

    def predict_one(self, x: Features) -> float:
        """The number that is expected; 0 before anything was learned."""
        if self._learner is None:
            return 0.0
        learner, row = self._known(x, Regression())
        return float(learner.predict_one(row)[0])
