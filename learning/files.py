"""Keras models as files: written whole or not at all, known by their digest."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evergreen_client.durable import written_whole
from learning.digests import model_digest
from learning.finite import refuse_weights
from learning.fitted import Fitted

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ModelFiles:
    """A version's two `.keras` files and what they hold; the version is `head(base(row))`."""

    base: Path
    head: Path
    base_digest: str
    head_digest: str


@dataclass(frozen=True)
class EpochValue:
    """One point of a learning curve."""

    stage: str
    epoch: int
    name: str
    value: float


@dataclass(frozen=True)
class HeldBack:
    """Mean losses on the rows that a training held back from itself, to choose its best epoch by.

    Args:
        loss: of what it kept.
        constant: of the best prediction that looks at no input.
    """

    loss: float
    constant: float


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Args:
        files: base and head, in the work folder.
        epochs: the learning curves.
        replayed: digests of the partitions that replayed rows came from.
        plan: how it was trained, as JSON can hold it.
        reason: a sentence for people: how many rows and epochs, and what was kept.
        kept: the epoch that each stage kept, by its name; 0 is the stage's beginning. A refit takes it.
        rows: how many it learned from, or chose its epoch by, new and replayed.
        fitted: on the rows that were held back. A refit takes it.
        held_back: its losses on the rows that were held back; None where there are none, as all rows trained.
    """

    files: ModelFiles
    epochs: tuple[EpochValue, ...]
    replayed: tuple[str, ...]
    plan: dict[str, Any]
    reason: str
    kept: dict[str, int]
    rows: int = 0
    fitted: Fitted = field(default_factory=Fitted)
    held_back: HeldBack | None = None


class Progress(Protocol):
    """Called about once an epoch, so that a terminal or a UI can show where training is."""

    def __call__(self, stage: str, done: int, total: int, metrics: Mapping[str, float], /) -> None:
        """`done` of `total` epochs of a stage are over; `metrics` are the newest epoch's."""


def save_model(model: keras.Model, path: Path) -> str:
    """Write a `.keras` file whole or not at all; returns the model's digest.

    Raises:
        TrainingDiverged: a weight is not finite; such a model is in no file, and so in no version.
    """
    refuse_weights(model, f"the {path.stem}")
    with written_whole(path) as temporary:
        model.save(temporary)
    return model_digest(model)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the operating system releases it when the process ends, however it ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
