"""Values of a cursor column: written down so that they keep their type, moved back by an overlap, kept from the future.

In SQLite a time is a text, and so it is in many a table elsewhere. A text that begins like 2024-01-31T17:05:00, or is
such a date, is taken for a time; it is compared as the text that it is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?P<rest>(?P<between>[T ])\d{2}:\d{2}.*)?")
LARGEST = 1.7976931348623157e308  # of all floats


class Beyond(str):
    """A time of the database that Python has no datetime for, as PostgreSQL's infinity."""

    __slots__ = ()


def written(value: Any) -> str | None:
    """A cursor value as text that keeps its type."""
    if value is None:
        return None
    if isinstance(value, datetime | date):
        return json.dumps({type(value).__name__: value.isoformat()})
    if isinstance(value, Decimal):
        return json.dumps({"Decimal": str(value)})
    return json.dumps(value if isinstance(value, int | float | str) else str(value))


def read(text: str | None) -> Any:
    """The value of a written one."""
    value = None if text is None else json.loads(text)
    if not isinstance(value, dict):
        return value
    [(kind, words)] = value.items()
    kinds: dict[str, Callable[[str], Any]] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}
    return kinds.get(kind, Decimal)(words)


def before(value: Any, overlap: timedelta | float) -> Any:
    """The value that much earlier, or smaller.

    Raises:
        TypeError: there is no such thing.
        ValueError: it is a text, and no time.

    Example:
        >>> before(100, 10), before("2024-01-01 00:00:05Z", timedelta(seconds=5))
        (90, '2024-01-01 00:00:00')
    """
    if isinstance(value, str):
        return _like(value, datetime.fromisoformat(value) - _span(overlap))
    if isinstance(value, datetime):
        return value - _span(overlap)
    if isinstance(value, date):
        return value - _span(overlap) - timedelta(days=bool(_span(overlap).seconds))
    if isinstance(overlap, timedelta):
        raise TypeError(overlap)
    return value - (Decimal(str(overlap)) if isinstance(value, Decimal) else overlap)


def limit(value: Any, now: datetime) -> Any:
    """What no cursor may be larger than, in the form of this value; None if the value is small enough.

    Args:
        value: a cursor value.
        now: the present instant, in the zone of times that are written without an offset.

    Example:
        >>> noon = datetime.fromisoformat("2024-01-01T12:00:00+00:00")
        >>> limit("2099-01-01 00:00:00", noon), limit("2023-01-01 00:00:00", noon), limit(7, noon)
        ('2024-01-01 12:00:00', None, None)
    """
    if isinstance(value, Beyond):
        return now
    if isinstance(value, float | Decimal):
        return None if math.isfinite(value) else type(value)(LARGEST)
    if isinstance(value, str):
        return _text_limit(value, now) if TIME.fullmatch(value) else None
    if isinstance(value, datetime):
        most: date = _here(value, now)
    elif isinstance(value, date):
        most = now.date()
    else:
        return None
    return most if value > most else None


def _text_limit(value: str, now: datetime) -> str | None:
    """The limit of a text that looks like a time; it may be none that exists, and then it is not trusted."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return _like(value, now)
    return _like(value, most) if moment > (most := _here(moment, now)) else None


def _here(moment: datetime, now: datetime) -> datetime:
    """The present instant in the zone of a moment; without zone, if it has none."""
    return now.astimezone(moment.tzinfo) if moment.tzinfo else now.replace(tzinfo=None)


def _span(overlap: timedelta | float) -> timedelta:
    if not isinstance(overlap, timedelta):
        raise TypeError(overlap)
    return overlap


def _like(sample: str, moment: datetime | date) -> str:
    """A moment as text that sorts like the sample: whole seconds, for a text that goes on sorts after one that ends."""
    found = TIME.fullmatch(sample)
    if not found:
        raise ValueError(sample)
    return f"{moment:%Y-%m-%d}" if found["rest"] is None else f"{moment:%Y-%m-%d{found['between']}%H:%M:%S}"
