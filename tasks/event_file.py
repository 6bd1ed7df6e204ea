"""Events as a file like a partition's, so that versions predict them as they predict what arrived."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from arrivals.events import as_frame
from arrivals.keys import HOLDOUT
from arrivals.validation import Validator
from db.arrival_records import PartitionRecord
from learning.data import PartitionFile

if TYPE_CHECKING:
    from learning.spec import ModelSpec
    from tasks.online_learner import Row


def write_events(
    spec: ModelSpec, events: Iterable[tuple[Row, float]], folder: Path
) -> tuple[PartitionRecord, PartitionFile]:
    """Write labelled events into a file, by time, like a partition; the registry knows nothing of it.

    Args:
        spec: the model.
        events: of each its "row", and whether it is of the "holdout"; and its label. At least one.
        folder: where the file goes; only one at a time has a place there.

    Returns:
        What a partition's record would say of it, and the file.
    """
    schema, (kept, labels) = spec.schema, zip(*events, strict=True)
    frame = as_frame([one["row"] for one in kept], schema, Validator(schema, spec.objective, spec.source).kinds)
    frame = frame.with_columns(
        pl.Series(schema.target, labels, pl.Float64), pl.Series(HOLDOUT, [one["holdout"] for one in kept], pl.Boolean)
    )
    frame = frame.with_columns(schema.as_arrived(pl.col(schema.target)).alias(schema.target))
    frame = frame.sort(schema.event_time, maintain_order=True)
    path, times = folder / "events.parquet", frame[schema.event_time]
    frame.write_parquet(path)
    record = PartitionRecord(
        *(spec.name, "events", "", "", "", 0, frame.height, int(frame[HOLDOUT].sum()), frame.height),
        *(times[0], times[-1]),
        arrived_at=datetime.now(UTC),
    )
    return record, PartitionFile(record.digest, path)
