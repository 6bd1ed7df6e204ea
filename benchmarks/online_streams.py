"""The streams that River's wheel holds, and the models of River's that benchmarks/online.py runs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from river import (
    base,
    datasets,
    dummy,
    ensemble,
    evaluate,
    forest,
    linear_model,
    metrics,
    multiclass,
    naive_bayes,
    neighbors,
    preprocessing,
    tree,
)

from learning.online_river import RiverClassifier, RiverRegressor

Events = Iterable[tuple[dict[str, Any], Any]]
Make = Callable[[], Any]


@dataclass(frozen=True)
class Stream:
    """A stream, of which at most so many events are taken.

    Args:
        source: River's data set.
        regression: whether labels are numbers.
        most: of Shuttle, the first tenth: River's ensembles take minutes for it.
    """

    source: Any
    regression: bool = False
    most: int = 5300

    @property
    def name(self) -> str:
        """River's name for it."""
        return type(self.source).__name__

    def events(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Rows and labels; a moment is no feature to any of the models."""
        for row, label in islice(self.source, self.most):
            yield {name: value for name, value in row.items() if isinstance(value, int | float | str)}, label


STREAMS = (
    Stream(datasets.Phishing()),
    Stream(datasets.Bananas()),
    Stream(datasets.ImageSegments()),
    Stream(datasets.Shuttle()),
    Stream(datasets.TrumpApproval(), regression=True),
    Stream(datasets.ChickWeights(), regression=True),
)


def accuracy_or_error(stream: Stream, model: Any) -> float:
    """River's own progressive validation."""
    metric = metrics.MAE() if stream.regression else metrics.Accuracy()
    return float(evaluate.progressive_val_score(stream.events(), model, metric).get())


def river_models(stream: Stream) -> dict[str, Make]:
    """Ours, River's, and what says the last label again."""
    return (
        {"Evergreen": RiverRegressor, **REGRESSORS}
        if stream.regression
        else {"Evergreen": RiverClassifier, **CLASSIFIERS}
    )


def scaled(make: Make) -> Make:
    """A model behind River's StandardScaler."""
    return lambda: preprocessing.StandardScaler() | make()


def one_vs_rest(make: Make) -> Make:
    """A model of two classes as one of any, behind the scaler."""
    return scaled(lambda: multiclass.OneVsRestClassifier(make()))


class LastLabel(base.Regressor):  # type: ignore[misc]
    """What says the last label again."""

    def __init__(self) -> None:
        self.last = 0.0

    def learn_one(self, x: dict[str, Any], y: float) -> None:  # noqa: ARG002 - River's signature
        """Remember the label."""
        self.last = y

    def predict_one(self, x: dict[str, Any]) -> float:  # noqa: ARG002
        """The label that was remembered."""
        return self.last


CLASSIFIERS: dict[str, Make] = {
    "no change": dummy.NoChangeClassifier,
    "logistic regression": one_vs_rest(linear_model.LogisticRegression),
    "ALMA": one_vs_rest(linear_model.ALMAClassifier),
    "PA": one_vs_rest(linear_model.PAClassifier),
    "naive Bayes": naive_bayes.GaussianNB,
    "Hoeffding tree": tree.HoeffdingTreeClassifier,
    "Hoeffding adaptive tree": lambda: tree.HoeffdingAdaptiveTreeClassifier(seed=1),
    "kNN": scaled(neighbors.KNNClassifier),
    "adaptive random forest": lambda: forest.ARFClassifier(n_models=10, seed=1),
    "leveraging bagging": lambda: ensemble.LeveragingBaggingClassifier(tree.HoeffdingTreeClassifier(), seed=1),
    "SRP": lambda: ensemble.SRPClassifier(n_models=10, seed=1),
}
REGRESSORS: dict[str, Make] = {
    "no change": LastLabel,
    "linear regression": scaled(linear_model.LinearRegression),
    "PA": scaled(linear_model.PARegressor),
    "Hoeffding tree": tree.HoeffdingTreeRegressor,
    "Hoeffding adaptive tree": lambda: tree.HoeffdingAdaptiveTreeRegressor(seed=1),
    "kNN": scaled(neighbors.KNNRegressor),
    "adaptive random forest": lambda: forest.ARFRegressor(n_models=10, seed=1),
    "SRP": lambda: ensemble.SRPRegressor(n_models=10, seed=1),
}
