"""Large targets: the same training as on a target that was standardised by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest

from evergreen_client.model_files import load_model
from learning.data import PartitionFile
from learning.files import Trained
from learning.finetuning import finetune
from learning.first_answers import in_units_of, last_operation, unit_of
from learning.objectives import Binary, Regression
from learning.plans import FineTune, Pretrain, Replay, Stage
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.spec import ModelSpec

CENTRE, SPREAD = 200_000.0, 72_000.0
Priced = Callable[..., PartitionFile]


def one_number(features: tuple[int, ...]) -> keras.Model:
    """A head that ends in Dense(1)."""
    return keras.Sequential([keras.Input(features), keras.layers.Dense(1)])


@pytest.fixture
def priced(partition: Callable[..., PartitionFile]) -> Priced:
    """A function (name, seed, by_hand) that writes rows with a price, or with the same standardised by hand."""
    taken = pl.read_parquet(partition("taken", 48).path).filter(~pl.col("holdout"))["a"]
    middle, spread = np.mean(taken.to_numpy()), np.std(taken.to_numpy())

    def make(name: str, seed: int = 0, *, by_hand: bool = False) -> PartitionFile:
        file = partition(name, 48, seed=seed)
        standard = (pl.col("a") - middle) / spread
        priced = pl.read_parquet(file.path).with_columns(y=standard if by_hand else CENTRE + SPREAD * standard)
        priced.write_parquet(file.path)
        return file

    return make


@pytest.fixture
def prices(spec: ModelSpec) -> ModelSpec:
    """The small model, for a price; every training row is learned from and chooses."""
    plan = Pretrain(epochs=2, batch_size=8, learning_rate=0.01, validation=1e-9, optimizer="sgd")
    stage = Stage(epochs=1, batch_size=8, learning_rate=0.01, optimizer="sgd")
    return replace(
        spec,
        objective=Regression(),
        build_head=one_number,
        pretrain=plan,
        finetune=FineTune(stages=(stage,), replay=Replay(share=0.0), validation=1e-9),
    )


def told(spec: ModelSpec, files: Trained, known: Sequence[PartitionFile], cache: Path) -> np.ndarray:
    """What a version says of all rows."""
    return predict(spec, files.files, known, split="all", cache=cache).prediction.ravel()


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_price_is_learned_as_if_it_was_standardised_by_hand(
    prices: ModelSpec, priced: Priced, tmp_path: Path
) -> None:
    """Version 1 and its challenger, by plain gradient descent, which no scale of a loss leaves alone."""
    said = []
    for by_hand in (False, True):
        folder = tmp_path / str(by_hand)
        old, new = (priced(f"{name}{by_hand}", seed, by_hand=by_hand) for seed, name in enumerate(("old", "new")))
        first = pretrain(prices, [old], work=folder / "one", seed=3)
        later = finetune(prices, first.files, [new], [old], cache=folder / "cache", work=folder / "two", seed=3)
        said.append([told(prices, one, [old, new], folder / "cache") for one in (first, later)])
        units = {round(unit_of(prices.objective, load_model(one.files.head)), 3) for one in (first, later)}
        assert units == {1.0 if by_hand else SPREAD}  # of the first rows, whatever the later ones are spread
        curve = {value.name: value.value for value in later.epochs}
        assert 0.1 < curve["loss"] / curve["val_loss"] < 10  # both in the target's own unit
    for own, standard in zip(*said, strict=True):
        assert np.abs((own - CENTRE) / SPREAD - standard).max() < 1e-3
        assert np.std(standard) > 0.01


@pytest.mark.parametrize("kind", ["sequential", "functional", "nested", "half"])
def test_a_head_that_ends_in_plain_numbers_gets_its_unit(kind: str) -> None:
    """However it is built; with weights of zero it gives the centre, also where it computes in half precision."""
    policy = "mixed_float16" if kind == "half" else None
    dense = keras.layers.Dense(1, kernel_initializer="zeros", dtype=policy)
    taken = keras.Input((2,))
    models = {"functional": keras.Model(taken, dense(taken)), "nested": None}
    head = models.get(kind) or keras.Sequential([keras.Input((2,)), dense])
    head = keras.Sequential([keras.Input((2,)), head]) if kind == "nested" else head
    head = in_units_of(Regression(), head, np.array([100_000.0, 300_000.0]))
    assert unit_of(Regression(), head) == 100_000
    assert head(np.ones((1, 2), "float32")).numpy() == 200_000


@pytest.mark.parametrize(
    "last",
    [
        keras.layers.Dense(1, activation="softplus"),
        keras.layers.Rescaling(50.0),
        keras.layers.Activation("exponential"),
    ],
)
def test_a_head_that_says_where_its_numbers_lie_is_left_alone(last: keras.layers.Layer) -> None:
    """It may be for numbers above 0 only, or bring a unit of its own."""
    head = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), last])
    assert in_units_of(Regression(), head, np.array([1e5, 3e5])) is head
    assert last_operation(head) is last


def test_a_chance_has_no_unit_and_a_constant_target_has_one(spec: ModelSpec) -> None:
    """Nothing is divided by zero."""
    sigmoid = spec.build_head((2,))
    assert in_units_of(Binary(), sigmoid, np.array([0.0, 1.0])) is sigmoid
    head = in_units_of(Regression(), one_number((2,)), np.array([7.0, 7.0]))
    assert (unit_of(Regression(), head), last_operation(head).offset) == (1.0, 7.0)


@pytest.mark.slow
def test_a_loss_of_ones_own_gets_the_head_as_it_was_built(prices: ModelSpec, priced: Priced, tmp_path: Path) -> None:
    """It is not taken in units of the spread, so that a fixed last layer would lengthen its steps by that."""
    own = replace(prices, loss=far_off, pretrain=replace(prices.pretrain, epochs=1, learning_rate=1e-9))
    first = pretrain(own, [priced("alone")], work=tmp_path / "own")
    assert isinstance(last_operation(load_model(first.files.head)), keras.layers.Dense)


def far_off(model: Any, inputs: Any, labels: Any) -> Any:
    """A loss for each row, in the target's own unit."""
    return keras.losses.mean_absolute_error(labels, model(inputs, training=True))
