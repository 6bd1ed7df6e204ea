"""Rows in memory, or in shuffled blocks from disk."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.training.assembly import assemble
from models.training.data import Indices, PartitionFile, Selection
from models.training.examples import Examples, input_bytes, rows_at_once


def read(partition: PartitionFile, rows: Indices) -> np.ndarray:
    """Each row's features say which row it is."""
    return (int(partition.digest) * 100 + rows).astype("float32").reshape(-1, 1)


def selections(*sizes: int) -> list[Selection]:
    """Rows whose target equals their only feature."""
    return [
        Selection(PartitionFile(str(place), Path()), np.arange(size), place * 100.0 + np.arange(size))
        for place, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("memory", [10_000, 64])
def test_every_row_comes_once_an_epoch_with_its_own_target(memory: int) -> None:
    """Whether the rows fit in memory or not."""
    examples = Examples(selections(30, 0, 17), read, memory_bytes=memory)
    blocks = list(examples.shuffled(np.random.default_rng(0)))
    rows = np.concatenate([inputs.numpy().ravel() for inputs, _ in blocks])
    assert np.array_equal(rows, np.concatenate([target.numpy().ravel() for _, target in blocks]))
    assert sorted(rows) == sorted(examples.target)
    assert (len(blocks) == 1) == (memory == 10_000)


def test_blocks_stay_within_memory_and_mix_partitions() -> None:
    """Old and new rows meet in a block even where nothing fits in memory as a whole."""
    examples = Examples(selections(90, 90), read, memory_bytes=4 * 40)
    blocks = [inputs.numpy().ravel() for inputs, _ in examples.shuffled(np.random.default_rng(1))]
    assert max(len(block) for block in blocks) <= 40
    assert sum((block < 100).any() and (block >= 100).any() for block in blocks) >= len(blocks) / 2


def test_in_order_means_in_order() -> None:
    """Predictions can be matched with targets."""
    examples = Examples(selections(30, 17), read, memory_bytes=64)
    rows = np.concatenate([inputs.numpy().ravel() for inputs, _ in examples.blocks()])
    assert np.array_equal(rows, examples.target)


def test_the_same_random_state_gives_the_same_order() -> None:
    """An epoch can be repeated after a crash."""
    orders = [
        np.concatenate([block.numpy().ravel() for block, _ in Examples(selections(50), read, 64).shuffled(random)])
        for random in map(np.random.default_rng, (1, 1, 2))
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def images(side: int) -> keras.Model:
    """A convolution over square images, used twice."""
    image = keras.Input((side, side, 16), name="image")
    layer = keras.layers.Conv2D(16, 3, padding="same")
    return keras.Model({"image": image}, keras.layers.Flatten()(layer(layer(image))))


def test_the_wider_a_model_the_fewer_rows_go_through_at_once() -> None:
    """A base for photographs must not need more memory than the machine has."""
    rows = {side: rows_at_once(images(side)) for side in (1, 64, 256, 2048)}
    assert rows == {1: 2**15, 64: 256, 256: 16, 2048: 1}


def test_a_model_within_a_model_is_as_wide_as_it_is_alone() -> None:
    """The widest layer may be deep inside."""
    inner = images(64)
    pixels = keras.Input((64, 64, 16))
    outer = keras.Model(pixels, keras.layers.Dense(2)(inner({"image": pixels})))
    assert rows_at_once(outer) == rows_at_once(inner)
    assert rows_at_once(assemble(inner, outer_head(inner), frozen=True)) == rows_at_once(inner)


def test_a_model_that_hides_its_layers_counts_as_narrow() -> None:
    """A head may be a subclass of keras.Model; nobody can know what its call() makes."""

    class Hidden(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    assert rows_at_once(Hidden()) == 2**15


def outer_head(base: keras.Model) -> keras.Model:
    """A head for the features of a base."""
    return keras.Sequential([keras.Input(base.output.shape[1:]), keras.layers.Dense(2)])


def test_the_size_of_a_row_counts_all_inputs() -> None:
    """Numbers, tensors and text."""
    inputs = [keras.Input((1,)), keras.Input((8, 8, 1)), keras.Input((1,), dtype="string")]
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs[0]))
    assert input_bytes(model) == 4 + 256 + 64
