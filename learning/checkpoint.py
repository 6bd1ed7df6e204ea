"""Where a stage of training is, in one file that is replaced whole: what `kill -9` cannot take away."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Standing:
    """How far a stage is: plain numbers beside the arrays.

    Args:
        epoch: epochs that are over.
        start: validation loss of the weights that the stage began with.
        best: lowest validation loss so far, the start's included.
        best_epoch: the epoch that reached it; 0 is the beginning.
        stopped: no further epoch will run.
        values: learning curves so far, one (epoch, name, value) each.
    """

    epoch: int
    start: float
    best: float
    best_epoch: int = 0
    stopped: bool = False
    values: tuple[tuple[int, str, float], ...] = ()

    def after(self, metrics: dict[str, float], *, patience: int, epochs: int) -> Standing:
        """One epoch later; a validation loss that is not lower than the best costs patience."""
        epoch = self.epoch + 1
        better = metrics["val_loss"] < self.best
        best, best_epoch = (metrics["val_loss"], epoch) if better else (self.best, self.best_epoch)
        points = tuple((epoch, name, value) for name, value in metrics.items())
        return replace(
            self,
            epoch=epoch,
            best=best,
            best_epoch=best_epoch,
            stopped=epoch >= epochs or epoch - best_epoch >= patience,
            values=self.values + points,
        )


class Checkpoint:
    """A stage's standing, its weights and optimizer after the last whole epoch, and its best weights.

    Keras' EarlyStopping, ModelCheckpoint and BackupAndRestore do the same, but each forgets its part when a
    process dies: the patience already lost, the best value so far, the optimizer.

    Args:
        path: the file; it exists from the end of the first epoch on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, standing: Standing, state: Arrays, best: Arrays) -> None:
        """Replace what was saved: a killed process leaves the old or the new state, whole.

        Only a power cut can tear the file, as nothing waits for the disk here; the stage then starts anew.
        """
        arrays = {f"state{place}": value for place, value in enumerate(state)}
        arrays |= {f"best{place}": value for place, value in enumerate(best)}
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            _write(file, arrays, json.dumps(vars(standing)))
        temporary.replace(self.path)

    def load(self) -> tuple[Standing, Arrays, Arrays] | None:
        """Standing, state and best weights; None where no epoch was finished, or the file is torn."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                fields = json.loads(str(saved["standing"]))
                fields["values"] = tuple((epoch, name, value) for epoch, name, value in fields["values"])
                return Standing(**fields), _series(saved, "state"), _series(saved, "best")
        except (FileNotFoundError, EOFError, ValueError, KeyError, BadZipFile, zlib.error):
            return None


def _write(file: BinaryIO, arrays: dict[str, NDArray[Any]], standing: str) -> None:
    np.savez(file, standing=np.array(standing), **arrays)  # type: ignore[arg-type]


def _series(saved: Any, prefix: str) -> Arrays:
    count = sum(name.startswith(prefix) for name in saved.files)
    return tuple(saved[f"{prefix}{place}"] for place in range(count))


def values_of(variables: Sequence[Any]) -> Arrays:
    """Copies of Keras variables' values."""
    return tuple(np.array(variable.numpy()) for variable in variables)


def assign(variables: Sequence[Any], values: Arrays) -> None:
    """Put values back into Keras variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
