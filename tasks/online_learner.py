"""What a consumer of events works with: what learns, how it goes about it, and what it hands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

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


@dataclass(frozen=True)
class Pace:
    """How a consumer goes about it.

    Args:
        stretch: events after which there is a checkpoint at the latest, and labels that never came are given up.
        seconds: after which there is a checkpoint at the latest.
        poll: seconds between two looks for new events.
        patience: days after which an event's label is not waited for any more.
        waiting: events whose label is waited for at most.
        between: least seconds between two challenges.
    """

    stretch: int = 1_000
    seconds: float = 30.0
    poll: float = 0.2
    patience: float = 30.0
    waiting: int = 100_000
    between: float = 600.0


@dataclass(frozen=True)
class Candidate:
    """A frozen state that challenges the champion: its version, and how far it had come by then."""

    number: int
    events: int
    learned: int
    position: str


class Waiting(NamedTuple):
    """A row that is learned next, its label, whether it is still to be scored, and the position behind it."""

    kept: Row
    label: float
    unscored: bool
    position: str
