"""Rows in memory, or in shuffled blocks from disk."""

from pathlib import Path

import numpy as np
import pytest

from learning.data import Indices, PartitionFile, Selection
from learning.examples import Examples


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
