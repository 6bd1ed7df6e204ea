"""Version 1."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from errors import InvalidSpec, NotEnoughData
from learning.built import sample
from learning.data import PartitionFile, select
from learning.plans import FineTune, Pretrain, Stage
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.spec import ModelSpec

pytestmark = pytest.mark.usefixtures("eagerly")  # those of `graphs` train each way in them

Partition = Callable[..., PartitionFile]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_version(
    graphs: None, spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Base and head are reproducible to the last bit; another seed gives others."""
    one, two, other = (
        pretrain(spec, history, work=tmp_path / work, seed=seed).files for work, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert (one.base_digest, one.head_digest) == (two.base_digest, two.head_digest)
    assert other.base_digest != one.base_digest


def test_held_out_rows_never_reach_the_training(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Neither the sample that preprocessing adapts to, nor the gradient steps see them."""
    seen: list[np.ndarray] = []

    def build_base(rows: dict[str, np.ndarray]) -> keras.Model:
        seen.append(rows["a"])
        return spec.build_base(rows)

    pretrain(replace(spec, build_base=build_base), history, work=tmp_path, seed=1)
    train = np.concatenate([selection.rows for selection in select(spec.schema, history, "train")])
    assert len(seen[0]) < len(train) == 12


@pytest.mark.slow
def test_a_crash_changes_nothing_in_the_end(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Run again in the same folder, pretraining goes on to the very same bits."""
    plan = Pretrain(epochs=3, batch_size=4, patience=9)
    whole = pretrain(spec, history, work=tmp_path / "whole", seed=1, plan=plan)

    def crash(_stage: str, done: int, _total: int, _metrics: Any) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(spec, history, work=tmp_path / "torn", seed=1, plan=plan, progress=crash)
    again = pretrain(spec, history, work=tmp_path / "torn", seed=1, plan=plan)
    assert again.files.base_digest == whole.files.base_digest
    assert again.epochs == whole.epochs


@pytest.mark.slow
def test_a_refit_learns_from_every_row_for_as_many_epochs_as_its_proof_kept(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """No row is held back any more, and the version says how it came to be."""
    plan = Pretrain(epochs=3, batch_size=4, patience=9, validation=0.25)
    proof = pretrain(spec, history, work=tmp_path / "proof", seed=1, plan=plan)
    refit = pretrain(spec, history, work=tmp_path / "refit", seed=1, plan=plan, refit={"pretrain": 2})
    assert "from 9 rows" in proof.reason
    assert "from 12 rows of 2 partitions in 2 epochs" in refit.reason
    assert [(point.epoch, point.name) for point in refit.epochs] == [(1, "loss"), (2, "loss")]
    assert (refit.kept, refit.plan["refit"]) == ({"pretrain": 2}, {"pretrain": 2})
    assert set(proof.kept) == {"pretrain"}


def test_rows_outside_of_a_stretch_of_time_are_not_learned(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """From a moment on, and before another; of eight rows, a minute apart, every fourth is held out."""
    since, before = (datetime(2024, 1, 1, 0, minute, tzinfo=UTC) for minute in (1, 5))
    trained = pretrain(spec, history, work=tmp_path, since=since, before=before, refit={"pretrain": 1})
    assert "learned from 6 rows of 2 partitions" in trained.reason


def test_no_labelled_row_is_not_enough(spec: ModelSpec, partition: Partition, tmp_path: Path) -> None:
    """Nothing to learn from is an error that says what to do."""
    with pytest.raises(NotEnoughData, match="wait for labels"):
        pretrain(spec, [partition("new", unlabelled=8)], work=tmp_path)


def test_a_base_whose_inputs_are_not_the_columns_is_refused(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """A forgotten or misnamed keras.Input is found before training."""

    def build_base(_rows: Any) -> keras.Model:
        row = keras.Input((1,), name="A")
        return keras.Model({"A": row}, keras.layers.Dense(2)(row))

    with pytest.raises(InvalidSpec, match="name of its column"):
        pretrain(replace(spec, build_base=build_base), history, work=tmp_path)


def test_a_sample_is_spread_over_the_history(spec: ModelSpec, history: tuple[PartitionFile, ...]) -> None:
    """Preprocessing adapts to old and new rows alike, however long the history."""
    chosen = select(spec.schema, history, "train")
    assert len(sample(spec, chosen, most=4)["a"]) == 4
    assert len(sample(spec, chosen, most=100)["a"]) == 12


def test_of_two_that_train_the_same_in_one_folder_one_trains(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """A second run of the same task waits for the first, and takes what it made."""
    trained: list[int] = []

    def twice(_stage: str, done: int, _total: int, _metrics: Any) -> None:
        trained.append(done)

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(pretrain, spec, history, work=tmp_path / "work", seed=1, progress=twice) for _ in range(2)]
    assert runs[0].result() == runs[1].result()
    assert trained == [1]


def broken_head(kind: str) -> Callable[[tuple[int, ...]], Any]:
    """A builder of heads that cannot be right."""
    from keras import Input, Sequential, layers

    last = {
        "none": lambda: None,
        "wide": lambda: layers.Dense(2, activation="softmax"),
        "linear": lambda: layers.Dense(1, bias_initializer="ones", kernel_initializer="ones"),
        "nan": lambda: layers.Dense(1, bias_initializer=keras.initializers.Constant(float("nan"))),
    }
    if kind == "none":
        return lambda _features: None
    if kind == "other input":
        return lambda _features: Sequential([Input((77,)), layers.Dense(1, activation="sigmoid")])
    return lambda features: Sequential([Input(features), last[kind]()])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("none", "gives back nothing"),
        ("wide", r"end the head with Dense\(1\)"),
        ("linear", "chances between 0 and 1"),
        ("nan", "not finite"),
        ("other input", "do not pass through"),
    ],
)
def test_a_head_that_cannot_be_right_is_refused_before_training(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path, kind: str, why: str
) -> None:
    """A mistake in a builder is a sentence, at once, and not a number that is wrong for months."""
    with pytest.raises(InvalidSpec, match=why):
        pretrain(replace(spec, build_head=broken_head(kind)), history, work=tmp_path)


def test_a_plan_that_thaws_what_is_not_there_is_refused_before_training(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """A misspelled layer would else be found out by the first retrain, weeks later."""
    plan = FineTune(stages=(Stage("thawed", thaw=("blok2",)),))
    with pytest.raises(InvalidSpec, match="did you mean 'block2'"):
        pretrain(replace(spec, finetune=plan), history, work=tmp_path)


def test_a_layer_that_cannot_be_loaded_again_is_refused(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """A version that no retrain and no service could load is none."""

    class Unregistered(keras.layers.Layer):
        """A layer that Keras does not know by name."""

        def call(self, rows: Any) -> Any:
            """Change nothing."""
            return rows * 1.0

    def build_head(features: tuple[int, ...]) -> keras.Model:
        parts = [keras.Input(features), Unregistered(), keras.layers.Dense(1, activation="sigmoid")]
        return keras.Sequential(parts)

    def trained(*_: Any) -> None:
        pytest.fail("it was trained first")

    with pytest.raises(InvalidSpec, match="register_keras_serializable"):
        pretrain(replace(spec, build_head=build_head), history, work=tmp_path, progress=trained)


def test_a_sequential_base_is_one_too(spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path) -> None:
    """What it learned can be used: features and predictions come without a warning."""

    def build_base(_sample: Any) -> keras.Model:
        return keras.Sequential([keras.Input((1,), name="a"), keras.layers.Dense(3)])

    simple = replace(spec, schema=replace(spec.schema, numeric=("a",), categorical=()), build_base=build_base)
    trained = pretrain(simple, history, work=tmp_path / "work")
    found = predict(simple, trained.files, history, split="all", cache=tmp_path / "cache")
    assert found.prediction.shape == (16, 1)
