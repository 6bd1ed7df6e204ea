"""A model's past, made ready to be gone through once more: what arrived when, and its files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from arrivals.partition_files import PartitionFiles
from arrivals.past import Arriving, Steps, arriving, at_once, moments, portions
from db.arrival_records import PartitionRecord
from db.artifacts import ArtifactStore
from errors import InvalidBacktest
from learning.digests import json_digest
from learning.environment import code_digest, environment
from learning.overrides import Policy
from learning.work_folder import plan_of
from settings import Settings
from tasks.lived import Came
from tasks.run import Context

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """What is gone through: under which policies, from when to when, in which steps.

    Args:
        policies: beside what the spec has now, and what always promotes.
        start: when version 1 is made of what was there; by default after the first third of the history.
        end: when to stop; by default when all has arrived.
        step: time between two runs.
    """

    policies: tuple[Policy, ...]
    start: datetime | None = None
    end: datetime | None = None
    step: timedelta = timedelta(weeks=1)


@dataclass(frozen=True)
class History:
    """A past that is ready to be gone through.

    Args:
        model: its name.
        came: what arrived when, and the steps.
        settings: of all policies; `home` is the model's folder of backtests.
        period: folder of what begins with the same version 1.
    """

    model: str
    came: Came
    settings: Settings
    period: Path


def prepared(context: Context, asked: Asked) -> History:
    """Make the past ready: when each partition was there, and its file, linked, where all policies find it."""
    spec, registry, settings = context.spec, context.registry, context.settings
    home = settings.home / "backtests" / spec.name
    own = settings.model_copy(update={"home": home, "artifact_root": str(home / "artifacts")})
    place = {entry.digest: number for number, entry in enumerate(registry.ledger(spec.name))}
    taken = sorted(registry.partitions(spec.name), key=lambda p: place[p.digest])
    if not taken:
        raise InvalidBacktest(f"the past of '{spec.name}'", "nothing has arrived", "let rows arrive first")
    there = moments(taken)
    end = asked.end or max(there.values())
    steps = Steps(asked.start or first_third(taken, there, end, asked.step), asked.step)
    arrivals = sorted(arrived(context, taken, there, steps, own), key=lambda one: one.at)
    last = steps.number(end) if asked.end is None else (asked.end - steps.start) // steps.length
    if last < 1 or not any(one.at <= steps.start for one in arrivals):
        fix = f"give a --from after {min(there.values()):%Y-%m-%d} and well before {end:%Y-%m-%d}, or a shorter --step"
        raise InvalidBacktest(f"steps from {steps.start:%Y-%m-%d %H:%M} on", "version 1, or a step, has no rows", fix)
    known = tuple(one for one in arrivals if steps.number(one.at) <= last)
    before = [one.partition.digest for one in known if one.at <= steps.start]
    key = json_digest([code_digest(spec), plan_of(spec.pretrain), before, str(steps.start), environment()])[:16]
    return History(spec.name, Came(steps, last, known, Path(own.artifact_root)), own, home / key)


def first_third(
    taken: Sequence[PartitionRecord], there: Mapping[str, datetime], end: datetime, step: timedelta
) -> datetime:
    """When the first third of the history had arrived; with steps of days, the midnight (UTC) after it."""
    begun = min(p.time_from for p in taken)
    third = begun + (end - begun) / 3
    start = max((at for at in there.values() if at <= third), default=third)
    midnight = datetime.combine(start.astimezone(UTC), time(), UTC)
    return start if step < DAY or start == midnight else midnight + DAY


def arrived(
    context: Context, taken: Sequence[PartitionRecord], there: Mapping[str, datetime], steps: Steps, own: Settings
) -> Iterator[Arriving]:
    """What arrives: partitions as they are, and those that came at once with more than a step's rows in portions."""
    superseded = context.registry.superseded(context.spec.name)
    fixed = {digest for one in superseded for digest in (one.partition, one.by)}
    backlog = {p.digest for p in at_once(taken) if p.time_to - p.time_from > steps.length and p.kind == "rows"}
    cut = set() if context.spec.schema.window else backlog - fixed  # a window counts the rows of its partition
    with PartitionFiles(ArtifactStore(own.artifact_root, own.cache), own.work / f"portions-{os.getpid()}") as files:
        for partition in taken:
            link(context.store.fetch(partition.artifact), Path(own.artifact_root) / partition.uri)
            if partition.digest in cut:
                yield from portions(partition, files, context.spec.schema, steps)
            else:
                yield arriving(partition, there[partition.digest], superseded)


def link(source: Path, target: Path) -> None:
    """Let a file be there too, which takes no room; a copy of it where the disk is another one."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy(source, target)
