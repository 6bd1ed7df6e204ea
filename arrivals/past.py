"""What arrived, as it arrived: when each partition was there, by the clock of its rows.

Of what came at once, as the backlog that version 1 learned from, nobody knows any more when it was there; it is taken
to have been there when its newest row happened, and cut into portions as they would have come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from arrivals.keys import HOLDOUT, content_digest
from db.arrival_records import NewArrival, NewLandedFile, NewPartition, PartitionRecord, Superseded

if TYPE_CHECKING:
    from arrivals.partition_files import PartitionFiles
    from learning.spec import Schema

RULES = "backtest"  # of a landed file that a backtest records: nobody has read it again


@dataclass(frozen=True)
class Arriving:
    """A partition, when it was there, and which rows of earlier ones it supersedes."""

    at: datetime
    partition: NewPartition
    superseded: tuple[Superseded, ...] = ()


@dataclass(frozen=True)
class Steps:
    """Moments at equal distances: the bootstrap is at the first, and a run at each that follows."""

    start: datetime
    length: timedelta

    def number(self, moment: datetime) -> int:
        """The first step at which what was there by a moment is there; 0 is the bootstrap."""
        return max(0, math.ceil((moment - self.start) / self.length))

    def nearest(self, moment: datetime) -> int:
        """The step that was running at a moment: what it records comes some ticks after its beginning."""
        return round((moment - self.start) / self.length)

    def at(self, number: int) -> datetime:
        """When a step is.

        Example:
            >>> weekly = Steps(datetime(2024, 1, 1), timedelta(weeks=1))
            >>> weekly.number(weekly.at(2)), weekly.number(weekly.at(2) + timedelta(hours=1))
            (2, 3)
        """
        return self.start + number * self.length


def moments(partitions: Sequence[PartitionRecord]) -> dict[str, datetime]:
    """When each partition was there, by digest.

    What a later run took was there when it was taken. Where the rows' clock is another one than ours, as where last
    year's rows are taken today, the order is kept: it was there when the newest row of all before it had happened.

    Args:
        partitions: in the order in which they were taken.
    """
    if not partitions:
        return {}
    long = max(p.time_to for p in partitions) - min(p.time_from for p in partitions)
    found: dict[str, datetime] = {}
    newest = min(p.time_to for p in partitions)
    for place, (_, run) in enumerate(groupby(partitions, key=lambda p: (p.run_id, p.run_id or p.arrived_at))):
        together = list(run)
        for one in together:
            lag = one.arrived_at - one.time_to
            known = place > 0 and timedelta(0) <= lag <= long
            found[one.digest] = one.arrived_at if known else one.time_to if place == 0 else max(newest, one.time_to)
        newest = max(newest, *(found[one.digest] for one in together))
    return found


def at_once(partitions: Sequence[PartitionRecord]) -> tuple[PartitionRecord, ...]:
    """Those that the first run took, of partitions in the order in which they were taken."""
    first = next(groupby(partitions, key=lambda p: (p.run_id, p.run_id or p.arrived_at)), None)
    return tuple(first[1]) if first else ()


def portions(partition: PartitionRecord, files: PartitionFiles, schema: Schema, steps: Steps) -> Iterator[Arriving]:
    """A partition of rows that came at once, cut into what would have arrived for each step."""
    rows = files.read(partition).sort(schema.event_time, maintain_order=True)
    begun = steps.number(partition.time_from)
    for number in range(begun, steps.number(partition.time_to) + 1):
        after = steps.at(number - 1) if number > begun else None
        times = pl.col(schema.event_time)
        mine = (times <= steps.at(number)) & (pl.lit(value=True) if after is None else times > after)
        if (part := rows.filter(mine)).height:
            stored = files.put(files.write(part), "partition", content_digest(part))
            bounds = part[schema.event_time]
            yield Arriving(
                bounds.max(),  # type: ignore[arg-type]
                replace(
                    _new(partition),
                    digest=stored.digest,
                    uri=stored.uri,
                    sha256=stored.sha256,
                    bytes=stored.bytes,
                    rows=part.height,
                    holdout_rows=int(part[HOLDOUT].sum()),
                    labelled_rows=schema.labelled_examples(part),
                    time_from=bounds.min(),  # type: ignore[arg-type]
                    time_to=bounds.max(),  # type: ignore[arg-type]
                ),
            )


def arriving(partition: PartitionRecord, at: datetime, superseded: Sequence[Superseded]) -> Arriving:
    """A partition as it is."""
    return Arriving(at, _new(partition), tuple(one for one in superseded if one.by == partition.digest))


def arrival(one: Arriving, seen: int, run_id: int) -> NewArrival:
    """What a registry records of it, as of a landed file that has nothing else in it."""
    rows, partition = one.partition.rows, replace(one.partition, run_id=run_id)
    file = NewLandedFile(
        uri=partition.source_uri, stamp=partition.digest, rules=RULES, ingest=f"{run_id:032}", rows=rows, taken=rows
    )
    return NewArrival(partition.model, seen, file, (partition,), (), run_id, one.superseded)


def _new(partition: PartitionRecord) -> NewPartition:
    facts = {name: value for name, value in vars(partition).items() if name != "arrived_at"}
    return NewPartition(**facts)
