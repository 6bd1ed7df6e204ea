"""Where a consumer's events come from, by what a person calls it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from errors import InvalidSpec, UnreachableSource
from evergreen_client.shown import masked

if TYPE_CHECKING:
    from arrivals.event_sources import Source
    from tasks.run import Context

PARTITIONS, PIPE = "partitions", "-"
REDIS = "redis://", "rediss://", "unix://"


def refuse_secret(name: str) -> None:
    """Refuse an address with a password, before anybody keeps it.

    Raises:
        UnreachableSource: it has one; says where it belongs.
    """
    if name.startswith(REDIS) and urlsplit(name).password is not None:
        why = "Prefect keeps the parameters of its runs, and they would hold the password"
        raise UnreachableSource(f"events from {masked(name)}", why, "leave it out, and set EVERGREEN_REDIS_PASSWORD")


def open_source(name: str, context: Context) -> Source:
    """The source of this name: "partitions", "-", a Redis stream's address, or else a file.

    Raises:
        InvalidSpec: the model takes more of a row than a line of JSON holds.
        UnreachableSource: nobody answers there, there is no such file, or the address has a password.
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
    if name.startswith(REDIS):
        refuse_secret(name)
        return RedisStream(name, reader, context.settings.redis_password.get_secret_value())
    return GrowingFile(Path(name), reader)
