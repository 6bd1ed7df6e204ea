"""Chances after a loss that moves them, and the threshold that the user's costs ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from learning.calibration import calibrates, calibration
from learning.data import PartitionFile, Selection, select
from learning.examples import Examples
from learning.files import Trained
from learning.finetuning import finetune
from learning.fitted import fit_held_back
from learning.held_back import hold_back
from learning.metrics import Cost
from learning.objectives import Binary, Multiclass
from learning.plans import FineTune, Pretrain, Replay, Stage
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.spec import Gate, ModelSpec
from learning.thresholds import threshold

COST = Cost(((0, 1), (9, 0)))
SEED = 1


@pytest.fixture(autouse=True)
def _eagerly(eagerly: None) -> None:
    """No graphs."""


@pytest.fixture
def focal(spec: ModelSpec) -> ModelSpec:
    """A model of a focal loss, and of costs, half of whose rows are held back."""
    stage = Stage(epochs=1, batch_size=40, learning_rate=0.05)
    return replace(
        spec,
        objective=Binary(loss="binary_focal_crossentropy"),
        pretrain=Pretrain(epochs=2, batch_size=25, learning_rate=0.1, validation=0.5),
        finetune=FineTune(stages=(stage,), replay=Replay(share=0.0), validation=0.5),
        gate=Gate(metric=COST),
    )


def chances(spec: ModelSpec, trained: Trained, rows: list[Selection], cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Targets and chances of some rows, by a version as it is saved."""
    found = predict(spec, trained.files, [one.partition for one in rows], split="all", cache=cache)
    places = np.isin(found.rows, rows[0].rows)
    return found.target[places], found.prediction[places]


def test_a_focal_loss_gives_chances_that_are_right(
    focal: ModelSpec, partition: Callable[..., PartitionFile], tmp_path: Path
) -> None:
    """The sentence names the saved model's log loss on the rows held back; the refit takes over what its proof found.

    The threshold is one of the chances as they are saved.
    """
    history = [partition("old", 200)]
    first = pretrain(focal, history, work=tmp_path / "first", seed=SEED)
    _, held = hold_back(focal.schema, select(focal.schema, history, "train"), focal.pretrain, SEED)
    target, chance = chances(focal, first, held, tmp_path / "cache")
    loss = float(np.mean(Binary().row_loss(target, chance)))
    rows, before, after = (
        first.reason.split("calibrated on ")[1].replace(",", "").split(" rows held back log loss ")[0],
        *(first.reason.split("log loss ")[1].split(";")[0].split(" to ")),
    )
    assert int(rows) == len(target)
    assert loss == pytest.approx(float(after), abs=1e-4)
    assert float(after) < float(before)
    chosen = first.plan["threshold"]
    assert chosen["at"] == pytest.approx(threshold(COST, target, chance[:, 0]).at, abs=1e-5)
    assert chosen["cost"] == pytest.approx(
        float(np.mean(np.where(chance[:, 0] > chosen["at"], target == 0, 9 * target)))
    )

    new, folders = [partition("new", 200, seed=2)], {"cache": tmp_path / "cache"}
    proof = finetune(focal, first.files, new, [], work=tmp_path / "proof", seed=SEED, **folders)
    refit = finetune(
        focal,
        first.files,
        new,
        [],
        work=tmp_path / "refit",
        seed=SEED,
        refit=proof.kept,
        fitted=proof.fitted,
        **folders,
    )
    assert "calibrated on" in proof.reason
    assert "calibrated" not in refit.reason
    assert refit.plan["calibration"] == proof.plan["calibration"]
    assert refit.plan["threshold"] == proof.plan["threshold"]
    assert refit.files.head_digest != proof.files.head_digest


@pytest.mark.parametrize("calibrates", [True, False])
def test_more_rows_are_held_back_only_for_a_head_that_they_can_put_right(
    focal: ModelSpec, partition: Callable[..., PartitionFile], tmp_path: Path, calibrates: bool
) -> None:
    """Until there are 40 of each class; of a head that hides its sums a tenth, as of any other."""
    seen: list[int] = []

    def loss(model: keras.Model, inputs: Any, target: Any) -> object:
        seen.append(len(target))
        return keras.losses.binary_focal_crossentropy(target, model(inputs))

    def hidden(features: tuple[int, ...]) -> keras.Model:
        layers = keras.layers.Dense(1), keras.layers.Activation("sigmoid")
        return keras.Sequential([keras.Input(features), *layers])

    spec = replace(
        focal,
        objective=Binary(),
        loss=loss,
        build_head=focal.build_head if calibrates else hidden,
        pretrain=Pretrain(epochs=1, batch_size=25),
        finetune=replace(focal.finetune, validation=0.1),
    )
    first = pretrain(spec, [partition("old", 400)], work=tmp_path / "first", seed=SEED)
    assert f"learned from {213 if calibrates else 270} rows of" in first.reason
    assert ("on 87 rows held back" if calibrates else "not calibrated: the head") in first.reason
    seen.clear()
    new = [partition("new", 400, seed=2)]
    finetune(spec, first.files, new, [], work=tmp_path / "next", seed=SEED, cache=tmp_path / "cache")
    assert sum(seen) == (217 if calibrates else 270)


def test_few_rows_calibrate_nothing(focal: ModelSpec) -> None:
    """Of a handful of rows the sentence says so; and the break-even stands in for a threshold."""
    head = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    held = Selection(PartitionFile("few", Path()), np.arange(9), np.repeat([0.0, 1.0], [5, 4]))
    examples = Examples([held], lambda _, places: np.zeros((len(places), 2)))
    found = fit_held_back(focal, head, examples, lambda _: np.full((9, 1), 0.3), learned=True)
    assert "not calibrated: 4 of the 30 rows held back that each class takes" in found.remark
    assert found.threshold is not None
    assert found.threshold.at == COST.break_even == 0.1


def test_a_head_that_hides_its_sums_is_said_to(focal: ModelSpec) -> None:
    """One whose sigmoid is a layer by itself, or of several classes one that gives each a chance for itself."""
    layers, three = keras.layers, replace(focal, objective=Multiclass(3), loss=lambda *_: 0.0, gate=Gate())
    ends = {
        "": (focal, [layers.Dense(1, "sigmoid")]),
        "a Dense of sigmoid": (focal, [layers.Dense(1), layers.Activation("sigmoid")]),
        "a Dense of softmax": (three, [layers.Dense(3, "sigmoid")]),
    }
    for end, (spec, last) in ends.items():
        head = keras.Sequential([keras.Input((2,)), *last])
        found = fit_held_back(spec, head, None, lambda _: np.empty(0), learned=True).calibration
        said = f"the head does not end in {end}" if end else "all rows trained"
        assert found.remark.startswith(f"not calibrated: {said}")
        assert calibrates(spec, head) == (not end)


@pytest.mark.parametrize("classes", [2, 4])
def test_scale_and_shift_undo_what_was_done_to_chances(classes: int) -> None:
    """Chances drawn to the middle and of another world come back, and no log loss on these rows rises."""
    random = np.random.default_rng(3)
    sums = random.normal(0, 2, (4_000, classes))
    sums[:, 0] *= classes > 2
    true = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
    target = (true.cumsum(axis=1) < random.random((len(true), 1))).sum(axis=1).astype(float)
    moved = np.exp(0.4 * sums + np.arange(classes))
    moved /= moved.sum(axis=1, keepdims=True)
    objective, said, wanted = (
        (Binary(), moved[:, 1:], true[:, 1:]) if classes == 2 else (Multiclass(classes), moved, true)
    )
    found = calibration(objective, target, said, None)
    assert np.abs(found.of(said) - wanted).mean() < 0.02
    assert found.scale == pytest.approx(2.5, rel=0.1)
    losses = [float(np.mean(objective.row_loss(target, one))) for one in (said, found.of(said), wanted)]
    assert losses[1] < losses[0]
    assert losses[1] <= losses[2] + 1e-4
    again = calibration(objective, target, found.of(said), None)
    assert again.scale == pytest.approx(1.0, abs=0.01)


def test_perfect_rows_give_no_endless_scale() -> None:
    """Rows that every chance gets right do not make it certain."""
    target = np.repeat([0.0, 1.0], 40)
    found = calibration(Binary(), target, np.where(target > 0, 0.7, 0.3)[:, None], None)
    assert 1 < found.scale < 10


def test_a_threshold_is_moved_only_where_rows_show_that_it_pays() -> None:
    """Of chances that are right the break-even stays, as a rule; of those that are a third of that it goes down."""
    stayed = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        true = random.beta(0.5, 4, 2_000)
        target = (random.random(2_000) < true).astype(float)
        stayed += threshold(COST, target, true).at == COST.break_even
        moved = threshold(COST, target, true / 3)
        assert 0.01 < moved.at < 0.08
        assert "; from the break-even of 0.1 on, " in moved.remark
        paid = [float(np.mean(np.where(true / 3 > at, target == 0, 9 * target))) for at in (moved.at, COST.break_even)]
        assert moved.cost == pytest.approx(paid[0])
        assert paid[0] < paid[1]
    assert stayed >= 15
