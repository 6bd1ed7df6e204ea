"""Scores of a stream: each row is predicted before it is learned, and counts once; of all rows, and of the newest."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.losses import figures, row_losses

if TYPE_CHECKING:
    from learning.objectives import Objective

WINDOW = 1_000  # rows of the recent part


class Prequential:
    """Scores as they stand after so many rows (Gama, Sebastião and Rodrigues 2013).

    Sums are added up row by row, in the order of the rows: whoever goes on from saved scores comes to the same bits.

    Args:
        objective: gives the loss of a row.
        sums: what was scored so far: to the number of a version, its rows and the sum of their losses.

    Example:
        >>> from learning.objectives import Binary
        >>> scores = Prequential(Binary())
        >>> scores.add(1.0, [0.5], version=1)
        >>> round(scores.loss, 3), scores.rows
        (0.693, 1)
    """

    def __init__(self, objective: Objective, sums: Mapping[str, Sequence[float]] | None = None) -> None:
        self._objective = objective
        self._sums = {number: list(of) for number, of in (sums or {}).items()}
        self._window: deque[tuple[float, tuple[float, ...], float]] = deque(maxlen=WINDOW)

    def add(self, target: float, prediction: Sequence[float], *, version: int) -> None:
        """Score a row by the version that predicted it."""
        shown = np.array([prediction], "float32")
        loss = float(row_losses(self._objective, np.array([target]), shown)[0])
        mine = self._sums.setdefault(str(version), [0, 0.0])
        mine[0] += 1
        mine[1] += loss
        self._window.append((target, tuple(prediction), loss))

    @property
    def sums(self) -> dict[str, list[float]]:
        """Rows and the sum of losses, by version."""
        return {number: list(of) for number, of in self._sums.items()}

    @property
    def rows(self) -> int:
        """How many rows were scored."""
        return int(sum(of[0] for of in self._sums.values()))

    @property
    def loss(self) -> float:
        """Mean loss of all of them; NaN of none."""
        return sum(of[1] for of in self._sums.values()) / self.rows if self.rows else math.nan

    @property
    def window_loss(self) -> float:
        """Mean loss of the newest."""
        return sum(loss for _, _, loss in self._window) / len(self._window) if self._window else math.nan

    def recent(self) -> dict[str, float]:
        """All figures of the newest rows."""
        if not self._window:
            return {}
        target, prediction = (np.array(column) for column in list(zip(*self._window, strict=True))[:2])
        return figures(self._objective, target, prediction.astype("float32"))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The newest rows, to be saved."""
        target, prediction, loss = zip(*self._window, strict=True) if self._window else ((), (), ())
        found = {"target": target, "prediction": prediction, "loss": loss}
        return {name: np.array(values, "float64") for name, values in found.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from saved ones."""
        rows = zip(*(arrays[name].tolist() for name in ("target", "prediction", "loss")), strict=True)
        self._window.extend((target, tuple(prediction), loss) for target, prediction, loss in rows)
