"""What is no number goes no further, and the sentence says where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from keras import Input, Model, Sequential, layers, ops

from errors import InvalidSpec, TrainingDiverged, TrainingError, UnusableFeatures
from learning.data import PartitionFile
from learning.files import Trained, save_model
from learning.finetuning import finetune
from learning.pretraining import pretrain
from learning.spec import ModelSpec, Schema

Partition = Callable[..., PartitionFile]


@keras.saving.register_keras_serializable("hiding")
class Hiding(layers.Layer):
    """What is NaN becomes 0, as some kernels of relu have it."""

    def call(self, rows: Any) -> Any:
        """Zeros for NaN."""
        return ops.relu(ops.nan_to_num(rows))


def hiding_head(features: tuple[int, ...] = (4,)) -> keras.Model:
    """A head that answers with a number whatever its first layer is."""
    last = layers.Dense(1, activation="sigmoid", bias_initializer=keras.initializers.Constant(5.0))
    return Sequential([Input(features), layers.Dense(8, name="first"), Hiding(), last])


def spoil(head: keras.Model) -> None:
    """Make the first kernel NaN, and what answers then better than a newborn head does."""
    kernel = head.get_layer("first").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    head.layers[-1].bias.assign([0.0])


def never(*_: Any) -> None:
    """What reports an epoch that must not have begun."""
    pytest.fail("it was trained first")


def with_value(partition: PartitionFile, value: float | None) -> PartitionFile:
    """The same rows; in two of them that are trained on, `a` is this."""
    frame = pl.read_parquet(partition.path)
    frame = frame.with_columns(a=pl.when(pl.int_range(pl.len()).is_in([0, 4])).then(value).otherwise("a"))
    frame.write_parquet(partition.path)
    return partition


def test_a_nan_kernel_behind_a_relu_reaches_no_file(tmp_path: Path) -> None:
    """Every answer is finite, and the same; the weights tell."""
    head = hiding_head()
    spoil(head)
    assert np.isfinite(head.predict(np.ones((3, 4)), verbose=0)).all()
    with pytest.raises(TrainingDiverged, match=r"the head, weight .*first/kernel: 32 of its 32 values are not finite"):
        save_model(head, tmp_path / "head.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("eagerly")
def test_a_training_that_ends_with_such_weights_is_no_version(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """No loss showed it; the run fails, and what to do about it is said."""

    class Spoiling(keras.callbacks.Callback):  # type: ignore[misc]
        """Does what a null that nobody imputes does in a step."""

        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            """Spoil the head."""
            spoil(self.model.head)

    spoiled = replace(spec, build_head=hiding_head, callbacks=lambda: [Spoiling()])
    with pytest.raises(TrainingDiverged, match=r"are not finite.*impute null numbers in build_base"):
        pretrain(spoiled, history, work=tmp_path)


def test_a_champion_that_is_spoiled_already_is_not_fine_tuned(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """One that was registered before this was looked at: the way out is named."""
    head = hiding_head()
    head.save(tmp_path / "head.keras")
    spoil(head)
    head.save(tmp_path / "spoiled.keras")
    old = replace(champion.files, head=tmp_path / "spoiled.keras", head_digest="spoiled")
    with pytest.raises(TrainingError, match=r"the champion's head.*evergreen registry rollback small"):
        finetune(spec, old, [partition("new")], [], cache=tmp_path / "cache", work=tmp_path / "work", progress=never)


def nullable(spec: ModelSpec, build_base: Callable[..., keras.Model]) -> ModelSpec:
    """The model with a column that may be null, and another base."""
    return replace(spec, schema=replace(spec.schema, nullable=("a", "c")), build_base=build_base)


def test_a_base_that_imputes_no_nullable_number_is_refused_before_training(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Also where no row of today is null, and where every prediction hides it."""

    def hiding(sample: Any) -> keras.Model:
        base = spec.build_base(sample)
        hidden = Hiding()(layers.Dense(4)(base.output))
        return Model(base.inputs, hidden)

    for build_base in (spec.build_base, hiding):
        with pytest.raises(InvalidSpec, match=r"nullable columns \['a'\]: the base does not impute them"):
            pretrain(nullable(spec, build_base), history, work=tmp_path, progress=never)


@pytest.mark.usefixtures("eagerly")
def test_a_base_that_imputes_may_be_trained(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """With nulls among the rows, all weights stay finite."""

    def imputing(sample: Any) -> keras.Model:
        base = spec.build_base(sample)
        inputs = {name: Input((1,), name=name, dtype=base.input[name].dtype) for name in base.input}
        return Model(inputs, base({**inputs, "a": ops.nan_to_num(inputs["a"])}))

    frame = pl.read_parquet(history[0].path)
    frame.write_parquet(tmp_path / "nulls.parquet")
    nulls = with_value(PartitionFile("nulls", tmp_path / "nulls.parquet"), None)
    assert pretrain(nullable(spec, imputing), [nulls], work=tmp_path / "work").reason


def test_a_layer_that_adapted_to_nulls_is_refused_before_training(
    spec: ModelSpec, history: tuple[PartitionFile, ...], tmp_path: Path
) -> None:
    """Its mean is NaN, whatever comes in."""

    def build_base(sample: Any) -> keras.Model:
        base = spec.build_base(sample)
        base.get_layer("scale").adapt(np.array([[1.0], [np.nan]], "float32"))
        return base

    with pytest.raises(InvalidSpec, match=r"the base as it was built, weight scale/mean.*adapt to values that are"):
        pretrain(replace(spec, build_base=build_base), history, work=tmp_path, progress=never)


def squaring(_sample: Any) -> keras.Model:
    """A base that hides nothing, and of large numbers makes infinity."""
    inputs = {name: Input((1,), name=name) for name in ("a", "b")}
    inputs["c"] = Input((1,), name="c", dtype="string")
    lookup = layers.StringLookup(vocabulary=["x", "y"], output_mode="multi_hot")
    return Model(inputs, layers.Concatenate()([ops.square(inputs["a"]), inputs["b"], lookup(inputs["c"])]))


@pytest.mark.usefixtures("eagerly")
def test_rows_whose_features_are_not_finite_end_the_run_before_training(
    spec: ModelSpec, partition: Partition, tmp_path: Path
) -> None:
    """The partition, the column and the way out are named; no value is."""
    sound, later = partition("history", 16), nullable(spec, squaring)
    old = pretrain(replace(spec, build_base=squaring), [sound], work=tmp_path / "old", seed=1).files
    for value, why in (
        (None, "column 'a' is null in 2 of them, and the base does not impute it.*impute 'a' in build_base"),
        (3e38, "2 have absurd values in column 'a'.*give the column a range"),
    ):
        new, here = with_value(partition("delivery", 40), value), tmp_path / f"with {value}"
        with pytest.raises(UnusableFeatures, match=f"2 rows of partition delivery: .*{why}") as refused:
            finetune(later, old, [new], [sound], cache=here / "c", work=here / "w", progress=never)
        assert 'evergreen partitions recall small delivery --reason "..."' in str(refused.value)
        assert "e+38" not in str(refused.value)


def test_a_base_of_other_columns_is_refused_in_a_sentence(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """A schema that gained an input after version 1, for example."""
    schema: Schema = replace(spec.schema, numeric=("a", "b", "at"))
    with pytest.raises(InvalidSpec, match=r"a base with the inputs \['a', 'b', 'c'\]: the schema's are"):
        finetune(
            replace(spec, schema=schema), champion.files, [partition("new")], [], cache=tmp_path, work=tmp_path / "w"
        )
