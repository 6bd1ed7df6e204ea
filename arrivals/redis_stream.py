"""Events in a Redis stream: `redis://host/stream`, `rediss://user@host:port/stream`, `unix:///path/of.sock/stream`."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from arrivals.event_sources import Stream
from errors import UnreachableSource
from evergreen_client.shown import gist, masked

if TYPE_CHECKING:
    from arrivals.event_sources import Portion
    from arrivals.events import EventReader

FIRST = "0-0"
COUNTED = 1_000  # entries that are counted at most, where it is asked how many wait
SECONDS = 10.0  # of waiting for an answer
PATIENCE = 60.0  # seconds in which a server that answered before may come back, as after a restart


class RedisStream(Stream):
    """One stream: an entry is an event, as JSON in its only field, or with a field for each column.

    Positions are the entries' own ids, so nothing is written to Redis: no consumer group, and nothing to acknowledge.

    Args:
        url: where it is; the path names the stream.
        reader: reads its lines.
        password: if it asks for one.
        warn: is told in a sentence that a server which answered before is waited for.

    Raises:
        UnreachableSource: no Redis answers there, it refuses the password, the URL names no stream, or the client
            library is not installed.
    """

    def __init__(
        self,
        url: str,
        reader: EventReader,
        password: str = "",
        warn: Callable[[str], object] = logging.getLogger(__name__).warning,
    ) -> None:
        super().__init__(reader)
        self._warn = warn
        self._shown, (server, self._stream) = masked(url), parted(url)
        if not self._stream:
            fix = "write redis://host/stream, or unix:///path/of.sock/stream"
            raise UnreachableSource(f"events from {self._shown}", "the address names no stream", fix)
        self._client, self._patience = _client(server, password), 0.0  # of a wrong address it is said at once
        self._removed = self._told_of("max-deleted-entry-id", FIRST)
        self._patience = PATIENCE

    def begin(self) -> str:
        """The oldest entry that is there."""
        return FIRST

    def read(self, position: str, most: int) -> Portion:
        """The next entries."""
        entries, last_gone = self._behind(position, most)
        if not entries and _order(self._told_of("last-generated-id", position)) < _order(position):
            # no entry of this stream ever had such an id
            self._tell(f"{self._shown} was written anew, or is that of an older backup: it is read from its beginning")
            position = FIRST
            entries, last_gone = self._behind(position, most)
        if position != FIRST and _order(self._removed) > _order(position):
            self._tell(f"entries of {self._shown} behind the last one that was read are not there any more")
        elif entries and last_gone:
            why = "is not there any more: entries behind it may have gone unread, too"
            self._tell(f"the entry of {self._shown} that was read last {why}")
        self._removed = FIRST  # it is told once
        judged = self._reader.judge([_line(fields) for _, fields in entries])
        return [(one, _text(number)) for one, (number, _) in zip(judged, entries, strict=True)]

    def behind(self, position: str) -> int:
        """Entries behind a position, as far as they are counted."""
        return len(self._behind(position, COUNTED)[0])

    def _behind(self, position: str, most: int) -> tuple[list[Any], bool]:
        """The entries behind a position, and whether the one at it is gone, as where the stream was trimmed.

        Redis counts what was trimmed nowhere by its id. But it trims from the front, so that nothing behind an entry
        is gone while the entry is there.
        """
        found = self._ask("xrange", self._stream, position, "+", most + 1)
        if found and _text(found[0][0]) == position:
            return found[1:], False
        return found[:most], position != FIRST

    def _told_of(self, what: str, otherwise: str) -> str:
        """What Redis says of the stream; something else where there is none, or an old server does not say it."""
        info = (self._ask("exists", self._stream) and self._ask("xinfo_stream", self._stream)) or {}
        return _text(info.get(what, otherwise))

    def _tell(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.append(sentence)

    def _ask(self, command: str, *arguments: Any) -> Any:
        from redis import RedisError
        from redis.exceptions import AuthenticationError as WrongPassword
        from redis.exceptions import ConnectionError as Gone
        from redis.exceptions import TimeoutError as Slow

        end, is_waiting = time.monotonic() + self._patience, False
        while True:
            try:
                return getattr(self._client, command)(*arguments)
            except WrongPassword as error:  # for redis-py a lost connection: waiting would not mend it
                why, fix = (
                    f"it refuses the password ({gist(error)})",
                    "set EVERGREEN_REDIS_PASSWORD to the server's own",
                )
                fix += "; unset it where the server has none; a user goes into the address: redis://user@host/stream"
                raise UnreachableSource(f"events from {self._shown}", why, fix) from error
            except (RedisError, OSError) as error:
                if isinstance(error, Gone | Slow) and time.monotonic() < end:
                    if not is_waiting:
                        self._warn(f"events from {self._shown}: no answer; waiting up to a minute")
                    is_waiting = True
                    time.sleep(0.5)
                    continue
                fix = (
                    "see that Redis runs there, and that the address is right; the next run goes on where this one was"
                )
                raise UnreachableSource(f"events from {self._shown}", f"no answer ({gist(error)})", fix) from error


def parted(url: str) -> tuple[str, str]:
    """A server's address, and the name of a stream: behind a socket the last part of the path, behind a host all of it.

    Example:
        >>> parted("redis://host:6379/flights")
        ('redis://host:6379', 'flights')
        >>> parted("unix:///run/redis/redis.sock/flights")
        ('unix:///run/redis/redis.sock', 'flights')
    """
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return urlunsplit(parts._replace(path="")), parts.path.strip("/")
    socket, _, stream = parts.path.rstrip("/").rpartition("/")
    return f"unix://{parts.netloc}{socket}", stream if socket else ""


def _client(url: str, password: str) -> Any:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        fix = "install it: `pip install redis`"
        raise UnreachableSource("events from Redis", "its client library is not installed", fix) from error
    how = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS, "password": password or None}
    at_once = Retry(NoBackoff(), 0)  # how long it is tried again is ours to say
    try:
        return Redis.from_url(url, protocol=2, retry=at_once, **how)  # what servers before version 6 know, too
    except (ValueError, TypeError) as error:
        fix = "write redis://host:port/stream, with a number as port"
        raise UnreachableSource(f"events from {masked(url)}", f"it is no address ({gist(error)})", fix) from error


def _line(fields: dict[bytes, bytes]) -> bytes:
    """An entry as a line of JSON."""
    if len(fields) == 1:
        (line,) = fields.values()
        return line
    return json.dumps({_text(name): _text(value) for name, value in fields.items()}).encode()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _order(number: str) -> tuple[int, ...]:
    return tuple(map(int, number.split("-")))
