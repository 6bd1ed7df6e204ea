"""Where a consumer's events come from, by what a person calls it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from errors import InvalidSpec, UnreachableSource
from evergreen_client.shown import masked

if TYPE_CHECKING:
    from arrivals.event_sources import Source
    from learning.spec import ModelSpec
    from settings import Settings
    from tasks.run import Context

PARTITIONS, PIPE = "partitions", "-"
REDIS = "redis://", "rediss://", "unix://"


def refuse_secret(name: str) -> None:
    """Refuse an address with a password, or a query, which may hold one, before anybody keeps it.

    Raises:
        UnreachableSource: it has one; says where it belongs. Or it is no address.
    """
    if "://" not in name:
        return
    why = "Prefect keeps the parameters of its runs, and they would hold the password"
    try:
        parts = urlsplit(name)
        secret = parts.password is not None or bool(parts.query) or bool(parts.fragment)
    except ValueError:
        why, secret = "it is no address", True
    if secret:
        fix = "write redis://host:port/stream and nothing more, and set EVERGREEN_REDIS_PASSWORD"
        raise UnreachableSource(f"events from {masked(name.partition('?')[0])}", why, fix)


def consumer_name(name: str) -> str:
    """What a source's consumer is known by: the same one, however a person writes the file's or stream's name.

    Example:
        >>> consumer_name("redis://Host:6379/flights/")
        'redis://host/flights'
        >>> consumer_name("events.jsonl") == consumer_name("./events.jsonl") == str(Path("events.jsonl").resolve())
        True
    """
    if name in {PARTITIONS, PIPE}:
        return name
    if name.startswith(REDIS):
        refuse_secret(name)
        parts = urlsplit(name)
        if parts.scheme == "unix":
            return f"unix://{parts.netloc}/{parts.path.strip('/')}"
        host, path = parts.netloc.lower().removesuffix(":6379"), f"/{parts.path.strip('/')}"
        return parts._replace(netloc=host, path=path).geturl()
    return os.path.realpath(name)


def refuse_source(name: str, spec: ModelSpec, settings: Settings) -> None:
    """Refuse what no events of this model can come from, before anything is started.

    Raises:
        InvalidSpec: the model takes more of a row than an event holds.
        UnreachableSource: nobody answers there, there is no such file, or the address has a password.
    """
    _refuse_more_than_rows(spec)
    if name not in {PARTITIONS, PIPE}:
        _stream(name, spec, settings)


def open_source(name: str, context: Context) -> Source:
    """The source of this name: "partitions", "-", a Redis stream's address, or else a file.

    Raises:
        InvalidSpec: the model takes more of a row than an event holds.
        UnreachableSource: nobody answers there, there is no such file, or the address has a password.
    """
    from arrivals.partition_events import PartitionEvents
    from learning.data import PartitionFile
    from learning.stored import filled

    _refuse_more_than_rows(context.spec)
    if name == PARTITIONS:
        schema = context.spec.schema
        return PartitionEvents(context.newest, lambda path: filled(schema, PartitionFile("", path)).collect())
    return _stream(name, context.spec, context.settings)


def _stream(name: str, spec: ModelSpec, settings: Settings) -> Source:
    from arrivals.event_sources import GrowingFile, Pipe
    from arrivals.events import EventReader
    from arrivals.redis_stream import RedisStream

    reader = EventReader(spec)
    if name == PIPE:
        return Pipe(reader)
    refuse_secret(name)
    if name.startswith(REDIS):
        return RedisStream(name, reader, settings.redis_password.get_secret_value(), _warn)
    if "://" in name or not name:
        why, fix = "no events come from such a place", f'name a file, "{PARTITIONS}", - or {REDIS[0]}host/stream'
        raise UnreachableSource(f"events from {masked(name) or 'nowhere'}", why, fix)
    return GrowingFile(Path(consumer_name(name)), reader)


def _warn(sentence: str) -> None:
    from tasks.logs import run_logger  # Prefect's import takes long, and an address is refused without it

    run_logger().warning(sentence)


def _refuse_more_than_rows(spec: ModelSpec) -> None:
    schema = spec.schema
    if schema.window or schema.files:
        what = "windows" if schema.window else "files"
        why = f"of an event neither {what} nor what else arrived is known"
        raise InvalidSpec(f"learning model '{spec.name}' online", why, "retrain it on a schedule")
