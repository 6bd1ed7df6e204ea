"""One dense layer and 32 rows, for trainings that can be followed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from learning.data import Indices, PartitionFile, Selection
from learning.examples import Examples
from learning.loop import Learner
from learning.losses import plain
from learning.objectives import Binary, Objective
from learning.plans import Pretrain, Stage
from learning.schedules import constant
from learning.steps import Steps

ROWS = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
TARGET = (ROWS[:, 0] > 0).astype("float64")


def examples(target: np.ndarray = TARGET, rows: np.ndarray = ROWS) -> Examples:
    """32 rows, of which the first feature decides."""

    def read(_partition: PartitionFile, chosen: Indices) -> np.ndarray:
        return rows[chosen]

    return Examples([Selection(PartitionFile("p", Path()), np.arange(32), target)], read)


def learner(objective: Objective | None = None, **how: Any) -> Learner:
    """One dense layer from zero, for two short epochs, or as the test wants."""
    objective = objective or Binary()
    activation = "sigmoid" if isinstance(objective, Binary) else None
    layer = keras.layers.Dense(1, activation=activation, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((3,)), layer])
    usual = {
        "epochs": 2,
        "patience": 9,
        "batch_size": 8,
        "schedule": constant,
        "optimizer": "sgd",
        "learning_rate": 0.1,
    }
    stage = Stage(**({"name": "head"} | usual | how))
    return Learner(Steps(model, plain(objective), stage, stage.rate(Pretrain())), model.variables, objective)
