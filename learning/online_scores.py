"""How a learner fared on events that it had not learned from: since its beginning, and lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.objectives import Objective


@dataclass(frozen=True)
class Score:
    """Prequential figures: each event was predicted before anything learned from it.

    Args:
        rows: events so far.
        loss: the objective's mean loss over all of them; NaN of none.
        recent_rows: the newest events, that `recent` is about.
        recent: the objective's metrics of these.
        metrics: figures of the Keras metrics that the learner was given, over all events.
        breaks: how often the error broke with what it was.
        broken_at: the event that ended the last break's block; 0 if there was none.
    """

    rows: int
    loss: float
    recent_rows: int
    recent: dict[str, float]
    metrics: dict[str, float]
    breaks: int
    broken_at: int


class Scores:
    """Sums over all events, and the newest ones themselves."""

    def __init__(self, objective: Objective, window: int) -> None:
        self.objective = objective
        self.rows, self.total = 0, 0.0
        self._recent: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=window)

    def add(self, targets: NDArray[np.float64], predictions: NDArray[np.float32]) -> None:
        """Take events into account, in their order; sums grow one event at a time, so that bursts come to the same."""
        for loss in self.objective.row_loss(targets, predictions):
            self.total += float(loss)
        self.rows += len(targets)
        self._recent.extend(zip(map(float, targets), predictions, strict=True))

    @property
    def loss(self) -> float:
        """The mean loss of all events."""
        return self.total / self.rows if self.rows else float("nan")

    @property
    def recent_rows(self) -> int:
        """How many events are recent."""
        return len(self._recent)

    def recent(self) -> dict[str, float]:
        """The objective's metrics of the newest events."""
        targets, predictions = self.arrays()
        return self.objective.metrics(targets, predictions) if len(targets) else {}

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """The newest targets and predictions, the oldest first."""
        if not self._recent:
            return np.empty(0), np.empty((0, 1), "float32")
        targets, predictions = zip(*self._recent, strict=True)
        return np.array(targets), np.array(predictions)

    def restore(self, rows: int, total: float, recent: Iterable[tuple[Any, Any]]) -> None:
        """Go on from sums and newest events as they were."""
        self.rows, self.total = rows, total
        self._recent.extend((float(target), np.asarray(prediction)) for target, prediction in recent)
