"""Where a consumer's events come from, by what a person calls it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from errors import InvalidSpec

if TYPE_CHECKING:
    from arrivals.event_sources import Source
    from tasks.run import Context

PARTITIONS, PIPE = "partitions", "-"
REDIS = "redis://", "rediss://", "unix://"


def open_source(name: str, context: Context) -> Source:
    """The source of this name: "partitions", "-", a Redis stream's address, or else a file.

    Raises:
        InvalidSpec: the model takes more of a row than a line of JSON holds.
        UnreachableSource: nobody answers there, or there is no such file.
    """
    from arrivals.event_sources import GrowingFile, Pipe
    from arrivals.events import EventReader
    from arrivals.partition_events import PartitionEvents
    from arrivals.redis_stream import RedisStream
    from learning.data import PartitionFile
    from learning.stored import filled

    schema = context.spec.schema
    if schema.window or schema.files:
        what = "windows" if schema.window else "files"
        why = f"of an event neither {what} nor what else arrived is known"
        raise InvalidSpec(f"learning model '{context.spec.name}' online", why, "retrain it on a schedule")
    if name == PARTITIONS:
        return PartitionEvents(context.newest, lambda path: filled(schema, PartitionFile("", path)).collect())
    reader = EventReader(context.spec)
    if name == PIPE:
        return Pipe(reader)
    return RedisStream(name, reader) if name.startswith(REDIS) else GrowingFile(Path(name), reader)
