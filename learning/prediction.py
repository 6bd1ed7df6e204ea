"""What a version says about rows: champion and challenger are compared on the very same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learning.data import (
    Array,
    Blocks,
    Columns,
    Indices,
    PartitionFile,
    Split,
    blocks_of,
    concatenate,
    read_columns,
    read_inputs,
    select,
    weights_of,
)
from learning.examples import Examples
from learning.features import FeatureCache, frozen_base
from learning.files import ModelFiles
from learning.heads import head_of
from learning.loop import predictor
from learning.spec import ModelSpec, Schema

PROBE_ROWS, PROBE_NUMBERS = 64, 2**20  # whichever is fewer
PROBED_ROWS = 1024
BLOCK_BYTES = 32 * 2**20  # rows pass by once; a small block stays in the processor's cache
Made = Callable[[], NDArray[np.float32]]


@dataclass(frozen=True)
class Predictions:
    """Rows of some partitions, in order, and what a version says about them.

    Args:
        target: shape (rows,), of several outputs (rows, outputs); NaN of a row without label, where those were asked
            for.
        prediction: shape (rows, outputs).
        partition: each row's place in the list of partitions, shape (rows,).
        rows: each row's place in its partition, shape (rows,).
        columns: more columns of the rows, where they were asked for.
        block: start of each row's time block, shape (rows,); None where the schema has no blocks.
        weight: how much each row counts, shape (rows,); None where all count alike.
    """

    target: NDArray[np.float64]
    prediction: NDArray[np.float32]
    partition: NDArray[np.int64]
    rows: Indices
    columns: Columns
    block: Blocks | None = None
    weight: NDArray[np.float64] | None = None

    def take(self, chosen: NDArray[np.bool_] | Indices) -> Predictions:
        """The rows under a mask, or at these places."""
        return self._each(lambda values: values[chosen])

    def followed_by(self, others: Predictions, places: int) -> Predictions:
        """These rows, and then those of another list of partitions; `places` is how many this list has."""
        if not len(others.target):
            return self
        moved = replace(others, partition=others.partition + places)
        return self._each(lambda *both: np.concatenate(both), moved) if len(self.target) else moved

    def _each(self, change: Callable[..., Array], *others: Predictions) -> Predictions:
        """Every array, changed together with the same one of others."""
        everyone = (self, *others)
        return Predictions(
            target=change(*(one.target for one in everyone)),
            prediction=change(*(one.prediction for one in everyone)),
            partition=change(*(one.partition for one in everyone)),
            rows=change(*(one.rows for one in everyone)),
            columns={name: change(*(one.columns[name] for one in everyone)) for name in self.columns},
            block=None if self.block is None else change(*(one.block for one in everyone)),
            weight=None if self.weight is None else change(*(one.weight for one in everyone)),
        )


def predict(  # noqa: PLR0913 - all but the first three by name
    spec: ModelSpec,
    files: ModelFiles,
    partitions: Sequence[PartitionFile],
    *,
    split: Split,
    cache: Path | None,
    columns: Sequence[str] = (),
    since: datetime | None = None,
    before: datetime | None = None,
    unlabelled: bool = False,
    kept: Callable[[Made], NDArray[np.float32]] | None = None,
) -> Predictions:
    """A version's predictions on the labelled rows of a split.

    Args:
        spec: the model.
        files: the version.
        partitions: where the rows are.
        split: "train", "holdout" or "all".
        cache: folder of cached features; None of a base that is asked for the features of these rows this once.
        columns: names of columns to give back beside the predictions, for slices.
        since: only rows from this time on.
        before: only rows before this time.
        unlabelled: also on rows whose label is not known; their target is NaN.
        kept: calls the given function, or returns what it returned before for the same weights and rows: in backtests.
    """
    chosen = select(spec.schema, partitions, split, since=since, before=before, unlabelled=unlabelled)
    base = frozen_base(files.base, files.base_digest, spec.schema)
    read = FeatureCache(cache).reader(base) if cache else base.of_rows
    examples = Examples(chosen, read, memory_bytes=BLOCK_BYTES)
    counts = [len(selection.rows) for selection in chosen]
    if not examples.rows:
        nothing = {name: np.empty(0, "object") for name in columns}
        none = np.empty(0, "int64")
        return Predictions(np.empty(0), np.empty((0, 1), "float32"), none, none, nothing, blocks_of(chosen))

    def made() -> NDArray[np.float32]:
        return predictor(head_of(files))(examples)

    return Predictions(
        target=examples.target,
        prediction=kept(made) if kept else made(),
        partition=np.repeat(np.arange(len(chosen)), counts),
        rows=np.concatenate([selection.rows for selection in chosen]),
        columns=concatenate([read_columns(spec.schema, part.partition, columns, part.rows) for part in chosen]),
        block=blocks_of(chosen),
        weight=weights_of(chosen),
    )


def probe(
    schema: Schema, found: Predictions, partitions: Sequence[PartitionFile]
) -> tuple[Columns, NDArray[np.float32]]:
    """Inputs of a few of the newest rows, and what was predicted of them: at least one row."""
    numbers = len(schema.numeric) + schema.wide_bytes // 4
    most = min(PROBE_ROWS, max(1, PROBE_NUMBERS // max(1, numbers)))
    newest = np.arange(len(found.target))[-PROBED_ROWS:]
    chosen = newest[:: -(-len(newest) // most)]
    places = found.partition[chosen]
    parts = [read_inputs(schema, partitions[place], found.rows[chosen[places == place]]) for place in np.unique(places)]
    columns: Columns = concatenate(parts)
    return columns, found.prediction[chosen]
