"""A model's outputs for many rows, a few at once."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from evergreen_client import batches
from evergreen_client.batches import in_batches, row_bytes, rows_at_once
from learning.assembly import assemble


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 20])
def test_batches_give_what_the_model_gives_in_order(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows, fewer than a batch, just as many, and a rest; columns by name, and batches of eight."""
    model = images(4)
    monkeypatch.setattr(batches, "LAYER_BYTES", 8 * 4 * 4 * 16 * 4)
    assert rows_at_once(model) == 8
    columns = {"image": tf.constant(np.random.default_rng(1).normal(size=(rows, 4, 4, 16)).astype("float32"))}
    said = in_batches(model)(columns)
    assert said.shape == (rows, 4 * 4 * 16)
    assert np.allclose(said, model(columns, training=False), atol=1e-6)


def test_batches_are_in_inference_mode() -> None:
    """Dropout lets everything pass, and statistics stay."""
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), norm, keras.layers.Dropout(0.9)])
    before = [weight.numpy() for weight in norm.weights]
    rows = tf.ones((5, 2))
    assert np.allclose(in_batches(model)(rows), rows, atol=1e-3)
    assert all(np.array_equal(weight, old) for weight, old in zip(norm.weights, before, strict=True))


def test_one_graph_serves_any_number_of_rows() -> None:
    """With a signature, partitions of all sizes share what was traced first."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    traced = []

    class Counted(keras.layers.Layer):
        def call(self, rows: Any) -> Any:
            traced.append(rows)
            return rows

    model.add(Counted())
    traced.clear()
    forward = in_batches(model, signature=[tf.TensorSpec((None, 2), "float32")])
    for rows in (1, 10, 100):
        assert forward(tf.zeros((rows, 2))).shape == (rows, 1)
    assert len(traced) == 1


def images(side: int) -> keras.Model:
    """A convolution over square images, used twice."""
    image = keras.Input((side, side, 16), name="image")
    layer = keras.layers.Conv2D(16, 3, padding="same")
    return keras.Model({"image": image}, keras.layers.Flatten()(layer(layer(image))))


def test_the_wider_a_model_the_fewer_rows_go_through_at_once() -> None:
    """A base for photographs must not need more memory than the machine has."""
    rows = {side: rows_at_once(images(side)) for side in (1, 64, 256, 2048)}
    assert rows == {1: 2**15, 64: 64, 256: 4, 2048: 1}


def test_a_model_within_a_model_is_as_wide_as_it_is_alone() -> None:
    """The widest layer may be deep inside."""
    inner = images(64)
    pixels = keras.Input((64, 64, 16))
    outer = keras.Model(pixels, keras.layers.Dense(2)(inner({"image": pixels})))
    assert rows_at_once(outer) == rows_at_once(inner)
    assert rows_at_once(assemble(inner, outer_head(inner), frozen=True)) == rows_at_once(inner)


def test_models_one_after_the_other_pass_in_the_batches_of_the_widest() -> None:
    """A base and its head give what they give as one model, and need no more memory."""
    base = images(4)
    head = outer_head(base)
    columns = {"image": tf.random.normal((5, 4, 4, 16), seed=1)}
    assert np.array_equal(in_batches(base, head)(columns), in_batches(assemble(base, head, frozen=True))(columns))


def test_a_model_that_hides_its_layers_counts_as_narrow() -> None:
    """A head may be a subclass of keras.Model; nobody can know what its call() makes."""

    class Hidden(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    assert rows_at_once(Hidden()) == 2**15


def outer_head(base: keras.Model) -> keras.Model:
    """A head for the features of a base."""
    return keras.Sequential([keras.Input(base.output.shape[1:]), keras.layers.Dense(2)])


def test_the_size_of_a_row_counts_all_inputs_and_outputs() -> None:
    """Numbers, tensors and text; and what the model makes of them."""
    inputs = [keras.Input((1,)), keras.Input((8, 8, 1)), keras.Input((1,), dtype="string")]
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs[0]))
    assert row_bytes(model) == (4 + 256 + 64) + 12
