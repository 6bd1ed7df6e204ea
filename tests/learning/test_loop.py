"""The training loop, on a model of one layer."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from one_layer import ROWS, TARGET, examples, learner

from errors import TrainingDiverged
from learning.data import Indices, PartitionFile, Selection
from learning.examples import Examples
from learning.loop import TrainingContext, train
from learning.objectives import Binary, Objective, Regression
from learning.schedules import cosine


def folder(parent: Path, name: str) -> Path:
    """A new folder."""
    (parent / name).mkdir()
    return parent / name


def none(_partition: PartitionFile, _chosen: Indices) -> np.ndarray:
    """A reader that nobody may ask."""
    pytest.fail("rows were read that nobody needs")


def test_an_epoch_is_what_keras_fit_does(tmp_path: Path) -> None:
    """In one dispatch, yet step for step the arithmetic of fit; here one batch an epoch, so no order matters."""
    ours = learner(batch_size=32)
    train(ours, examples(), examples(), TrainingContext(tmp_path, seed=1))
    theirs = learner().steps.model
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss="binary_crossentropy")
    theirs.fit(ROWS, TARGET.reshape(-1, 1), batch_size=32, epochs=2, verbose=0)
    for one, two in zip(ours.steps.model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


def test_every_row_counts_also_those_of_a_last_short_batch(tmp_path: Path) -> None:
    """With batches of 5 the last two rows of 32 are a batch too, and the reported loss is the mean over rows."""
    still = learner(batch_size=5, epochs=1, learning_rate=1e-12)
    state = train(still, examples(), examples(), TrainingContext(tmp_path, seed=1))
    assert next(point.value for point in state.curve if point.name == "loss") == pytest.approx(np.log(2))


def test_the_rate_follows_the_schedule_step_by_step(tmp_path: Path) -> None:
    """The schedule is asked at every step's share of the stage, and the optimizer obeys."""
    asked: list[float] = []

    def schedule(done: float, rate: float) -> float:
        asked.append(done)
        return rate * (1 - done)

    seen: list[float] = []

    class Watch(keras.callbacks.Callback):
        """Notes the rate that was used last."""

        def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
            """After the last step of the epoch."""
            seen.append(float(self.model.optimizer.learning_rate))

    train(
        learner(schedule=schedule),
        examples(),
        examples(),
        TrainingContext(tmp_path, seed=1, callbacks=lambda: [Watch()]),
    )
    assert asked == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]
    assert seen == pytest.approx([0.1 * (1 - 0.375), 0.1 * (1 - 0.875)])


def test_few_rows_are_passed_over_until_an_epoch_has_its_least_steps(tmp_path: Path) -> None:
    """32 rows in batches of 8 are 4 steps; 10 take three passes, and the schedule goes through all of them."""
    asked: list[float] = []

    def schedule(done: float, rate: float) -> float:
        asked.append(done)
        return rate

    few = learner(schedule=schedule, steps=10)
    state = train(few, examples(), examples(), TrainingContext(tmp_path, seed=1))
    assert asked == pytest.approx([step / 24 for step in range(24)])
    assert next(point.value for point in state.curve if point.name == "loss") < np.log(2)


def test_further_epochs_keep_the_last_rate(tmp_path: Path) -> None:
    """What still learns after its last epoch goes on at the rate that it came to, and not up the wave again."""
    asked: list[float] = []

    def schedule(done: float, rate: float) -> float:
        asked.append(done)
        return rate

    state = train(
        learner(schedule=schedule, batch_size=32, more=3), examples(), examples(), TrainingContext(tmp_path, seed=1)
    )
    assert asked == [0, 0.5, 1, 1, 1]
    assert state.remark


def test_callbacks_find_the_loss_by_its_name_whatever_the_curve_calls_it(tmp_path: Path) -> None:
    """One that ends a stage by "loss" does so too where that is in another unit than what is validated."""
    stops = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=1)
    context = TrainingContext(tmp_path, seed=1, callbacks=lambda: [stops])
    state = train(replace(learner(epochs=9), own=True), examples(), examples(), context)
    assert state.epoch == 2
    assert {point.name for point in state.curve} >= {"training_loss", "val_loss"}
    assert "loss" not in {point.name for point in state.curve}


def test_a_start_is_measured_as_it_will_be_saved(tmp_path: Path) -> None:
    """An epoch is put right before it is judged; where none is better, nothing is."""
    rare = np.repeat([0.0, 1.0], [96, 32])
    chosen = [Selection(PartitionFile("p", Path()), np.tile(np.arange(32), 4), rare)]
    validation = Examples(chosen, lambda _, places: ROWS[places])
    one = replace(learner(batch_size=32, epochs=1, learning_rate=1e-12), calibrated=True)
    state = train(one, examples(), validation, TrainingContext(tmp_path, seed=1))
    assert state.start == pytest.approx(np.log(2))
    assert state.best == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75), abs=1e-3)


def test_a_loss_of_logarithms_is_large_by_their_own_measure(tmp_path: Path) -> None:
    """A refit, too, ends where it comes to a thousand times what a constant leaves of them, whatever prices are."""
    one, prices = learner(Regression(log=True), learning_rate=1e-12), examples(1e5 * (1 + TARGET))
    train(one, prices, prices, TrainingContext(folder(tmp_path, "usual")), until=1)
    with pytest.raises(TrainingDiverged, match="loss"):
        train(replace(one, one=1e3), prices, prices, TrainingContext(folder(tmp_path, "large")), until=1)


def test_a_stage_that_only_makes_things_worse_changes_nothing(tmp_path: Path) -> None:
    """The weights a stage begins with compete with those of its epochs; here validation wants the opposite."""
    one = learner(patience=1)
    before = one.steps.model.get_weights()
    state = train(one, examples(), examples(1 - TARGET), TrainingContext(tmp_path, seed=1))
    assert (state.epoch, state.best_epoch) == (1, 0)
    assert all(np.array_equal(now, then) for now, then in zip(one.steps.model.get_weights(), before, strict=True))


def test_a_start_that_was_measured_before_is_not_measured_again(tmp_path: Path) -> None:
    """A stage takes over where the one before it stood; here that was better than any epoch can be."""
    state = train(replace(learner(patience=1), start=0.0), examples(), examples(), TrainingContext(tmp_path, seed=1))
    assert (state.start, state.best, state.best_epoch) == (0.0, 0.0, 0)


def test_the_best_weights_come_back_not_the_last(tmp_path: Path) -> None:
    """After epochs of overshooting the model is that of its best epoch."""
    one = learner(epochs=6, learning_rate=300.0, schedule=cosine)
    state = train(one, examples(), examples(), TrainingContext(tmp_path, seed=1))
    losses = [point.value for point in state.curve if point.name == "val_loss"]
    assert state.best == min([state.start, *losses])
    prediction = one.steps.model(ROWS).numpy()
    assert np.mean(Binary().row_loss(TARGET, prediction)) == pytest.approx(state.best)


def test_a_training_until_an_epoch_is_the_same_one_up_to_there(tmp_path: Path) -> None:
    """A refit goes by the same schedule, and ends with the very weights that its proof kept; it validates nothing."""
    usual = {"epochs": 6, "learning_rate": 5.0, "schedule": cosine}
    other = np.where(np.arange(32) < 6, 1 - TARGET, TARGET)  # too sure is worse there
    proof, refit = learner(**usual), learner(**usual)
    contexts = [TrainingContext(folder(tmp_path, name), seed=1) for name in ("proof", "refit")]
    state = train(proof, examples(), examples(other), contexts[0])
    assert 0 < state.best_epoch < 6
    again = train(refit, examples(), Examples([], none), contexts[1], state.best_epoch)
    assert (again.epoch, again.best_epoch, again.stopped) == (state.best_epoch, state.best_epoch, True)
    assert {point.name for point in again.curve} == {"loss"}
    assert all(map(np.array_equal, proof.steps.model.get_weights(), refit.steps.model.get_weights()))


def test_a_training_until_its_beginning_changes_nothing(tmp_path: Path) -> None:
    """Where no epoch of the proof was better than the start, none is repeated."""
    one = learner()
    before = one.steps.model.get_weights()
    train(one, examples(), Examples([], none), TrainingContext(tmp_path, seed=1), 0)
    assert all(map(np.array_equal, one.steps.model.get_weights(), before))


def test_a_callback_does_not_end_a_training_until_an_epoch(tmp_path: Path) -> None:
    """The number of epochs was chosen before, with all that callbacks had to say."""

    class Stop(keras.callbacks.Callback):
        """Stops after every epoch."""

        def on_epoch_end(self, _epoch: int, _logs: Any = None) -> None:
            """At once."""
            self.model.stop_training = True

    context = TrainingContext(tmp_path, seed=1, callbacks=lambda: [Stop()])
    assert train(learner(), examples(), Examples([], none), context, 2).epoch == 2


@pytest.mark.parametrize(
    ("objective", "rows", "rate"),
    [(Binary(), np.where(ROWS > 1, np.nan, ROWS), 0.1), (Regression(), ROWS * 1e4, 1.0)],
    ids=["nan", "exploding"],
)
def test_a_loss_that_is_nan_or_explodes_stops_at_once(
    tmp_path: Path, objective: Objective, rows: np.ndarray, rate: float
) -> None:
    """Neither is ever saved: a later run does not go on from it."""
    with pytest.raises(TrainingDiverged, match="epoch 1 of stage 'head'"):
        train(
            learner(objective, learning_rate=rate),
            examples(rows=rows),
            examples(rows=rows),
            TrainingContext(tmp_path, seed=1),
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_no_graph_outlives_its_training(tmp_path: Path) -> None:
    """A process that retrains for months must not keep the graph of every training; Keras' optimizers do."""

    def graphs() -> int:
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    train(learner(name="first"), examples(), examples(), TrainingContext(tmp_path, seed=1))
    before = graphs()
    train(learner(name="second"), examples(), examples(), TrainingContext(tmp_path, seed=1))
    assert graphs() == before
