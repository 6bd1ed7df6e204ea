"""What came of a promotion, on events: the champion and the version that it replaced predict those that came since.

Both predict as they were registered, which is how they are served; the learner itself has learned on since. So the book
of promises says of events what it says of partitions, and the watch takes back what is shown to be worse.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from db.online_records import OnlineLoss
from errors import ArtifactCorrupt, ArtifactMissing, InvalidSpec
from evaluation.losses import row_losses
from learning.prediction import predict
from learning.schema import ARRIVAL
from learning.stored import lacking
from tasks.event_file import write_events
from tasks.online_learner import Row
from tasks.score_champion import block_means
from tasks.watch_champion import predecessor

if TYPE_CHECKING:
    from tasks.run import Context, Run


class Book:
    """Labelled events that came since the last checkpoint, and what two versions lost on them.

    Args:
        run: the run that learns.
        kept: whether it is kept at all.
    """

    def __init__(self, run: Run, *, kept: bool) -> None:
        self._run, self._is_kept = run, kept
        self._numbers = tuple[int, ...]()
        self._events = defaultdict[tuple[int, ...], list[tuple[Row, float]]](list)

    def open(self, champion: int) -> None:
        """From now on events are written down of this version and the one that it replaced; of none if it did not."""
        is_champion = self._run.context.registry.champion(self._run.model).number == champion
        before = predecessor(self._run.context) if self._is_kept and is_champion else ()
        self._numbers = (champion, *before) if before else ()

    def add(self, kept: Row, label: float) -> None:
        """Write down an event."""
        if self._numbers:
            self._events[self._numbers].append((kept, label))

    def losses(self) -> tuple[OnlineLoss, ...]:
        """What was lost since this was asked before, by version and time block."""
        # All at once: the registry takes a version and time block once a checkpoint, however often learning diverged.
        events, self._events = self._events, defaultdict(list)
        return tuple(one for numbers, some in events.items() for one in self._lost(numbers, some))

    def _lost(self, numbers: tuple[int, ...], events: Sequence[tuple[Row, float]]) -> tuple[OnlineLoss, ...]:
        try:
            return lost(self._run.context, numbers, events)
        except (ArtifactMissing, ArtifactCorrupt, InvalidSpec) as error:  # learning goes on all the same
            self._run.attention.append(f"{error} What comes of version {numbers[0]} is not written down")
            self._numbers = () if numbers == self._numbers else self._numbers
            return ()


def lost(context: Context, numbers: Sequence[int], events: Sequence[tuple[Row, float]]) -> tuple[OnlineLoss, ...]:
    """The mean losses of some versions on labelled events, by time block; of no version where one lacks a column.

    A block on which the loss of one of them is not finite is left out for all: they are compared on the same rows.
    Where rows that arrive together are a block, these events are one.
    """
    versions = [context.registry.version(context.spec.name, number) for number in numbers]
    specs = [context.spec_of(version) for version in versions]
    with TemporaryDirectory() as folder:
        record, file = write_events(context.spec, events, Path(folder))
        if any(lacking(spec.schema, file) for spec in specs):
            return ()
        found = []
        for version, spec in zip(versions, specs, strict=True):
            # Both have one base, mostly: its features are computed once.
            said = predict(spec, context.model_files(version), [file], split="all", cache=Path(folder))
            if spec.schema.block == ARRIVAL:
                said = replace(said, block=None)
            losses = row_losses(spec.objective, said.target, said.prediction)
            for _, block, *figures in block_means(spec.objective, said, losses, [record]).iter_rows():
                found.append(OnlineLoss(version.number, block.replace(tzinfo=UTC), *figures))
    unknown = {one.block for one in found if not math.isfinite(one.loss)}
    return tuple(one for one in found if one.block not in unknown)
