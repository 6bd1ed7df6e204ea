"""A loss of the user's own, from version 1 to the refit of a challenger."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from one_layer import examples, learner

from errors import InvalidSpec, TrainingDiverged
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.loop import TrainingContext, train
from learning.losses import own, plain, refuse_useless
from learning.objectives import Binary
from learning.plans import FineTune, Replay, Stage
from learning.pretraining import pretrain
from learning.spec import ModelSpec
from learning.steps import Steps

DOCS = Path(__file__).parents[2] / "docs" / "learning.md"


def usual(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """The objective's own."""
    return keras.losses.binary_crossentropy(labels, model(inputs, training=True))


def large(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """The same, in another currency."""
    return 1e6 * usual(model, inputs, labels)[:, None]


def not_a_number(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """No loss."""
    return float("nan") * usual(model, inputs, labels)


def by_numpy(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """In no graph."""
    return usual(model, inputs, labels).numpy()


def broadcast(model: keras.Model, inputs: Any, labels: Any) -> Any:
    """Every row with every other."""
    return (labels[:, 0] - model(inputs, training=True)) ** 2


def of_labels(_model: keras.Model, _inputs: Any, labels: Any) -> Any:
    """No prediction in it."""
    return labels


def example() -> Callable[..., Any]:
    """The function that the docs show."""
    block = next(
        code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "def agreeing" in code
    )
    there: dict[str, Any] = {}
    exec(block, there)  # noqa: S102 - our own docs
    return there["agreeing"]  # type: ignore[no-any-return]


@pytest.mark.slow
def test_the_example_of_the_docs_learns_and_is_recorded(
    spec: ModelSpec, champion: Trained, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Version 1 on raw rows, a challenger on features and then with a thawed layer; all of them name the function."""
    ours = replace(spec, loss=example())
    stages = (
        Stage(epochs=1, batch_size=4, learning_rate=0.05),
        Stage("thawed", thaw=("block2",), epochs=1, batch_size=4),
    )
    ours = replace(ours, finetune=FineTune(stages=stages, replay=Replay(share=0.0)))
    first = pretrain(ours, history[:1], work=tmp_path / "first", seed=1)
    folders = {"cache": tmp_path / "cache", "work": tmp_path / "second"}
    second = finetune(ours, first.files, history[1:], history[:1], seed=1, refit={"head": 1, "thawed": 1}, **folders)
    for trained in (first, second):
        assert re.fullmatch("agreeing [0-9a-f]{12}", trained.plan["loss"])
    assert "loss" not in champion.plan
    assert second.files.head_digest != first.files.head_digest


def test_the_objectives_loss_as_ones_own_gives_the_very_same_weights(tmp_path: Path) -> None:
    """Nothing else of the loop changes."""
    weights = []
    for loss in (plain(Binary()), own(usual)):
        one = learner()
        one = replace(one, steps=Steps(one.steps.model, loss, one.steps.plan, one.steps.learning_rate))
        train(one, examples(), examples(), TrainingContext(tmp_path, seed=1))
        (tmp_path / "head.npz").unlink()
        weights.append(one.steps.model.get_weights()[0].tolist())
    assert weights[0] == weights[1]


def test_what_is_large_is_only_known_of_the_objectives_loss(tmp_path: Path) -> None:
    """A loss of one's own may be in the millions; one that is not finite ends the training all the same."""
    one = learner(learning_rate=1e-9)
    for loss, fails in ((large, False), (not_a_number, True)):
        steps = Steps(one.steps.model, own(loss), one.steps.plan, one.steps.learning_rate)
        again = replace(one, steps=steps, own=True)
        if fails:
            with pytest.raises(TrainingDiverged, match="loss nan in epoch 1"):
                train(again, examples(), examples(), TrainingContext(tmp_path, seed=1))
        else:
            train(again, examples(), examples(), TrainingContext(tmp_path, seed=1))
            (tmp_path / "head.npz").unlink()


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (by_numpy, "loss=by_numpy: it fails \\("),
        (broadcast, "loss=broadcast: it gives shape \\(3, 3\\).*a loss for each row"),
        (of_labels, "loss=of_labels: no weight of the model has a part in it"),
    ],
)
def test_a_loss_that_cannot_teach_is_refused_before_version_1_is_trained(loss: Callable[..., Any], why: str) -> None:
    """Each with its name, the reason and what to do, and without a value of the rows."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(InvalidSpec, match=why) as refused:
        refuse_useless(loss, model, tf.constant([[0.125, 7.5]] * 3), tf.zeros((3, 1)))
    assert "7.5" not in str(refused.value)


def test_a_loss_beside_distillation_is_refused(spec: ModelSpec) -> None:
    """The teacher's part is of predictions, which the function keeps to itself."""
    with pytest.raises(InvalidSpec, match="leave distill out"):
        replace(spec, loss=usual, finetune=FineTune(distill=0.5))
