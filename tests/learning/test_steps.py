"""The gradient steps of a stage: averaged weights, and a rate that only the schedule sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from one_layer import examples, learner

from errors import InvalidSpec
from learning.loop import TrainingContext, refuse_rate_setters, train
from learning.plans import Stage
from learning.schedules import constant, cosine


@pytest.mark.slow
def test_the_averaged_weights_are_those_that_are_kept(tmp_path: Path) -> None:
    """One batch an epoch, so that each epoch's average can be followed by hand: half the one before, half the new."""
    seen: list[np.ndarray] = []

    class Watch(keras.callbacks.Callback):
        """Notes what is validated."""

        def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
            """After the only step of the epoch."""
            seen.append(self.model.get_weights()[0])

    how = {"batch_size": 32, "epochs": 3, "learning_rate": 1.0}
    plain = []
    for epochs in (1, 2, 3):
        one = learner(**how)
        (tmp_path / str(epochs)).mkdir()
        train(one, examples(), examples(), TrainingContext(tmp_path / str(epochs), seed=1), epochs)
        plain.append(one.steps.model.get_weights()[0])
    averaged = learner(ema=0.5, **how)
    train(averaged, examples(), examples(), TrainingContext(tmp_path, seed=1, callbacks=lambda: [Watch()]))
    expected = np.zeros_like(plain[0])
    for place, weights in enumerate(plain):
        expected = 0.5 * expected + 0.5 * weights
        np.testing.assert_allclose(seen[place], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(averaged.steps.model.get_weights()[0], seen[2])


@pytest.mark.slow
def test_a_crash_changes_no_average(tmp_path: Path) -> None:
    """Averages are part of the checkpoint, beside the weights that go on learning."""

    class Crash(Exception):
        """The process ends here."""

    def crash(_stage: str, done: int, _total: int, _metrics: Any) -> None:
        if done == 2:
            raise Crash

    how = {"ema": 0.7, "epochs": 4, "optimizer": "adam"}
    ends = []
    for work, progress in (("torn", crash), ("torn", None), ("whole", None)):
        (tmp_path / work).mkdir(exist_ok=True)
        one = learner(**how)
        try:
            train(one, examples(), examples(), TrainingContext(tmp_path / work, seed=1, progress=progress))
        except Crash:
            continue
        ends.append(one.steps.model.get_weights())
    assert all(map(np.array_equal, *ends))


class Halve(keras.callbacks.Callback):
    """Sets the rate itself."""

    def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
        """To half of what it was."""
        self.model.optimizer.learning_rate = 0.5 * float(self.model.optimizer.learning_rate)


def test_a_rate_that_the_schedule_would_undo_is_refused(tmp_path: Path) -> None:
    """Keras' own callbacks before anything is trained, one of the user's at the first step after it did."""
    scheduled = Stage(schedule=cosine)
    for callback in (keras.callbacks.ReduceLROnPlateau(), keras.callbacks.LearningRateScheduler(lambda _: 1.0)):
        with pytest.raises(InvalidSpec, match=f"{type(callback).__name__} in stage 'head': it sets the learning rate"):
            refuse_rate_setters([callback], scheduled)
        refuse_rate_setters([callback], Stage(schedule=constant))
    context = TrainingContext(tmp_path, seed=1, callbacks=lambda: [Halve()])
    with pytest.raises(InvalidSpec, match="the schedule 'cosine' sets anew at every step"):
        train(learner(schedule=cosine), examples(), examples(), context)
    (tmp_path / "head.npz").unlink(missing_ok=True)
    one = learner(schedule=constant)
    train(one, examples(), examples(), context)
    assert float(one.steps.optimizer.learning_rate) == pytest.approx(0.1 / 4)


class TwoEpochs(keras.callbacks.Callback):
    """Stops when it has seen two epochs in its life, as one does that waits for a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
        """One more."""
        self.seen += 1
        self.model.stop_training = self.seen >= 2


def test_each_stage_has_callbacks_of_its_own(tmp_path: Path) -> None:
    """What one counted in a stage does not end the next one."""
    context = TrainingContext(tmp_path, seed=1, callbacks=lambda: [TwoEpochs()])
    stages = [learner(name=name, epochs=5) for name in ("first", "second")]
    assert [train(one, examples(), examples(), context).epoch for one in stages] == [2, 2]
