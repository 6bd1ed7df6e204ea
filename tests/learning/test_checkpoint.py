"""Where a stage is, on disk."""

from pathlib import Path

import numpy as np
import pytest

from learning.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from learning.files import EpochValue


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """State, variables and best weights, also integers and more than ten arrays."""
    checkpoint = tmp_path / "head.npz"
    state = TrainingState(
        "head", epoch=2, start=1.0, best=0.1 + 0.2, best_epoch=1, curve=(EpochValue("head", 1, "loss", 1 / 3),)
    )
    variables = tuple(np.random.default_rng(place).normal(size=3) for place in range(12))
    best = (np.array([1, 2], dtype="uint32"),)
    save_checkpoint(checkpoint, state, variables, best)
    loaded = load_checkpoint(tmp_path / "head.npz")
    assert loaded is not None
    assert loaded[0] == state
    assert all(np.array_equal(one, two) for one, two in zip(loaded[1], variables, strict=True))
    assert loaded[2][0].dtype == "uint32"


def test_nothing_saved_is_nothing_found(tmp_path: Path) -> None:
    """A stage without a whole epoch starts from its beginning."""
    assert load_checkpoint(tmp_path / "head.npz") is None


@pytest.mark.parametrize("size", [0, 10, 700])
def test_a_torn_file_is_as_good_as_none(tmp_path: Path, size: int) -> None:
    """After a power cut a stage starts anew instead of failing for ever."""
    checkpoint = tmp_path / "head.npz"
    save_checkpoint(checkpoint, TrainingState("head", epoch=1, start=1.0, best=1.0), (np.zeros(100),), (np.zeros(100),))
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    assert load_checkpoint(checkpoint) is None


def test_patience_runs_out_and_a_better_epoch_restores_it() -> None:
    """The stage stops after `patience` epochs in a row without a lower validation loss."""
    state = TrainingState("head", epoch=0, start=1.0, best=1.0)
    for loss in (0.9, 0.95, 0.8, 0.81, 0.82):
        assert not state.stopped
        state = state.after({"val_loss": loss}, patience=2, epochs=100)
    assert state.stopped
    assert (state.best, state.best_epoch) == (0.8, 3)


def test_the_beginning_is_a_candidate_for_the_best() -> None:
    """Epochs that only make things worse leave epoch 0, the start, as the best."""
    state = TrainingState("head", epoch=0, start=0.5, best=0.5).after({"val_loss": 0.6}, patience=1, epochs=5)
    assert (state.best_epoch, state.stopped) == (0, True)


def test_who_still_learns_at_the_end_goes_on_for_as_long_as_that_is_so() -> None:
    """Further epochs, no more than were allowed, while each lowers the loss by something; and the reason says so."""
    state = TrainingState("head", epoch=0, start=1.0, best=1.0)
    for loss in (0.9, 0.8, 0.7):
        assert not state.stopped
        state = state.after({"val_loss": loss}, patience=2, epochs=2, more=3)
    assert "had not finished learning" in state.remark
    finished = state.after({"val_loss": 0.6999}, patience=2, epochs=2, more=3)  # a hair is no sign of more to come
    assert (finished.stopped, finished.best_epoch, finished.remark) == (True, 4, "")
    for loss in (0.6, 0.5):
        state = state.after({"val_loss": loss}, patience=2, epochs=2, more=3)
    assert (state.stopped, state.epoch) == (True, 5)
