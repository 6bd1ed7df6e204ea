"""deep-river's part of benchmarks/online.py, run in .venv-deep-river: a stream a line, its figures a line.

The models are those of deep-river's own documentation (0.3.4): the network of its README, the one of its class, and
its "zoo", with the optimizers and rates that stand there, each behind River's StandardScaler, as the README has it.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from deep_river import classification, regression
from deep_river.classification import zoo as classifiers
from deep_river.regression import zoo as regressors
from river import metrics, preprocessing
from torch import nn

Make = Callable[[int], Any]


class Net(nn.Module):
    """One hidden layer, as all of its examples have."""

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, or a number."""
        return self.net(x)


def classifier(optimizer: str, rate: float) -> Make:
    """A net for classes, as many as come."""
    how = {"loss_fn": "cross_entropy", "optimizer_fn": optimizer, "lr": rate, "is_class_incremental": True}
    return lambda features: classification.Classifier(module=Net(features, 16, 2), **how)


def regressor(hidden: int, **how: Any) -> Make:
    """A net for a number."""
    return lambda features: regression.Regressor(module=Net(features, hidden, 1), loss_fn="mse", **how)


CLASSIFIERS: dict[str, Make] = {
    "README's Classifier": classifier("adam", 1e-3),
    "Classifier": classifier("sgd", 1e-2),
    "LogisticRegression": lambda features: classifiers.LogisticRegression(
        n_features=features, n_init_classes=2, optimizer_fn="sgd", lr=1e-2, is_class_incremental=True
    ),
    "MultiLayerPerceptron": lambda features: classifiers.MultiLayerPerceptron(
        n_features=features, n_width=8, n_layers=2, n_init_classes=2, optimizer_fn="sgd", lr=5e-3
    ),
}
REGRESSORS: dict[str, Make] = {
    "README's net": regressor(16, optimizer_fn="adam", lr=5e-3, gradient_clip_value=1.0),
    "Regressor": regressor(8, optimizer_fn="sgd", lr=1e-2),
    "LinearRegression": lambda features: regressors.LinearRegression(n_features=features, loss_fn="mse", lr=1e-2),
    "MultiLayerPerceptron": lambda features: regressors.MultiLayerPerceptron(
        n_features=features, n_width=8, n_layers=2, optimizer_fn="sgd", lr=1e-2
    ),
}


def figure(events: list[tuple[dict[str, float], Any]], make: Make, metric: Any) -> float:
    """Progressive validation, as its README has it: nothing is asked before the first event was learned."""
    random.seed(42)
    np.random.seed(42)  # noqa: NPY002 - what deep-river's examples do
    torch.manual_seed(42)
    model = preprocessing.StandardScaler() | make(len(events[0][0]))
    for place, (row, label) in enumerate(events):
        if place:
            metric.update(label, model.predict_one(row))
        model.learn_one(row, label)
    return float(metric.get())


def main() -> None:
    """Answer each stream with what every model comes to."""
    print("ready", flush=True)
    for line in sys.stdin:
        stream = json.loads(line)
        models = REGRESSORS if stream["regression"] else CLASSIFIERS
        found = {}
        for name, make in models.items():
            metric = metrics.MAE() if stream["regression"] else metrics.Accuracy()
            found[name] = figure(stream["events"], make, metric)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
