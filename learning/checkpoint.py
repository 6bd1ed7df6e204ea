"""Where a stage of training is, in one file that is replaced whole: what `kill -9` cannot take away."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from evergreen_client.durable import written_whole
from learning.files import EpochValue

GAIN = 0.001  # share of the loss; a smaller one is no sign that there is more to learn
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class TrainingState:
    """How far a stage is: plain numbers beside the arrays.

    Args:
        stage: its name.
        epoch: epochs that are over.
        start: validation loss of the weights that the stage began with.
        best: lowest validation loss so far, the start's included.
        best_epoch: the epoch that reached it; 0 is the beginning.
        stopped: no further epoch will run.
        unfinished: the last epoch still lowered the loss, by a thousandth at least.
        curve: every figure of every epoch so far.
    """

    stage: str
    epoch: int
    start: float
    best: float
    best_epoch: int = 0
    stopped: bool = False
    unfinished: bool = False
    curve: tuple[EpochValue, ...] = ()

    @property
    def remark(self) -> str:
        """What the reason should say of the end: nothing, as a rule."""
        return ", the last, so that it had not finished learning: give it more epochs" if self.unfinished else ""

    def after(self, metrics: dict[str, float], *, patience: int, epochs: int, more: int = 0) -> TrainingState:
        """One epoch later; a validation loss that is not lower than the best costs patience.

        Behind the last epoch `more` may follow, for as long as each still lowers the loss. Without a validation loss
        there is no better or worse, and the last epoch is the one to keep.
        """
        epoch = self.epoch + 1
        loss = metrics.get("val_loss")
        best, best_epoch = self.best, self.best_epoch
        unfinished = loss is not None and loss < (1 - GAIN) * best
        if loss is None or loss < best:
            best, best_epoch = best if loss is None else loss, epoch
        return replace(
            self,
            epoch=epoch,
            best=best,
            best_epoch=best_epoch,
            stopped=epoch >= (epochs + more if unfinished else epochs) or epoch - best_epoch >= patience,
            unfinished=unfinished,
            curve=self.curve + tuple(EpochValue(self.stage, epoch, *figure) for figure in metrics.items()),
        )


def save_checkpoint(path: Path, state: TrainingState, variables: Arrays, best: Arrays) -> None:
    """Replace a stage's checkpoint: its state, its variables after the last whole epoch, and its best weights.

    A killed process leaves the old or the new one, whole. Only a power cut can tear the file, as nothing waits for
    the disk here; the stage then starts anew. Keras' EarlyStopping, ModelCheckpoint and BackupAndRestore do the same,
    but each forgets its part when a process dies: the patience already lost, the best value so far, the optimizer.
    """
    arrays = {f"variable{place}": value for place, value in enumerate(variables)}
    arrays |= {f"best{place}": value for place, value in enumerate(best)}
    with written_whole(path, sync=False) as temporary:
        np.savez(temporary, state=np.array(json.dumps(asdict(state))), **arrays)  # type: ignore[arg-type]


def load_checkpoint(path: Path) -> tuple[TrainingState, Arrays, Arrays] | None:
    """State, variables and best weights; None where no epoch was finished, or the file is torn."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            fields = json.loads(str(saved["state"]))
            fields["curve"] = tuple(EpochValue(**figure) for figure in fields["curve"])
            return TrainingState(**fields), _series(saved, "variable"), _series(saved, "best")
    except (FileNotFoundError, EOFError, ValueError, KeyError, BadZipFile, zlib.error):
        return None


def _series(saved: Any, prefix: str) -> Arrays:
    count = sum(name.startswith(prefix) for name in saved.files)
    return tuple(saved[f"{prefix}{place}"] for place in range(count))


def values_of(variables: Sequence[Any]) -> Arrays:
    """Copies of Keras variables' values; a file of NumPy's knows no bfloat16, all of whose values float32 has."""
    arrays = (np.array(variable.numpy()) for variable in variables)
    return tuple(array.astype("float32") if array.dtype.kind == "V" else array for array in arrays)


def assign(variables: Sequence[Any], values: Arrays) -> None:
    """Put values back into Keras variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
