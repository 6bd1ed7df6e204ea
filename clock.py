"""What time it is: the present, or the moment that a backtest has come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

TICK = timedelta(microseconds=1)  # so that what is recorded one after the other is in this order by its time, too


def present() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


CLOCK: ContextVar[Callable[[], datetime]] = ContextVar("clock", default=present)


def now() -> datetime:
    """The instant that it is, to all that is decided and recorded."""
    return CLOCK.get()()


@contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Let it be another time: what is decided within the block is what would have been decided then.

    The clock goes on by a microsecond whenever it is read. It is this clock alone that is set: ages of files and leases
    of processes go by the machine's.

    Args:
        moment: with its time zone.

    Example:
        >>> with as_of(datetime(2024, 3, 1, tzinfo=UTC)):
        ...     str(now()), str(now())
        ('2024-03-01 00:00:00+00:00', '2024-03-01 00:00:00.000001+00:00')
    """
    ticks = iter_ticks(moment.astimezone(UTC))
    token = CLOCK.set(lambda: next(ticks))
    try:
        yield
    finally:
        CLOCK.reset(token)


def iter_ticks(moment: datetime) -> Iterator[datetime]:
    """A moment, and what comes after it."""
    while True:
        yield moment
        moment += TICK
