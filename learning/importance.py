"""How much a version needs each column: what its loss rises to when the column's values are shuffled among rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.data import Columns, PartitionFile, Selection, concatenate, pick, read_inputs, row_count, select
from learning.features import frozen_base
from learning.files import ModelFiles
from learning.heads import head_of
from learning.outputs import row_size
from learning.spec import ModelSpec

ROWS, LEAST = 1_000, 100  # rows that are shuffled, and how many of them however long it takes
SECONDS = 2.0  # after which it goes on with no more rows
PIECE_BYTES = 32 * 2**20
SEED = 2001
OF_A_CONSTANT = 0.01  # least loss that a rise is relative to: this share of the best constant's


@dataclass(frozen=True)
class Importance:
    """How much a version's loss rises, relatively, when a column is shuffled.

    Args:
        rows: held-out rows that it was measured on.
        columns: input to rise; 0.5 is half as much again, 0 is none.
    """

    rows: int
    columns: dict[str, float]


def importance(
    spec: ModelSpec, files: ModelFiles, newest_first: Iterable[PartitionFile], since: datetime | None = None
) -> Importance:
    """Permutation importance of every input, on the newest held-out rows.

    Breiman, "Random forests", Machine Learning 45 (2001); Fisher, Rudin and Dominici, "All models are wrong, but many
    are useful", JMLR 20 (2019). Of two columns that say the same, each has less than both together.

    It costs a pass of these rows through base and head for each column: at most 1,000 rows, and after the first 100 no
    more than are done in two seconds.

    Args:
        spec: the model.
        files: the version.
        newest_first: partitions that its line learned from; only as many are looked at as are needed.
        since: only rows from this time on.

    Returns:
        Importances of at least 0; none where there is no labelled row.
    """
    chosen = newest_rows(spec, newest_first, since)
    if not chosen:
        return Importance(0, {})
    base, head = frozen_base(files.base, files.base_digest, spec.schema), head_of(files)
    inputs: Columns = concatenate([read_inputs(spec.schema, one.partition, one.rows) for one in chosen])
    target = np.concatenate([one.target for one in chosen])
    donors = _others(len(target))
    columns = spec.schema.inputs  # of windows, not the mask: it says where there are rows, and nothing of them
    copies = len(columns) + 1
    piece = int(np.clip(PIECE_BYTES // (row_size(spec.schema) * copies), 1, LEAST))
    losses, begun = list[NDArray[np.floating[Any]]](), 0.0
    for start in range(0, len(target), piece):
        if start == piece:  # the first piece waits for graphs to be made
            begun = time.monotonic()
        if start >= LEAST and time.monotonic() - begun > SECONDS:
            break
        rows = np.arange(start, min(start + piece, len(target)))
        prediction = np.asarray(head(base.features(shuffled(inputs, rows, donors, columns))))
        of_rows = spec.objective.row_loss(
            np.concatenate([target[rows]] * copies), prediction.reshape(copies * len(rows), -1)
        )
        losses.append(of_rows.reshape(copies, len(rows)))
    loss = np.concatenate(losses, axis=1)
    return Importance(loss.shape[1], dict(zip(columns, _rises(spec, loss, target), strict=True)))


def newest_rows(
    spec: ModelSpec, newest_first: Iterable[PartitionFile], since: datetime | None = None
) -> list[Selection]:
    """The newest labelled held-out rows, as many as are wanted, evenly from the partitions that hold them."""
    found, rows = list[Selection](), 0
    for partition in newest_first:
        selected = select(spec.schema, [partition], "holdout", since=since)
        found, rows = [*selected, *found], rows + row_count(selected)
        if rows >= ROWS:
            break
    places = np.unique(np.linspace(0, rows - 1, min(rows, ROWS)).astype(np.int64))
    return [selection for selection in pick(found, places) if len(selection.rows)]


def shuffled(inputs: Columns, rows: NDArray[np.int64], donors: NDArray[np.int64], columns: Sequence[str]) -> Columns:
    """Rows as they are, and after them once more for each column, in which it has the values of other rows."""
    return {
        name: np.concatenate([values[rows], *(values[donors[rows] if other == name else rows] for other in columns)])
        for name, values in inputs.items()
    }


def _others(rows: int) -> NDArray[np.int64]:
    """For each row another one, no two the same: a walk through all of them in random order."""
    order = np.random.default_rng(SEED).permutation(rows)
    donors = np.empty(rows, np.int64)
    donors[order] = np.roll(order, 1)
    return donors


def _rises(spec: ModelSpec, loss: NDArray[np.floating[Any]], target: NDArray[np.float64]) -> list[float]:
    """Relative rise of the mean loss by column, over the rows that have a loss both ways; NaN predictions count not."""
    labels = target[: loss.shape[1]]
    constant = spec.objective.constant(labels)
    best = spec.objective.row_loss(labels, np.broadcast_to(constant, (len(labels), len(constant))))
    least = max(OF_A_CONSTANT * float(np.mean(best)), float(np.finfo(np.float32).tiny))
    rises = []
    for of_column in loss[1:]:
        both = np.isfinite(of_column) & np.isfinite(loss[0])
        before, after = (float(one[both].mean()) if both.any() else 0.0 for one in (loss[0], of_column))
        rises.append(max(0.0, (after - before) / max(before, least)))
    return rises
