"""What came of a promotion, on events: the champion and the version that it replaced predict those that came since.

Both predict as they were registered, which is how they are served; the learner itself has learned on since. So the book
of promises says of events what it says of partitions, and the watch takes back what is shown to be worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from db.online_records import OnlineLoss
from errors import ArtifactCorrupt, ArtifactMissing, InvalidSpec
from evaluation.losses import row_losses
from learning.prediction import predict
from learning.schema import ARRIVAL
from learning.stored import lacking
from tasks.event_file import written
from tasks.online_learner import Row
from tasks.score_champion import by_block
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
        self._events, self._lost = list[tuple[Row, float]](), list[OnlineLoss]()

    def open(self, champion: int) -> None:
        """From now on events are written down of this version and the one that it replaced; of none if it did not."""
        self._count_up()
        is_champion = self._run.context.registry.champion(self._run.model).number == champion
        before = predecessor(self._run.context) if self._is_kept and is_champion else ()
        self._numbers = (champion, *before) if before else ()

    def add(self, kept: Row, label: float) -> None:
        """Write down an event."""
        if self._numbers:
            self._events.append((kept, label))

    def losses(self) -> tuple[OnlineLoss, ...]:
        """What was lost since this was asked before, by version and time block."""
        self._count_up()
        found, self._lost = self._lost, []
        return tuple(found)

    def _count_up(self) -> None:
        events, self._events = self._events, []
        try:
            self._lost += lost(self._run.context, self._numbers, events) if events else ()
        except (ArtifactMissing, ArtifactCorrupt, InvalidSpec) as error:  # learning goes on all the same
            self._run.attention.append(f"{error} What comes of version {self._numbers[0]} is not written down")
            self._numbers = ()


def lost(context: Context, numbers: Sequence[int], events: Sequence[tuple[Row, float]]) -> Iterator[OnlineLoss]:
    """The mean losses of some versions on labelled events, by time block; of no version where one lacks a column.

    Where rows that arrive together are a block, these events are one.
    """
    versions = [context.registry.version(context.spec.name, number) for number in numbers]
    specs = [context.spec_of(version) for version in versions]
    with TemporaryDirectory() as folder:
        record, file = written(context.spec, events, Path(folder))
        if any(lacking(spec.schema, file) for spec in specs):
            return
        for version, spec in zip(versions, specs, strict=True):
            # Both have one base, mostly: its features are computed once.
            found = predict(spec, context.model_files(version), [file], split="all", cache=Path(folder))
            if spec.schema.block == ARRIVAL:
                found = replace(found, block=None)
            losses = row_losses(spec.objective, found.target, found.prediction)
            for one in by_block(found, losses, [record]):
                yield OnlineLoss(version.number, one.block, one.rows, one.loss)
