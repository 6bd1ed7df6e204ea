"""What a version makes of any rows, labelled or not: its predictions, and the features of its base."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evergreen_client.batches import STRING_BYTES
from learning.data import Indices, PartitionFile, read_inputs
from learning.features import READ_BYTES, FeatureCache, Features, FrozenBase, frozen_base
from learning.files import ModelFiles
from learning.heads import head_of
from learning.spec import ModelSpec, Schema

Reduce = Callable[[Features], NDArray[np.float32]]


@dataclass(frozen=True)
class Outputs:
    """What a version makes of some rows.

    Args:
        prediction: shape (rows, outputs).
        features: shape (rows, ...): those of its base, reduced.
    """

    prediction: NDArray[np.float32]
    features: NDArray[np.float32]


def outputs(  # noqa: PLR0913 - the last two by name
    spec: ModelSpec,
    files: ModelFiles,
    partitions: Sequence[PartitionFile],
    places: Indices,
    *,
    cache: Path,
    reduce: Reduce,
) -> Outputs:
    """A version's predictions of some rows and their features, from the cache where it has them.

    Features that are not cached are computed of these rows alone: a history is not passed through the base for the few
    rows of it that a drift check looks at.

    Args:
        spec: the model.
        files: the version.
        partitions: where the rows are.
        places: their ascending places, counted through all partitions; at least one.
        cache: folder of cached features.
        reduce: makes features of shape (rows, ...) fewer, as soon as they are there.
    """
    base, head = frozen_base(files.base, files.base_digest, spec.schema), head_of(files)
    predicted, reduced = [], []
    for partition, rows in by_partition(partitions, places):
        for features in _features(base, FeatureCache(cache), partition, rows):
            predicted.append(np.asarray(head(features)).reshape(len(features), -1))
            reduced.append(reduce(features))
    return Outputs(np.concatenate(predicted), np.concatenate(reduced))


def by_partition(partitions: Sequence[PartitionFile], places: Indices) -> Iterator[tuple[PartitionFile, Indices]]:
    """Places counted through all partitions, as each partition's own; partitions without any are left out."""
    import polars as pl

    counts = pl.collect_all([pl.scan_parquet(one.path).select(pl.len()) for one in partitions])
    starts = np.cumsum([0, *(int(count.item()) for count in counts)])
    for place, part in enumerate(np.split(places, np.searchsorted(places, starts[1:-1]))):
        if len(part):
            yield partitions[place], part - starts[place]


def _features(base: FrozenBase, cache: FeatureCache, partition: PartitionFile, rows: Indices) -> Iterator[Features]:
    """Features of some rows of a partition, in pieces that fit in memory."""
    cached = cache.find(base, partition)
    stretch = max(1, READ_BYTES // row_size(base.schema if cached is None else cached))
    for piece in np.split(rows, np.flatnonzero(np.diff(rows // stretch)) + 1):
        if cached is None:
            yield base.features(read_inputs(base.schema, partition, piece))
        else:
            yield np.asarray(cached[piece])


def row_size(of: Schema | Features) -> int:
    """Bytes of one row of raw inputs, or of features."""
    if isinstance(of, np.ndarray):
        return max(1, of[:1].nbytes)
    return 4 * len(of.numeric) + STRING_BYTES * len(of.categorical) + of.wide_bytes
