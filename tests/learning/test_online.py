"""Tests of learning from one event at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InvalidSpec
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


def test_a_burst_comes_to_the_bits_of_its_events_one_by_one(learned: OnlineLearner) -> None:
    """Weights, optimizer, scales, words, kept rows, chart and scores are the same, however events came together."""
    burst = OnlineLearner(TINY, None, PLAN)
    rows, labels = events(30)
    for start, end in ((0, 1), (1, 18), (18, 30)):
        burst.partial_fit(rows[start:end], labels[start:end])
    assert burst.state() == learned.state()
    assert burst.step.traces == 1


def test_a_state_goes_on_to_the_last_bit(learned: OnlineLearner) -> None:
    """Whoever restores a state and learns more comes to what nobody interrupted comes to."""
    rows, labels = events(30)
    first = OnlineLearner(TINY, None, PLAN)
    first.partial_fit(rows[:11], labels[:11])
    again = OnlineLearner.restore(first.state(), TINY, None, PLAN)
    assert again.state() == first.state()
    again.partial_fit(rows[11:], labels[11:])
    assert again.state() == learned.state()
    assert again.score == learned.score


def test_a_state_of_something_else_is_refused(learned: OnlineLearner) -> None:
    """A state says what it is good for: another plan, or other inputs, would go wrong in silence."""
    with pytest.raises(InvalidSpec, match="another model, version or plan"):
        OnlineLearner.restore(learned.state(), TINY, None, dataclasses.replace(PLAN, clip=2.0))


def test_it_is_frozen_into_a_version_that_says_the_same_and_goes_on(learned: OnlineLearner, tmp_path: Path) -> None:
    """Base and head are plain Keras models, words and scales included; a learner goes on from them, its base frozen."""
    rows, labels = events(12, seed=1)
    rows.append({"speed": 21.0, "city": "never seen"})
    trained = learned.freeze(tmp_path)
    version = OnlineLearner(TINY, trained.files, PLAN)
    np.testing.assert_allclose(version.predict(rows), learned.predict(rows), atol=1e-5)
    before = [weight.numpy() for weight in version.step.features.base.weights]
    bursts = OnlineLearner(TINY, trained.files, PLAN)
    bursts.partial_fit(rows[:12], labels)
    for row, label in zip(rows[:12], labels, strict=True):
        version.learn_one(row, label)
    assert version.state() == bursts.state()
    assert OnlineLearner.restore(version.state(), TINY, trained.files, PLAN).score == version.score
    for weight, value in zip(version.step.features.base.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    again = version.freeze(tmp_path / "again")
    assert again.files.base == trained.files.base
    assert again.files.head_digest != trained.files.head_digest


def test_predictions_come_before_learning(learned: OnlineLearner) -> None:
    """What `learn_one` gives back, and the score counts, is what `predict_one` would have said of the row."""
    learner = OnlineLearner.restore(learned.state(), TINY, None, PLAN)
    row = {"speed": 23.0, "city": "A"}
    said, state = learner.predict_one(row), learner.state()
    assert learner.state() == state
    np.testing.assert_array_equal(learner.learn_one(row, 1), said)
    assert learner.predict_one(row) > said
    assert learner.score.rows == 31
    assert learner.score.recent_rows == PLAN.window


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
    frozen = OnlineLearner(spec, trained.files, PLAN).predict(rows[:20])
    np.testing.assert_allclose(frozen, learner.predict(rows[:20]), rtol=1e-4)


def mean_error() -> Any:
    """One of Keras' own metrics."""
    import keras

    return keras.metrics.MeanAbsoluteError()
