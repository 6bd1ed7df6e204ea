"""What a consumer of events asks of a learner, so that it can be given any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from learning.files import ModelFiles, Trained
    from learning.spec import ModelSpec

Row = dict[str, Any]


class Learner(Protocol):
    """What learns, as `learning.online.OnlineLearner` does: what is predicted of a row comes before it is learned."""

    def predict_one(self, row: Row) -> Any:
        """The outputs for a row, as an array; nothing is learned."""

    def partial_fit(self, rows: Sequence[Row], labels: Sequence[float]) -> Any:
        """Learn rows one after the other; what was predicted of each before, shape (rows, outputs)."""

    def state(self) -> bytes:
        """All that it needs to go on to the same bits."""

    def freeze(self, work: Path) -> Trained:
        """What it has come to, as base and head."""


Begin = Callable[["ModelSpec", "ModelFiles", bytes | None], Learner]
"""Makes a learner that goes on from a version, or from the state of one that did."""
