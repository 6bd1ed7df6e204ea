"""An objective for each of several outputs: what is summed, what is told of each, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from keras import Input, Model, layers

import tiny
from errors import InvalidSpec
from evaluation.curves import curves
from evaluation.paired import Paired
from learning.built import build
from learning.changes import changes, made_for, schema_of
from learning.data import PartitionFile, select
from learning.examples import Examples
from learning.graph import joined
from learning.losses import distilled, mean_loss
from learning.metrics import Cost, figure
from learning.online import OnlineLearner
from learning.policies import Gate
from learning.rules import Rule
from learning.spec import (
    Binary,
    FineTune,
    ModelSpec,
    Multiclass,
    MultiOutput,
    Output,
    Pretrain,
    Regression,
    Replay,
    Source,
)
from tasks.drift_outputs import prediction_names
from tasks.drift_windows import compared_columns

BOTH = MultiOutput(
    (Output("late", Binary(), "late"), Output("delay", Regression(), "minutes", weight=0.01)),
)
THREE = MultiOutput((*BOTH.outputs, Output("mode", Multiclass(classes=("bus", "tram")), "mode", weight=0.5)))
TARGET = np.array([[1.0, 30.0, 0.0], [0.0, -4.0, 1.0], [1.0, 8.0, 1.0]])
SAID = np.array([[0.8, 20.0, 0.7, 0.3], [0.4, 0.0, 0.5, 0.5], [0.9, 8.0, 0.1, 0.9]], "float32")
FILE = pl.DataFrame(
    {
        "late": [1.0, 0.0, None, 1.0],
        "minutes": [30.0, None, 2.0, 8.0],
        "mode": ["bus", "bus", "bus", "tram"],
        "at": pl.Series(["2026-01-01"] * 4).str.to_datetime(time_zone="UTC"),
        "holdout": [False] * 4,
    }
)


def several(objective: MultiOutput = BOTH, **more: Any) -> ModelSpec:
    """The tiny model, with an objective for each of its outputs."""
    return replace(tiny.TINY, objective=objective, **more)


def test_the_loss_of_a_row_is_the_weighted_sum_and_each_output_has_its_figures() -> None:
    """By hand, and by the objectives of the outputs themselves."""
    by_hand = -np.log([0.8, 0.6, 0.9]) + 0.01 * np.array([100.0, 16.0, 0.0]) - 0.5 * np.log([0.7, 0.5, 0.9])
    np.testing.assert_allclose(THREE.row_loss(TARGET, SAID), by_hand, rtol=1e-6)
    told = THREE.metrics(TARGET, SAID, np.array([1.0, 1.0, 2.0]))
    assert told["weighted_loss"] == pytest.approx(np.average(by_hand, weights=[1, 1, 2]))
    assert told["delay/squared_error"] == pytest.approx(116 / 4)
    assert told["mode/accuracy"] == pytest.approx(3 / 4)
    np.testing.assert_allclose(THREE.constant(TARGET), [2 / 3, 34 / 3, 1 / 3, 2 / 3])


@pytest.mark.parametrize("weighted", [False, True])
def test_what_gradient_steps_minimise_is_the_mean_of_that_very_sum(*, weighted: bool) -> None:
    """Labels are a column for each output, and one more where rows have weights; a teacher's are as wide as answers."""
    weight = np.array([0.5, 1.0, 1.5], "float32")
    labels = np.column_stack([TARGET, weight]) if weighted else TARGET
    found = mean_loss(THREE)(keras.ops.convert_to_tensor(labels, "float32"), keras.ops.convert_to_tensor(SAID))
    rows = THREE.row_loss(TARGET, SAID)
    assert float(found) == pytest.approx(float(np.mean(rows * weight if weighted else rows)), rel=1e-5)


def test_a_teacher_teaches_every_output() -> None:
    """A student that says what its teacher says is off only by what no certainty takes away."""
    same = Model(row := Input((4,)), layers.Identity()(row))
    labels = keras.ops.convert_to_tensor(TARGET, "float32")
    found = distilled(THREE, same, 1.0)(same, keras.ops.convert_to_tensor(SAID), labels)
    sure = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in (SAID[:, 0], SAID[:, 2])]
    assert float(found) == pytest.approx(float(np.mean(sure[0] + 0.5 * sure[1])), rel=1e-4)


def test_a_row_is_learned_when_all_its_labels_are_known(tmp_path: Path) -> None:
    """Words as their places; rows with a gap in either label wait, as unlabelled ones."""
    FILE.write_parquet(tmp_path / "rows.parquet")
    schema = several(THREE).schema
    (chosen,) = select(schema, [PartitionFile("rows", tmp_path / "rows.parquet")], "train")
    assert (chosen.rows.tolist(), chosen.target.tolist()) == ([0, 3], [[1.0, 30.0, 0.0], [1.0, 8.0, 1.0]])
    assert schema.labelled_examples(FILE) == 2
    (everyone,) = select(schema, [PartitionFile("rows", tmp_path / "rows.parquet")], "all", unlabelled=True)
    assert np.isnan(everyone.target).any(axis=1).tolist() == [False, True, True, False]
    _, labels = next(Examples([chosen], lambda _, rows: np.zeros((len(rows), 1), "float32")).blocks())
    assert labels.shape == (2, 3)


def test_figures_and_rules_of_one_output_bear_its_name() -> None:
    """So a rule can keep an output from being paid for by the others."""
    target, said = TARGET[:, :2], SAID[:, :2]
    assert figure("late/auc", BOTH).value(target, said) == 1.0
    assert figure("delay/absolute_error", BOTH).value(target, said) == pytest.approx(14 / 3)
    assert several(gate=Gate(also=(Rule("late/auc", at_least=0.8),))).gate.also
    with pytest.raises(InvalidSpec, match=r"figure 'auc'.*of MultiOutput\(late, delay\)\..*late/auc.*delay/rmse"):
        several(gate=Gate(metric="auc"))


@pytest.mark.parametrize("name", ["delay/r2", "delay/rmse", "late/auc"])
def test_a_figure_of_one_output_may_lie_below_0_if_it_may_by_itself(name: str) -> None:
    """Else the gate's interval would be cut off where r2 goes on."""
    output, _, plain = name.partition("/")
    (objective,) = (one.objective for one in BOTH.outputs if one.name == output)
    assert figure(name, BOTH).signed == figure(plain, objective).signed == (plain == "r2")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: MultiOutput((Output("late", Binary(), "late"),)), "of 1 outputs: it is for two and more"),
        (lambda: MultiOutput((BOTH.outputs[0], BOTH.outputs[0])), r"outputs \['late'\]: they are there twice"),
        (
            lambda: MultiOutput((BOTH.outputs[0], Output("again", Binary(), "late"))),
            r"targets \['late'\]: they are there twice",
        ),
        (lambda: MultiOutput((Binary(), Regression())), r"MultiOutput of Binary\(.*no Outputs.*write each as Output\("),  # type: ignore[arg-type]
        (lambda: MultiOutput(None), r"MultiOutput of None: .*write each as Output\("),  # type: ignore[arg-type]
        (lambda: Output("late", BOTH, "late"), r"of output 'late': it is none of one output.*write Binary\(\)"),  # type: ignore[arg-type]
        (lambda: Output("late", "Binary", "late"), r"objective 'Binary' of output 'late'"),  # type: ignore[arg-type]
        (
            lambda: several(gate=Gate(also=(Rule("flips", at_most=0.1),))),
            r"'flips'.*: MultiOutput\(late, delay\) has no",
        ),
        (lambda: several(gate=Gate(metric=Cost(((0, 1), (9, 0))))), r"Cost.*: MultiOutput\(late, delay\) has no"),
        (lambda: Output("late", Binary(), "late", weight=0.0), "weight 0.0 of output 'late': its loss would not count"),
        (lambda: Output("delay", Regression(log=True), "minutes"), "log=True.*'delay': the whole head"),
        (lambda: Output("late", Binary(loss="binary_focal_crossentropy"), "late"), "one output only"),
        (lambda: replace(tiny.TINY, objective=BOTH, schema=replace(tiny.TINY.schema, target="minutes")), "is 'late'"),
        (lambda: several(MultiOutput((BOTH.outputs[0], Output("b", Regression(), "speed")))), r"targets \['speed'\]"),
        (lambda: several(loss=lambda *_: 0), "a loss of your own and 2 outputs"),
        (lambda: several(source=Source(path="tiny", labels="late")), r"Source\(labels=...\) and 2 outputs"),
        (lambda: several(pretrain=Pretrain(class_weight="balanced")), "class_weight and 2 outputs"),
        (lambda: several(finetune=FineTune(replay=Replay(balance="classes"))), "balance=.*and 2 outputs"),
        (lambda: OnlineLearner(several()), "2 outputs, online"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(wrong: Any, why: str) -> None:
    """When the spec is read, and not weeks later."""
    with pytest.raises(InvalidSpec, match=why):
        wrong()


def two_headed(**outputs: int) -> Model:
    """A head with these outputs."""
    features = Input((4,), name="features")
    return Model(features, {name: layers.Dense(width, "sigmoid")(features) for name, width in outputs.items()})


def test_a_heads_outputs_are_put_in_the_objectives_order() -> None:
    """By their names, whatever order Keras has; a name or a count that is wrong is refused."""
    head, row = two_headed(delay=1, late=1), np.ones((1, 4), "float32")
    apart = head(row)
    np.testing.assert_array_equal(joined(head, BOTH)(row)[0], [apart["late"][0, 0], apart["delay"][0, 0]])
    with pytest.raises(InvalidSpec, match="the outputs delay, early: the objective is of late, delay"):
        joined(two_headed(delay=1, early=1), BOTH)
    with pytest.raises(InvalidSpec, match="the outputs a, b, c: the objective is of late, delay"):
        joined(two_headed(a=1, b=1, c=1), BOTH)


def test_a_head_of_another_width_or_without_chances_is_refused(tmp_path: Path) -> None:
    """The sentence names the output."""
    rows = {"speed": np.array([[-90.0], [90.0]], "float32"), "city": np.array([["A"], ["B"]], "object")}
    with pytest.raises(InvalidSpec, match=r"gives shape \(3,\)"):
        build(several(build_head=lambda _shape: two_headed(late=2, delay=1)), rows, tmp_path)

    def plain(_shape: tuple[int, ...]) -> Model:
        features = Input((4,), name="features")
        high = layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(5))
        named = {"late": high(features), "delay": layers.Dense(1)(features)}
        return Model(features, named)

    with pytest.raises(InvalidSpec, match="of output 'late' from"):
        build(several(build_head=plain), rows, tmp_path)


def test_what_a_version_was_made_for_comes_back_and_a_change_is_told() -> None:
    """Outputs, their targets and objectives; a weight alone is another loss, and no other answer."""
    spec = several(THREE)
    record = made_for(spec)
    assert schema_of(record).other_targets == spec.schema.other_targets == (("minutes", ()), ("mode", ("bus", "tram")))
    assert not changes(record, spec).answers
    heavier = several(MultiOutput((*THREE.outputs[:2], replace(THREE.outputs[2], weight=2.0))))
    assert not changes(record, heavier).answers
    assert made_for(heavier)["objective"]["loss"] != record["objective"]["loss"]
    (told,) = changes(record, several(MultiOutput((THREE.outputs[0], THREE.outputs[2])))).answers
    assert "delay=Regression() of 'minutes'" in told
    (told,) = changes(made_for(tiny.TINY), spec).answers
    assert "the objective was Binary() and is MultiOutput(late=Binary() of 'late'" in told


def test_a_model_of_one_output_is_recorded_as_it_always_was() -> None:
    """Digests of plans and code are made of these texts."""
    assert repr(Binary()) == "Binary(classes=(), loss='binary_crossentropy', loss_name='log_loss')"
    assert repr(Multiclass(3)) == (
        "Multiclass(classes=3, loss='sparse_categorical_crossentropy', loss_name='log_loss')"
    )
    assert "other_targets" not in made_for(tiny.TINY)["schema"]
    assert "other_targets" not in repr(several().schema)


def test_curves_and_columns_of_outputs_bear_their_names() -> None:
    """Of a page, and of a drift check."""
    many = np.repeat(SAID, 20, axis=0)
    paired = Paired(np.repeat(TARGET, 20, axis=0), many, many, np.full(60, "newest"), slices={})
    names = {curve.name for curve in curves(paired, THREE)}
    assert names == {
        "late/calibration",
        "late/precision",
        "delay/residuals",
        "delay/quantiles",
        "mode/calibration",
        "mode/precision",
    }
    assert prediction_names(THREE, 4) == [
        "champion/late",
        "champion/delay",
        "champion/mode, class bus",
        "champion/mode, class tram",
    ]
    targets = [(one.name, one.kind) for one in compared_columns(several(THREE)) if one.role == "target"]
    assert targets == [("late", "number"), ("minutes", "number"), ("mode", "category")]
