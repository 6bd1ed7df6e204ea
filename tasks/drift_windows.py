"""The two windows of a drift check: which partitions they are drawn from, and which columns of them are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from db.arrival_records import PartitionRecord
from learning.blocks import block_of
from learning.data import PartitionFile
from learning.objectives import Multiclass
from learning.spec import ModelSpec
from monitoring.choice import Known
from monitoring.drift import Compared, Kind
from monitoring.references import Reference, Span, reference_for
from monitoring.samples import Layout, Rows
from tasks.run import Context

SHORT = 12  # letters of a digest, as `evergreen partitions` shows it


@dataclass(frozen=True)
class WindowFiles:
    """The rows of a window, beside the partitions that they are in: by their digests, features are cached."""

    rows: Rows
    partitions: tuple[PartitionFile, ...]

    @property
    def content(self) -> list[str]:
        """What the rows are, in whichever registry: that of `rows` itself has times and objects of its own."""
        return [*(file.digest for file in self.partitions), repr(self.rows.spans), repr(self.rows.holdout)]


def window_files(context: Context, partitions: Sequence[PartitionRecord], spans: Sequence[Span] = ()) -> WindowFiles:
    """The rows of some partitions whose time is in one of some spans, or all."""
    files, schema = context.partition_files(partitions), context.spec.schema
    block = block_of(pl.col(schema.event_time), schema.block) if schema.block else None
    layout = Layout(schema.event_time, block, schema.entity)
    known = tuple(Known(p.digest[:SHORT], p.rows, p.time_from, p.time_to) for p in partitions)
    return WindowFiles(Rows(tuple(file.path for file in files), layout, tuple(spans), known=known), files)


def chosen_reference(context: Context, champion: int, arrived: Sequence[PartitionRecord]) -> Reference:
    """What these partitions, at least one, are compared with."""
    registry, model, new = context.registry, context.spec.name, {p.digest for p in arrived}
    known = [p for p in without_late_labels(registry.partitions(model)) if p.digest not in new]
    learned = without_late_labels(registry.trained_on(model, champion))

    def count(partitions: Sequence[PartitionRecord], spans: Sequence[Span]) -> int:
        return int(window_files(context, partitions, spans).rows.scan().select(pl.len()).collect().item())

    return reference_for(context.spec.drift, arrived, learned, known, count)


def without_late_labels(partitions: Sequence[PartitionRecord]) -> list[PartitionRecord]:
    """Rows whose label came later are stored once more with it; they were compared when they arrived."""
    return [partition for partition in partitions if partition.kind != "labels"]


def compared_columns(spec: ModelSpec) -> tuple[Compared, ...]:
    """The columns that arrive and are compared: numbers, categories, text, and the target, of classes a category."""
    schema = spec.schema
    wanted = spec.drift.columns or (*schema.numeric, *schema.strings, *schema.targets)
    kinds: dict[str, Kind] = {**dict.fromkeys(schema.categorical, "category"), **dict.fromkeys(schema.text, "text")}
    for target, objective in spec.objective.by_target(schema.target).items():
        if isinstance(objective, Multiclass) or objective.names:
            kinds[target] = "category"
    return tuple(
        Compared(name, kinds.get(name, "number"), "target" if name in schema.targets else "input") for name in wanted
    )
