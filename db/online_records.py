"""Checkpoints of online learning, as they go into the registry and come out of it: frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evergreen_client.artifacts import StoredArtifact


@dataclass(frozen=True)
class OnlineLoss:
    """A version's mean loss on the events of one time block that came since the checkpoint before.

    Args:
        number: the version.
        block: when the time block starts.
        rows: how many events these are.
        weight: the sum of their weights; where none weighs more than another, their number.
        loss: the mean loss by these weights, finite.
        rare: how many of them are of another class than the usual one; None of numbers.
        expected: how many these would be by its chances; None of numbers.
    """

    number: int
    block: datetime
    rows: int
    weight: float
    loss: float
    rare: int | None = None
    expected: float | None = None


@dataclass(frozen=True)
class NewCheckpoint:
    """Where a consumer is; the file of its state is stored already.

    Args:
        model: name of the model.
        consumer: which consumer; each has positions of its own.
        number: 1, 2, 3 …; of two that would add the same one, one fails.
        run_id: the run that adds it, which must be the one that has claimed the model.
        champion: number of the version that it learns on from.
        events: how many events were taken from the source in all.
        position: where the next one stands, as the source says it.
        counts: how many events were learned, refused for which reason, and so on.
        state: all else that it goes on from, as JSON can hold it.
        rows: how many rows were scored before they were learned.
        loss: their mean loss.
        window_loss: the same of the newest of them.
        stored: the file with the weights.
        losses: of the champion and the version that it replaced, both as they were registered, on the events since.
    """

    model: str
    consumer: str
    number: int
    run_id: int
    champion: int
    events: int
    position: str
    counts: dict[str, int]
    state: dict[str, Any]
    rows: int
    loss: float
    window_loss: float
    stored: StoredArtifact
    losses: tuple[OnlineLoss, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord:
    """A checkpoint as recorded; `uri` is None once its file may go."""

    consumer: str
    number: int
    run_id: int
    champion: int
    events: int
    position: str
    counts: dict[str, int]
    state: dict[str, Any]
    rows: int
    loss: float
    window_loss: float
    digest: str
    uri: str | None
    sha256: str
    bytes: int
    at: datetime

    @property
    def stored(self) -> StoredArtifact:
        """The file with the weights."""
        return StoredArtifact(self.digest, ONLINE, self.uri or "", self.sha256, self.bytes)


ONLINE = "online"  # kind of the file
