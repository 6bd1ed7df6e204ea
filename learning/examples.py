"""What a stage of training learns from: rows that fit in memory at once, or shuffled blocks read from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evergreen_client.batches import STRING_BYTES
from learning.data import Indices, PartitionFile, Selection, concatenate, row_count

if TYPE_CHECKING:
    import tensorflow as tf

    Block = tuple[Any, tf.Tensor]

MEMORY_BYTES = 512 * 2**20
LOOKED_AT = 64  # rows, to know how large one is
Read = Callable[[PartitionFile, Indices], Any]


class Examples:
    """Selected rows, given out in blocks of at most `memory_bytes`; one block where all of them fit.

    Where rows have weights, these stand beside the target, in one more column of the labels; their mean is 1, so that a
    learning rate means the same as without.

    Args:
        selections: which rows.
        read: gives the inputs of some rows of a partition: an array of features, or raw columns by name.
        memory_bytes: most that a block may take.
    """

    def __init__(self, selections: Sequence[Selection], read: Read, memory_bytes: int = MEMORY_BYTES) -> None:
        self.selections = [selection for selection in selections if len(selection.rows)]
        self.rows = row_count(self.selections)
        self._read, self._memory_bytes = read, memory_bytes
        self._whole: Block | None = None

    @property
    def target(self) -> NDArray[np.float64]:
        """All targets, in the order of `blocks()`."""
        return np.concatenate([selection.target for selection in self.selections])

    @cached_property
    def weight(self) -> NDArray[np.float64] | None:
        """How much each row counts, in the order of `blocks()`; None where all count the same, or none at all."""
        found = _weights(self.selections)
        return None if all(one.weight is None for one in self.selections) or not found.sum() > 0 else found

    def blocks(self) -> Iterator[Block]:
        """Inputs and labels (rows, outputs), and with weights one more column, as tensors, in order."""
        return map(self._load, self._groups())

    def shuffled(self, random: np.random.Generator) -> Iterator[Block]:
        """The same in a new order: pieces of partitions meet at random in a block, and its rows are shuffled."""
        return (_permute(self._load(group), random) for group in self._groups(random))

    def _groups(self, random: np.random.Generator | None = None) -> Iterator[list[Selection]]:
        """What each block holds: all rows where they fit, else pieces small enough that several meet in one block."""
        if self.rows <= self._block_rows:
            yield self.selections
            return
        most = max(1, self._block_rows // 8)
        pieces = [
            selection.take(np.arange(start, min(start + most, len(selection.rows))))
            for selection in self.selections
            for start in range(0, len(selection.rows), most)
        ]
        group: list[Selection] = []
        for place in range(len(pieces)) if random is None else random.permutation(len(pieces)):
            if group and row_count(group) + len(pieces[place].rows) > self._block_rows:
                yield group
                group = []
            group.append(pieces[place])
        yield group

    @cached_property
    def _block_rows(self) -> int:
        """How many rows fit in a block, going by the first ones."""
        first = self.selections[0].take(np.arange(min(len(self.selections[0].rows), LOOKED_AT)))
        sample = self._read(first.partition, first.rows)
        columns = sample.values() if isinstance(sample, dict) else (sample,)
        size = sum(_bytes(column) for column in columns) // max(len(first.rows), 1)
        return max(1, self._memory_bytes // max(size, 1))

    def _load(self, group: list[Selection]) -> Block:
        """The rows of a group as one block; where it is all rows, it is read once and kept."""
        import tensorflow as tf

        if self._whole is not None:
            return self._whole
        inputs = concatenate([self._read(piece.partition, piece.rows) for piece in group])
        target = np.concatenate([piece.target for piece in group]).astype("float32")
        target = target.reshape(len(target), -1)
        if self.weight is not None:
            target = np.column_stack([target, (_weights(group) / self.weight.mean()).astype("float32")])
        block = tf.nest.map_structure(tf.constant, inputs), tf.constant(target)
        if group is self.selections:
            self._whole = block
        return block


def _weights(selections: Sequence[Selection]) -> NDArray[np.float64]:
    """How much each row counts: 1 where nothing is said."""
    parts = [np.ones(len(one.rows)) if one.weight is None else one.weight for one in selections]
    return np.concatenate([np.empty(0), *parts])


def _bytes(column: NDArray[Any]) -> int:
    """Memory that values take; of strings, their own, but what any takes at least."""
    return sum(max(STRING_BYTES, len(text)) for text in column.flat) if column.dtype == object else column.nbytes


def _permute(block: Block, random: np.random.Generator) -> Block:
    import tensorflow as tf

    order = tf.constant(random.permutation(len(block[1])))
    shuffled: Block = tf.nest.map_structure(lambda tensor: tf.gather(tensor, order), block)
    return shuffled
