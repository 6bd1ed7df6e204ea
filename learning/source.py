"""Where a model's rows arrive, and how they are to be read: the part of a ModelSpec that arrivals go by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from errors import InvalidSpec
from learning.plans import Allowed, Checked

TIME_FORMATS = ("iso", "epoch_s", "epoch_ms", "day", "week", "month", "year")
PATTERN = re.compile(
    r"(?:(?!.*%I)|(?=.*%p))(?:(?=.*%d)|(?!.*%[HIMSpz.]))(?=.*%[mbB])(?=.*%[yY])(?:[^%\"\\]|%(?:[dmbByYHIMSpz]|\.f))+"
)  # a month, or a day and maybe a clock; twelve hours say nothing without their half of the day
Share = Annotated[float, Allowed(lambda share: 0 <= share <= 1, "a share, from 0 to 1")]
Duration = Annotated[timedelta, Allowed(lambda time: time >= timedelta(), "a timedelta of 0 or more")]
Pause = Allowed(lambda time: time is None or time > timedelta(), "a timedelta above 0, or None")
Stretch = Allowed(
    lambda span: span is None or (span >= timedelta() if isinstance(span, timedelta) else span >= 0),
    "a timedelta where the cursor is a time, a number where it is a number, 0 or more",
)


def is_zone(name: str) -> bool:
    """Whether a time zone has this name."""
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def one_of(*words: str) -> Allowed:
    """What a field of few words may be."""
    return Allowed(lambda word: word in words, " or ".join(map(repr, words)))


TimeFormat = Allowed(
    lambda word: word in TIME_FORMATS or bool(PATTERN.fullmatch(word)),
    f'{" or ".join(map(repr, TIME_FORMATS))}, or a pattern such as "%d.%m.%Y %H:%M"',
)


@dataclass(frozen=True)
class Source(Checked):
    """Where rows arrive. Environment variables in `path` are filled in, so that no secret stands in a spec.

    Args:
        path: folder, file or glob of CSV, Parquet or JSON Lines files, relative to the landing setting, or any
            fsspec URL; with a `query`, the SQLAlchemy URL of a database, as in "$WAREHOUSE_URL".
        query: name of a table or a SELECT statement, for rows that arrive in a database.
        cursor: column of the query that only grows; a run reads the rows past the last one it took.
        labels: like `path`, for files of labels that come later: the key's columns and the target.
        timezone: zone of times that are written without an offset.
        ignore: columns that may arrive and are left out; ("*",) for any that the schema does not name.
        settle: seconds for which a local file must stay as it is before it is taken.
        late: "train", or "keep" to store rows older than what was already seen without training on them.
        max_bad_share: share of refused rows in one run above which the run stops before training.
        corrections: of a row whose key was taken with other values: "refuse" it, as a conflict, or let it "replace"
            the row that was taken.
        expect_every: longest time without new rows; after it a run needs attention. None if silence is normal.
        max_future: how far ahead of now a row's time may be; one that is further is refused.
        overlap: how far before the last cursor value a query begins again, for rows that were committed late. A
            timedelta where the cursor is a time, a number where it is one.
        time_format: how times are written: "iso" (ISO 8601), or "epoch_s" or "epoch_ms" for numbers of seconds or
            milliseconds since 1970. Or whole numbers of steps: "day" and "month" from January 1970 on, which is 0,
            "week" from Monday, 5 January 1970, on, which is 0, or "year", as the calendar counts them. Or a pattern
            of %d, %m (%b and %B for names) and %Y or %y, also with %H, %I, %M, %S, %.f, %p and %z: "%d.%m.%Y %H:%M".
            One without a day, as "%Y-%m", is of months, which stand for the moment at which they begin.
            Times of JSON may be in ISO 8601 as well.
        decimal: what separates a number's decimals in text, "." or ",". JSON's own numbers are read as JSON has them.
        thousands: what separates its thousands: "", ",", ".", " " or "'".
    """

    path: str
    query: str = ""
    cursor: str = ""
    labels: str = ""
    timezone: Annotated[str, Allowed(is_zone, "the name of a time zone, such as Europe/Rome")] = "UTC"
    ignore: tuple[str, ...] = ()
    settle: float = 1.0
    late: Annotated[Literal["train", "keep"], one_of("train", "keep")] = "train"
    max_bad_share: Share = 0.1
    corrections: Annotated[Literal["refuse", "replace"], one_of("refuse", "replace")] = "refuse"
    expect_every: Annotated[timedelta | None, Pause] = None
    max_future: Duration = timedelta(days=1)
    overlap: Annotated[timedelta | float | None, Stretch] = None
    time_format: Annotated[str, TimeFormat] = "iso"
    decimal: Annotated[Literal[".", ","], one_of(".", ",")] = "."
    thousands: Annotated[Literal["", ",", ".", " ", "'"], one_of("", ",", ".", " ", "'")] = ""

    def __post_init__(self) -> None:
        """Refuse a source that cannot be read; raises InvalidSpec."""
        super().__post_init__()
        if not self.path:
            raise InvalidSpec("a Source", "it has no path", "name the folder, file, glob or URL where rows arrive")
        if bool(self.query) != bool(self.cursor):
            fix = "give both: the cursor is how a run knows which rows are new"
            raise InvalidSpec(f"query '{self.query}', cursor '{self.cursor}'", "one needs the other", fix)
        if self.decimal == self.thousands:
            fix = "give `decimal` and `thousands` two characters"
            raise InvalidSpec(f"decimal '{self.decimal}', thousands '{self.thousands}'", "they are the same", fix)
