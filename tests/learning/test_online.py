"""Tests of learning from one event at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InvalidSpec, TrainingDiverged
from evergreen_client.model_files import load_model
from learning.assembly import assemble
from learning.objectives import Binary
from learning.online import OnlineLearner
from learning.online_plan import Online
from learning.online_tables import spec_of
from learning.regression import Regression
from tests.support.tiny import TINY

PLAN = Online(replay=16, batch=4, neighbours=3, slots=4, block=10, window=20)


def events(count: int, *, flipped: bool = False, seed: int = 0) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows and labels: fast is late, or the other way round."""
    draw = np.random.default_rng(seed)
    rows = [{"speed": float(speed), "city": str(draw.choice(["A", "B"]))} for speed in draw.normal(20, 5, count)]
    return rows, [int((row["speed"] > 20) != flipped) for row in rows]


@pytest.fixture(scope="module")
def learned() -> OnlineLearner:
    """A cold start that learned 30 events one by one."""
    learner = OnlineLearner(TINY, None, PLAN)
    for row, label in zip(*events(30), strict=True):
        learner.learn_one(row, label)
    return learner


def test_bursts_and_states_come_to_the_bits_of_one_by_one(learned: OnlineLearner) -> None:
    """Weights, optimizer, scales, words, kept rows, chart and scores are the same, however events came together.

    So they are behind a state, and what is predicted before learning is what was asked of the row alone.
    """
    rows, labels = events(30)
    burst = OnlineLearner(TINY, None, PLAN)
    burst.partial_fit(rows[:1], labels[:1])
    burst.partial_fit(rows[1:11], labels[1:11])
    again = OnlineLearner.restore(burst.state(), TINY, None, PLAN)
    assert again.state() == burst.state()
    for learner in (burst, again):
        learner.partial_fit(rows[11:], labels[11:])
        assert learner.state() == learned.state()
        assert learner.score == learned.score
        assert learner.step.traces == 1
    row = {"speed": 23.0, "city": "A"}
    said, state = again.predict_one(row), again.state()
    assert again.state() == state
    np.testing.assert_array_equal(again.learn_one(row, 1), said)
    assert again.predict_one(row) > said
    assert (again.score.rows, again.score.recent_rows) == (31, PLAN.window)


def test_a_state_of_something_else_is_refused(learned: OnlineLearner) -> None:
    """A state says what it is good for: another plan, or other inputs, would go wrong in silence."""
    with pytest.raises(InvalidSpec, match="another model, version or plan"):
        OnlineLearner.restore(learned.state(), TINY, None, dataclasses.replace(PLAN, clip=2.0))


def test_it_is_frozen_into_a_version_that_says_the_same_and_goes_on(learned: OnlineLearner, tmp_path: Path) -> None:
    """Base and head are plain Keras models, words and scales included; a learner goes on, and the base stays."""
    rows, labels = events(12, seed=1)
    rows.append({"speed": 21.0, "city": "never seen"})
    trained = learned.freeze(tmp_path)
    version = OnlineLearner(TINY, trained.files, PLAN)
    np.testing.assert_allclose(version.predict(rows), learned.predict(rows), atol=1e-5)
    version.partial_fit(rows[:12], labels)
    again = version.freeze(tmp_path / "again")
    assert again.files.base == trained.files.base
    assert again.files.head_digest != trained.files.head_digest


@pytest.mark.slow
def test_a_versions_burst_and_state_come_to_the_same_bits(learned: OnlineLearner, tmp_path: Path) -> None:
    """Also behind a frozen base, which sees each row of a burst alone."""
    rows, labels = events(40, seed=1)
    files = learned.freeze(tmp_path).files
    single, burst = OnlineLearner(TINY, files, PLAN), OnlineLearner(TINY, files, PLAN)
    for row, label in zip(rows, labels, strict=True):
        single.learn_one(row, label)
    burst.partial_fit(rows[:17], labels[:17])
    again = OnlineLearner.restore(burst.state(), TINY, files, PLAN)
    again.partial_fit(rows[17:], labels[17:])
    assert again.state() == single.state()


def test_classes_are_learned_by_log_loss() -> None:
    """A focal one draws chances to the middle, and online no row is held back that would put them right."""
    focal = dataclasses.replace(TINY, objective=Binary(loss="binary_focal_crossentropy"))
    assert OnlineLearner(focal, None, PLAN).step.objective == Binary()


def test_a_break_is_noticed_and_answered() -> None:
    """The world turns round: the chart says so, at the same event in a burst, and old rows are not seen again."""
    learner = OnlineLearner(TINY, None, dataclasses.replace(PLAN, replay=200, batch=16, rate=0.05))
    learner.partial_fit(*events(200))
    assert learner.score.breaks == 0
    learner.partial_fit(*events(30, flipped=True, seed=2))
    assert learner.score.breaks == 1
    assert 200 < learner.score.broken_at <= 230
    assert int(learner.step.held.numpy()) < 60
    learner.partial_fit(*events(150, flipped=True, seed=3))
    assert learner.score.recent["accuracy"] > 0.8


@pytest.mark.slow
def test_numbers_are_predicted_in_their_own_unit(tmp_path: Path) -> None:
    """A price of hundreds of thousands is found from a cold start, and the frozen version says the same."""
    draw = np.random.default_rng(4)
    spec = spec_of(["size", "age"], [], Regression())
    rows = [{"size": float(size), "age": None if size < -2 else 1e9} for size in draw.normal(0, 1, 150)]
    prices = [300_000 + 50_000 * row["size"] for row in rows]  # type: ignore[operator]
    learner = OnlineLearner(spec, None, dataclasses.replace(PLAN, replay=64), metrics=[mean_error()])
    learner.partial_fit(rows, prices)
    assert learner.score.recent["absolute_error"] < 12_000
    assert learner.score.metrics["mean_absolute_error"] > learner.score.recent["absolute_error"]
    trained = learner.freeze(tmp_path)
    version = assemble(load_model(trained.files.base), load_model(trained.files.head), frozen=True)
    asked = {name: np.array([[row[name] or np.nan] for row in rows[:20]], "float32") for name in ("size", "age")}
    np.testing.assert_allclose(version(asked), learner.predict(rows[:20]), rtol=1e-4)


@pytest.mark.slow
def test_a_learner_that_diverged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight that is no number shows in the next prediction; those of the events before it are handed on."""
    learner = OnlineLearner(TINY, None, PLAN)
    assert learner.predict([]).shape == learner.partial_fit([], []).shape == (0, 1)
    weight = learner.step.head.trainable_weights[0]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(TrainingDiverged, match="restore an earlier state"):
        learner.partial_fit(*events(1))
    monkeypatch.setattr(learner.step, "learn", lambda *_: np.array([[0.5], [0.4], [np.nan], [0.3]], "float32"))
    with pytest.raises(TrainingDiverged) as raised:
        learner.partial_fit(*events(4))
    np.testing.assert_allclose(raised.value.before, [[0.5], [0.4]])


def mean_error() -> Any:
    """One of Keras' own metrics."""
    import keras

    return keras.metrics.MeanAbsoluteError()
