"""Heads of any precision learn, as people bring them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import pytest

from learning.checkpoint import values_of
from learning.data import Indices, PartitionFile, Selection
from learning.examples import Examples
from learning.loop import Learner, TrainingContext, train
from learning.losses import anchored, fisher_information, plain
from learning.objectives import Binary, Objective, Regression
from learning.plans import Stage
from learning.precision import scaled
from learning.steps import Steps

ROWS = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
TARGET = (ROWS[:, 0] > 0).astype("float64")
POLICIES = ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"]
COMMON = {"mixed_float16", "bfloat16"}  # one with copies and a scale, and one without


def examples(target: np.ndarray = TARGET) -> Examples:
    """32 rows, of which the first feature decides."""

    def read(_partition: PartitionFile, chosen: Indices) -> np.ndarray:
        return ROWS[chosen]

    return Examples([Selection(PartitionFile("p", Path()), np.arange(32), target)], read)


def learner(policy: str, objective: Objective, epochs: int = 6) -> Learner:
    """Two dense layers of a precision, one of them regularised, always with the same weights."""
    draw = np.random.default_rng(1)
    last = "sigmoid" if isinstance(objective, Binary) else None
    hidden = keras.layers.Dense(4, "relu", dtype=policy, kernel_regularizer=keras.regularizers.L2(1e-4))
    model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1, last, dtype=policy)])
    for weight in model.weights:
        weight.assign(draw.normal(0, 0.5, weight.shape))
    plan = Stage(epochs=epochs, batch_size=8, learning_rate=0.02)
    return Learner(Steps(model, plain(objective), plan, 0.02), model.variables, objective)


@cache
def learned(policy: str) -> tuple[float, float]:
    """The loss that a head of this precision comes to, and how far its weights went; that of float32 is asked often."""
    with TemporaryDirectory() as folder:
        one = learner(policy, Binary())
        before = values_of(one.variables)
        state = train(one, examples(), examples(), TrainingContext(Path(folder)))
    assert state.best < 0.95 * state.start
    return state.best, max(np.abs(new - old).max() for new, old in zip(values_of(one.variables), before, strict=True))


@pytest.mark.parametrize(
    "policy",
    [pytest.param(policy, marks=[] if policy in COMMON else [pytest.mark.slow]) for policy in POLICIES],
)
def test_a_head_of_any_precision_learns_as_one_of_float32_does(policy: str) -> None:
    """By the same steps, as far as its own digits go: nothing is lost to rounding, and no type is refused."""
    assert learned(policy) == pytest.approx(learned("float32"), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_a_killed_training_goes_on_as_if_nothing_had_been(policy: str, tmp_path: Path) -> None:
    """Copies and scale are in the checkpoint, too."""
    whole, broken = (tmp_path / name for name in ("whole", "broken"))
    for folder in (whole, broken):
        folder.mkdir()
    one = learner(policy, Binary())
    train(one, examples(), examples(), TrainingContext(whole))

    def killed(_stage: str, done: int, _total: int, _metrics: object) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(learner(policy, Binary()), examples(), examples(), TrainingContext(broken, progress=killed))
    other = learner(policy, Binary())
    train(other, examples(), examples(), TrainingContext(broken))
    for ours, theirs in zip(values_of(one.variables), values_of(other.variables), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_regression_of_large_numbers_does_not_overflow_a_half(tmp_path: Path) -> None:
    """A loss of 250,000 is more than float16 has; it is not computed there."""
    one = learner("mixed_float16", Regression(), epochs=2)
    state = train(one, examples(500 * TARGET), examples(500 * TARGET), TrainingContext(tmp_path))
    assert state.best_epoch > 0


def test_only_what_computes_in_float16_is_scaled() -> None:
    """Anything else learns by the very same arithmetic as before."""
    optimizer = keras.optimizers.SGD()
    assert scaled(optimizer, learner("bfloat16", Binary()).steps.model) is optimizer
    assert scaled(optimizer, learner("mixed_float16", Binary()).steps.model) is not optimizer


@pytest.mark.slow
def test_an_anchor_holds_a_half_too(tmp_path: Path) -> None:
    """Elastic weight consolidation adds what it has to the loss, whatever the precision."""
    one = learner("float16", Binary())
    inputs, target = next(examples().blocks())
    model = one.steps.model
    fisher = fisher_information(model, one.objective, inputs, target)
    loss = anchored(plain(one.objective), model.trainable_variables, fisher, 1.0)
    held = Learner(Steps(model, loss, one.steps.plan, 0.02), one.variables, one.objective)
    assert train(held, examples(), examples(), TrainingContext(tmp_path)).best_epoch > 0
