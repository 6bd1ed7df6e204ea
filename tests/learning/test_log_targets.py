"""A target that is learned by its logarithm, and predicted in its own unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import polars as pl
import pytest

from arrivals.validation import Validator
from errors import InvalidSpec
from learning.calibration import fold, obstacle
from learning.data import PartitionFile
from learning.first_answers import in_units_of, log_sums, unit_of
from learning.losses import plain
from learning.plans import Pretrain
from learning.prediction import predict
from learning.pretraining import pretrain
from learning.regression import Regression
from learning.spec import ModelSpec

if TYPE_CHECKING:
    import tensorflow as tf

LOG = Regression(log=True)


@pytest.fixture(autouse=True)
def _eagerly(eagerly: None) -> None:
    """No graphs."""


def build_head(features: tuple[int, ...]) -> keras.Model:
    """From features to a plain number."""
    return keras.Sequential([keras.Input(features), keras.layers.Dense(1)])


@pytest.fixture
def prices(spec: ModelSpec) -> ModelSpec:
    """A model of prices that are each so many times too high or too low."""
    return replace(
        spec,
        objective=LOG,
        build_head=build_head,
        pretrain=Pretrain(epochs=2, batch_size=60, learning_rate=0.1, validation=0.4),
    )


def priced(part: PartitionFile, *, lowest: float = 0.0) -> PartitionFile:
    """The same rows, whose target is a price: exponential in `a`, with factors that are drawn."""
    rows = pl.read_parquet(part.path)
    random = np.random.default_rng(7)
    target = np.exp(3 + 0.8 * rows["a"].to_numpy() + random.normal(0, 0.8, len(rows))) - 1
    rows.with_columns(y=pl.Series(np.maximum(target, 0) + lowest)).write_parquet(part.path)
    return part


def test_prices_are_learned_by_factors_and_predicted_as_prices(
    prices: ModelSpec, partition: Callable[..., PartitionFile], tmp_path: Path
) -> None:
    """In the mean they are as high as prices are; plain Keras loads the file. Targets below 0 end a training."""
    part = priced(partition("prices", 400))
    first = pretrain(prices, [part], work=tmp_path / "first", seed=1)
    found = predict(prices, first.files, [part], split="holdout", cache=tmp_path / "cache")
    alone = keras.models.load_model(first.files.head, compile=False)
    assert [type(layer).__module__.split(".")[0] for layer in alone.layers] == ["keras"] * 4
    factor = float(np.exp(first.fitted.calibration.shift[0]))
    assert f"times {factor:.3g}, which a mean of logarithms leaves out: rmse " in first.reason
    assert 1.1 < factor < 1.9  # of drawn factors it is exp(0.8**2 / 2) = 1.38
    assert found.prediction.mean() == pytest.approx(found.target.mean(), rel=0.3)
    curve = {one.name: one.value for one in first.epochs}
    assert curve["training_loss"] < 2
    assert curve["val_loss"] > 100
    with pytest.raises(InvalidSpec, match=r"Regression\(log=True\) and 300 of 300 rows with a target below 0"):
        pretrain(prices, [priced(partition("debts", 400), lowest=-1e6)], work=tmp_path / "debts", seed=1)


def test_a_step_is_that_of_a_logarithm_standardised_by_hand() -> None:
    """The loss is the squared error of logarithms in their own spread, whatever the price."""
    target = np.array([9.0, 99.0, 999.0, 99_999.0])
    head = in_units_of(LOG, build_head((2,)), target)
    rows = np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6], [0.7, 0.8]], "float32")
    logs = np.log1p(target)
    sums = head.layers[0](rows).numpy()[:, 0]
    assert unit_of(LOG, head) == pytest.approx(logs.std())
    loss = _loss(head, rows, target)
    assert loss == pytest.approx(float(np.mean((sums - (logs - logs.mean()) / logs.std()) ** 2)), rel=1e-4)
    assert np.allclose(head(rows).numpy()[:, 0], np.exp(sums * logs.std() + logs.mean()) - 1, rtol=1e-4)


def _loss(head: keras.Model, rows: np.ndarray, target: np.ndarray) -> float:
    from learning.losses import Measure

    labels: tf.Tensor = keras.ops.convert_to_tensor(target[:, None], "float32")
    return float(plain(LOG, Measure(unit_of(LOG, head)))(head, rows, labels))


def test_the_factor_is_in_the_weights() -> None:
    """After a calibration is folded in, the head predicts what it said."""
    from learning.calibration import Calibration

    head = in_units_of(LOG, build_head((2,)), np.array([9.0, 99.0, 999.0]))
    rows, found = np.ones((3, 2), "float32"), Calibration(shift=(0.3,), log=True)
    before = head(rows).numpy()
    fold(found, head)
    assert np.allclose(head(rows).numpy(), found.of(before), rtol=1e-5)


def test_a_row_below_zero_is_refused_when_it_arrives(prices: ModelSpec) -> None:
    """By itself, and with the reason; 0 is a price like any other."""
    rows = pl.DataFrame(
        {"at": ["2026-01-01"] * 2, "id": ["1", "2"], "a": [1.0] * 2, "b": [1.0] * 2, "c": ["x"] * 2, "y": [0.0, -1.0]}
    )
    batch = Validator(prices.schema, LOG, prices.source).validate(rows)
    assert batch.rows["y"].to_list() == [0.0]
    assert "Regression(log=True) takes its logarithm" in str(batch.refused.to_dicts())


def test_a_half_of_precision_ends_no_price() -> None:
    """Whatever the layers before compute in, 200,000 is predicted: a half knows no number above 65,504."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        head = in_units_of(LOG, build_head((2,)), np.array([150_000.0, 250_000.0]))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(head(np.zeros((1, 2))).numpy()).all()


def test_a_head_that_ends_otherwise_takes_no_factor(prices: ModelSpec) -> None:
    """It is told so; a Rescaling of the user's own, or an activation, makes other numbers of the sums."""
    plain_end = in_units_of(LOG, build_head((2,)), np.array([9.0, 99.0]))
    assert log_sums(plain_end) is not None
    layers, last = keras.layers, plain_end.layers[3]
    others = (layers.Rescaling(2.0, -1.0), None), (layers.Rescaling(1.0), None), (last, "tanh")
    for last, dense in others:
        parts = layers.Dense(1, dense), layers.Rescaling(2.0), layers.Activation("exponential"), last
        head = keras.Sequential([keras.Input((2,)), *parts])
        assert log_sums(head) is None
        assert obstacle(prices, head) == "the mean is that of logarithms: the head does not end in a plain Dense"


def test_a_loss_of_ones_own_says_itself_what_a_logarithm_is(prices: ModelSpec) -> None:
    """Beside log=True one of them would do nothing, and nobody would be told."""
    with pytest.raises(InvalidSpec, match=r"Regression\(log=True\) and a loss of your own"):
        replace(prices, loss=lambda model, inputs, labels: (labels - model(inputs)) ** 2)


def test_huber_and_logarithms_are_not_both() -> None:
    """Its delta is in the target's own unit."""
    with pytest.raises(InvalidSpec, match="leave one of them out"):
        Regression(loss="huber", delta=2.0, log=True)
