"""What a stage of training learns from: rows that fit in memory at once, or shuffled blocks read from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evergreen_client.batches import STRING_BYTES
from learning.data import Indices, PartitionFile, Selection, concatenate, row_count

if TYPE_CHECKING:
    import tensorflow as tf

    Block = tuple[Any, tf.Tensor]

MEMORY_BYTES = 512 * 2**20
Read = Callable[[PartitionFile, Indices], Any]


class Examples:
    """Selected rows, given out in blocks of at most `memory_bytes`; one block where all of them fit.

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

    def blocks(self) -> Iterator[Block]:
        """Inputs and targets (rows, 1) as tensors, in order."""
        if self._fits():
            yield self._load_whole()
            return
        for pieces in self._packed(self._pieces()):
            yield self._load(pieces)

    def shuffled(self, random: np.random.Generator) -> Iterator[Block]:
        """The same in a new order: pieces of partitions meet at random in a block, and its rows are shuffled."""
        if self._fits():
            yield _permute(self._load_whole(), random)
            return
        pieces = list(self._pieces())
        for group in self._packed([pieces[place] for place in random.permutation(len(pieces))]):
            yield _permute(self._load(group), random)

    def _fits(self) -> bool:
        return self.rows <= self._block_rows()

    def _block_rows(self) -> int:
        if not hasattr(self, "_rows_a_block"):
            first = self.selections[0].take(np.arange(1))
            sample = self._read(first.partition, first.rows)
            columns = sample.values() if isinstance(sample, dict) else (sample,)
            size = sum(STRING_BYTES if column.dtype == object else column.nbytes for column in columns)
            self._rows_a_block = max(1, self._memory_bytes // size)
        return self._rows_a_block

    def _load_whole(self) -> Block:
        """Everything, read once and kept."""
        if self._whole is None:
            self._whole = self._load(self.selections)
        return self._whole

    def _load(self, pieces: Sequence[Selection]) -> Block:
        import tensorflow as tf

        inputs = concatenate([self._read(piece.partition, piece.rows) for piece in pieces])
        target = np.concatenate([piece.target for piece in pieces]).astype("float32").reshape(-1, 1)
        return tf.nest.map_structure(tf.constant, inputs), tf.constant(target)

    def _pieces(self) -> Iterator[Selection]:
        """Selections cut such that several of them fit in one block."""
        most = max(1, self._block_rows() // 8)
        for selection in self.selections:
            for start in range(0, len(selection.rows), most):
                yield selection.take(np.arange(start, min(start + most, len(selection.rows))))

    def _packed(self, pieces: Sequence[Selection] | Iterator[Selection]) -> Iterator[list[Selection]]:
        """Pieces grouped into blocks."""
        group: list[Selection] = []
        for piece in pieces:
            if group and row_count(group) + len(piece.rows) > self._block_rows():
                yield group
                group = []
            group.append(piece)
        yield group


def _permute(block: Block, random: np.random.Generator) -> Block:
    import tensorflow as tf

    order = tf.constant(random.permutation(len(block[1])))
    shuffled: Block = tf.nest.map_structure(lambda tensor: tf.gather(tensor, order), block)
    return shuffled
