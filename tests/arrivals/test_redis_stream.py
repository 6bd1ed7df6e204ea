"""Events in a Redis stream, by the real client library; the server is a few lines here that know three commands."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from arriving import SPEC

from arrivals.events import Event, EventReader
from arrivals.redis_stream import FIRST, RedisStream
from errors import UnreachableSource

Fields = dict[str, str]


class FakeRedis(socketserver.ThreadingTCPServer):
    """One stream, as Redis' protocol (RESP2) gives it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.entries: dict[tuple[int, int], Fields] = {}
        self.removed = FIRST
        self.away = 0  # commands that get no answer, as while the server is restarted
        self.password = ""


class Answering(socketserver.StreamRequestHandler):
    """Answers one client."""

    server: FakeRedis

    def handle(self) -> None:
        """Command after command."""
        while words := command(self.rfile):
            if self.server.away and words[0].upper() == "XRANGE":
                self.server.away -= 1
                return
            self.wfile.write(self.answer(*words))

    def answer(self, name: str, *words: str) -> bytes:
        """What Redis would say."""
        if name.upper() == "AUTH" and words[-1] != self.server.password:
            return b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        if name.upper() == "EXISTS":
            return b":%d\r\n" % bool(self.server.entries)
        if name.upper() == "XINFO":
            newest = "{}-{}".format(*max(self.server.entries))
            return resp(["max-deleted-entry-id", self.server.removed, "last-generated-id", newest, "last-entry", None])
        if name.upper() == "XRANGE":
            after = tuple(map(int, words[1].removeprefix("(").split("-")))
            there = sorted(self.server.entries.items())
            found = [one for one in there if one[0] > after or (one[0] == after and words[1][0] != "(")]
            shown = [[f"{a}-{b}", [part for pair in fields.items() for part in pair]] for (a, b), fields in found]
            return resp(shown[: int(words[4])])
        return b"+OK\r\n" if name.upper() in {"AUTH", "CLIENT", "SELECT"} else b"-ERR unknown command\r\n"


def command(stream: BinaryIO) -> list[str]:
    """The next command's words."""
    count = int(stream.readline()[1:] or 0)
    words = []
    for _ in range(count):
        size = int(stream.readline()[1:])
        words.append(stream.read(size + 2)[:-2].decode())
    return words


def resp(value: object) -> bytes:
    """A value as the protocol has it."""
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(resp, value))
    if isinstance(value, int):
        return b":%d\r\n" % value
    if value is None:
        return b"$-1\r\n"
    text = str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    """The server, in a thread."""
    with FakeRedis() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_entries_are_events_and_their_ids_are_positions(redis: FakeRedis) -> None:
    """As JSON in one field, or a field for each column; a reader goes on behind any of them."""
    as_json = '{"at": "2024-01-01T00:00:00Z", "id": "1", "speed": 1, "city": "Oslo", "late": 1}'
    redis.entries[5, 0] = {"event": as_json}
    redis.entries[5, 1] = {"at": "2024-01-01T00:00:01Z", "id": "2", "speed": "2.5", "city": "Rome", "late": "0"}
    redis.entries[7, 0] = {"event": "nonsense"}
    url = f"redis://127.0.0.1:{redis.server_address[1]}/flights"
    source = RedisStream(url, EventReader(SPEC))
    (first, one), (second, other), (bad, last) = source.read(source.begin(), 99)
    assert (one, other, last) == ("5-0", "5-1", "7-0")
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert (first.row["id"], second.row["speed"], second.label) == ("1", 2.5, 0.0)
    assert not isinstance(bad, Event)
    assert [place for _, place in source.read("5-0", 1)] == ["5-1"]
    assert (source.behind("5-0"), source.read("7-0", 9), source.told) == (2, [], [])


def test_it_is_told_that_entries_were_removed_unread(redis: FakeRedis) -> None:
    """A stream is trimmed by its length: who was away for long has missed some."""
    redis.entries[9, 0], redis.removed = {"event": "{}"}, "8-0"
    url = f"redis://127.0.0.1:{redis.server_address[1]}/flights"
    source = RedisStream(url, EventReader(SPEC))
    source.read("5-0", 9)
    source.read("9-0", 9)
    assert source.told == [f"entries of {url} behind the last one that was read are not there any more"]


@pytest.mark.parametrize(
    ("url", "why"),
    [("redis://127.0.0.1:1/flights", "no answer"), ("redis://me:s3cret@127.0.0.1:1", "the address names no stream")],
)
def test_an_address_where_no_stream_is_is_refused_without_its_password(url: str, why: str) -> None:
    """In a sentence."""
    with pytest.raises(UnreachableSource, match=why) as refused:
        RedisStream(url, EventReader(SPEC))
    assert "s3cret" not in str(refused.value)


def test_it_is_told_that_a_stream_was_trimmed_beyond_the_last_entry_that_was_read(redis: FakeRedis) -> None:
    """Also while it is read. Redis does not say what was trimmed, so it is told that some may be lost, and once."""
    url = f"redis://127.0.0.1:{redis.server_address[1]}/flights"
    redis.entries = {(number, 0): {"event": "{}"} for number in (5, 6)}
    source = RedisStream(url, EventReader(SPEC))
    assert [place for _, place in source.read("5-0", 1)] == ["6-0"]
    assert (source.read("6-0", 9), source.behind("6-0"), source.told) == ([], 0, [])
    for number in (9, 12):
        redis.entries = {(number, 0): {"event": "{}"}}
        assert [place for _, place in source.read(f"{number - 3}-0", 1)] == [f"{number}-0"]
    gone = f"the entry of {url} that was read last is not there any more: entries behind it may have gone unread, too"
    assert source.told == [gone]


def test_a_stream_that_is_written_anew_while_it_is_read_is_read_from_its_beginning(redis: FakeRedis) -> None:
    """Its entries have smaller ids than those that were read, so that none of them would ever come."""
    url = f"redis://127.0.0.1:{redis.server_address[1]}/flights"
    redis.entries = {(number, 0): {"event": "{}"} for number in (5, 6)}
    source = RedisStream(url, EventReader(SPEC))
    assert [place for _, place in source.read(source.begin(), 9)] == ["5-0", "6-0"]
    redis.entries = {}
    assert source.read("6-0", 9) == []
    redis.entries = {(number, 0): {"event": "{}"} for number in (1, 2)}
    assert [place for _, place in source.read("6-0", 9)] == ["1-0", "2-0"]
    assert source.told == [f"{url} was written anew, or is that of an older backup: it is read from its beginning"]


def test_a_server_that_goes_away_is_waited_for(redis: FakeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart ends no run of an hour; one that stays away does, and the next run goes on there."""
    redis.entries = {(number, 0): {"event": "{}"} for number in (5, 6)}
    url, warned = f"redis://127.0.0.1:{redis.server_address[1]}/flights", list[str]()
    source = RedisStream(url, EventReader(SPEC), warn=warned.append)
    redis.away = 2
    assert [place for _, place in source.read("5-0", 9)] == ["6-0"]
    assert (redis.away, warned) == (0, [f"events from {url}: no answer; waiting up to a minute"])
    monkeypatch.setattr(source, "_patience", 0.6)
    redis.away = 1_000
    with pytest.raises(UnreachableSource, match="no answer"):
        source.read("5-0", 9)
    assert redis.away > 990


def test_a_wrong_password_is_refused_at_once(redis: FakeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it was changed while the stream is read: the client calls that a lost connection."""
    redis.password = "s3cret"  # noqa: S105 - of the server above
    url = f"redis://127.0.0.1:{redis.server_address[1]}/flights"
    with pytest.raises(UnreachableSource, match=r"it refuses the password.*set EVERGREEN_REDIS_PASSWORD") as refused:
        RedisStream(url, EventReader(SPEC), "another")
    assert "another" not in str(refused.value)
    warned = list[str]()
    source = RedisStream(url, EventReader(SPEC), "s3cret", warned.append)
    monkeypatch.setattr(source, "_patience", 5.0)
    redis.password, redis.away = "changed", 1
    with pytest.raises(UnreachableSource, match="set EVERGREEN_REDIS_PASSWORD"):
        source.read("5-0", 9)
    assert len(warned) == 1, "it was away, then it refused"
