"""Values of every type and way of writing: which are taken, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from corpus import Case, csv

PLAIN: Mapping[str, Any] = {}
COMMA = {"decimal": ",", "thousands": "."}
SECONDS, MILLISECONDS = {"time_format": "epoch_s"}, {"time_format": "epoch_ms"}
FAR = 2**62
NO_TIME, NO_NUMBER, NO_TEXT = "at is no time that exists", "speed is no number", "id is no text, flag or finite number"


def parquet(place: int, name: str, **changed: pl.Series) -> Callable[[Path], object]:
    """A writer of two good rows of their own minute, with a column replaced."""
    moment = datetime(2024, 6, 1, tzinfo=UTC) + timedelta(minutes=place)
    good = {
        "at": pl.Series([moment, moment]),
        "id": pl.Series([f"{name}-1", f"{name}-2"]),
        "speed": pl.Series([10.0, 20.0]),
        "city": pl.Series(["Oslo", "Rome"]),
        "late": pl.Series([1.0, 0.0]),
    }
    return pl.DataFrame(good | changed).write_parquet


# Two values of a type; then, for each role, how many rows are taken, how many refused, and the words about those.
Outcome = tuple[int, int, str]
TIME, KEY, NUMBER, TARGET, CATEGORY = "at", "id", "speed", "late", "city"


def none(role: str, of: str) -> Outcome:
    """Both rows are refused, with what the column wants and the type that came."""
    wanted = {TIME: NO_TIME, KEY: NO_TEXT, NUMBER: NO_NUMBER, TARGET: "late is no number", CATEGORY: "city is no text"}
    return 0, 2, wanted[role] if of == "" else f"; it arrived as {of}"


ALL: Outcome = (2, 0, "")
STRANGE: Outcome = (0, 2, "city is none of the allowed values Oslo, Rome")
TYPES: dict[str, tuple[pl.Series, dict[str, Outcome]]] = {
    "int8": (
        pl.Series([1, 0], dtype=pl.Int8),
        {TIME: none(TIME, "Int8"), KEY: ALL, NUMBER: ALL, TARGET: ALL, CATEGORY: STRANGE},
    ),
    "int64": (
        pl.Series([-1, 2**62]),
        {TIME: none(TIME, "Int64"), KEY: ALL, NUMBER: (0, 2, "speed is outside 0 to 100"), CATEGORY: STRANGE},
    ),
    "uint64": (
        pl.Series([2**64 - 1, 2**64 - 2], dtype=pl.UInt64),
        {TIME: none(TIME, "UInt64"), KEY: ALL, TARGET: (0, 2, "late is outside 0 to 1")},
    ),
    "int128": (pl.Series([1, 0], dtype=pl.Int128), {KEY: ALL, NUMBER: ALL, TARGET: ALL}),
    "float32": (
        pl.Series([1.0, float("nan")], dtype=pl.Float32),
        {TIME: (0, 2, "at is missing"), KEY: (1, 1, "id is missing"), NUMBER: ALL, TARGET: ALL},
    ),
    "float64": (
        pl.Series([0.5, float("inf")]),
        {KEY: (1, 1, NO_TEXT), NUMBER: (1, 1, "too large for a float32"), TARGET: (0, 2, "late is no whole number")},
    ),
    "decimal": (
        pl.Series([Decimal("1.00"), Decimal("0.50")], dtype=pl.Decimal(10, 2)),
        {TIME: none(TIME, "Decimal"), KEY: ALL, NUMBER: ALL, TARGET: (1, 1, "late is no whole number")},
    ),
    "boolean": (
        pl.Series([True, False]),
        {TIME: none(TIME, "Boolean"), KEY: ALL, NUMBER: ALL, TARGET: ALL, CATEGORY: STRANGE},
    ),
    "categorical": (
        pl.Series(["1", "fast"], dtype=pl.Categorical),
        {TIME: (0, 2, NO_TIME), KEY: ALL, NUMBER: (1, 1, NO_NUMBER), TARGET: (1, 1, "late is no number")},
    ),
    "enum": (pl.Series(["Rome", "Oslo"], dtype=pl.Enum(["Oslo", "Rome"])), {CATEGORY: ALL, NUMBER: (0, 2, NO_NUMBER)}),
    "enum-of-numbers": (pl.Series(["1", "0"], dtype=pl.Enum(["0", "1"])), {NUMBER: ALL, TARGET: ALL, KEY: ALL}),
    "binary": (
        pl.Series([b"1", b"\xff"]),
        {TIME: none(TIME, "Binary"), KEY: ALL, NUMBER: none(NUMBER, "Binary"), CATEGORY: STRANGE},
    ),
    "date": (
        pl.Series([date(2024, 5, 1), date(2024, 5, 2)]),
        {TIME: ALL, KEY: ALL, NUMBER: none(NUMBER, "Date"), TARGET: none(TARGET, "Date")},
    ),
    "far-date": (
        pl.Series([2**31 - 1, -(2**31)], dtype=pl.Int32).cast(pl.Date),
        {TIME: none(TIME, "Date"), KEY: none(KEY, "Date"), NUMBER: none(NUMBER, "Date")},
    ),
    "time": (
        pl.Series([time(1), time(2)]),
        {TIME: none(TIME, "Time"), KEY: ALL, NUMBER: none(NUMBER, "Time"), TARGET: none(TARGET, "Time")},
    ),
    "milliseconds": (
        pl.Series([FAR, 0]).cast(pl.Datetime("ms")),
        {TIME: (1, 1, NO_TIME), KEY: (1, 1, NO_TEXT), NUMBER: none(NUMBER, "Datetime")},
    ),
    "microseconds-in-rome": (
        pl.Series([-FAR, 0]).cast(pl.Datetime("us", "Europe/Rome")),
        {TIME: (1, 1, NO_TIME), KEY: (1, 1, NO_TEXT), TARGET: none(TARGET, "Datetime")},
    ),
    "nanoseconds": (
        pl.Series([FAR, -FAR]).cast(pl.Datetime("ns", "UTC")),
        {TIME: (1, 1, "at is more than 1 day ahead of now"), KEY: ALL, CATEGORY: STRANGE},
    ),
    "duration": (
        pl.Series([timedelta(1), timedelta(2)]),
        {role: none(role, "Duration") for role in (TIME, KEY, NUMBER, TARGET, CATEGORY)},
    ),
    "null": (
        pl.Series([None, None], dtype=pl.Null),
        {TIME: (0, 2, "at is missing"), KEY: (0, 2, "id is missing"), NUMBER: ALL, TARGET: ALL},
    ),
    "list": (
        pl.Series([[1.0], [2.0]]),
        {role: none(role, "List") for role in (TIME, KEY, NUMBER, TARGET, CATEGORY)},
    ),
    "list-of-binary": (pl.Series([[b"1"], [b"\xff"]]), {role: none(role, "List") for role in (TIME, KEY, CATEGORY)}),
    "list-of-far-times": (
        pl.Series([[FAR], [1]]).cast(pl.List(pl.Datetime("ms"))),
        {role: none(role, "List") for role in (TIME, KEY, NUMBER)},
    ),
    "list-of-structs": (pl.Series([[{"a": 1}], [{"a": 2}]]), {role: none(role, "List") for role in (KEY, NUMBER)}),
    "struct": (
        pl.Series([{"a": 1}, {"a": 2}]),
        {role: none(role, "Struct") for role in (TIME, KEY, NUMBER, TARGET, CATEGORY)},
    ),
    "struct-of-binary": (pl.Series([{"a": b"1"}, {"a": b"2"}]), {role: none(role, "Struct") for role in (KEY, NUMBER)}),
}
PAIRS = [(name, role, values, outcome) for name, (values, roles) in TYPES.items() for role, outcome in roles.items()]


def row(name: str, *, at: str = "2024-06-02T00:00:00Z", speed: str = "10") -> str:
    """One row as CSV."""
    return f"{at},{name}-1,{speed},Oslo,1"


def times(name: str, at: str, says: str = "", source: Mapping[str, Any] = PLAIN) -> Case:
    """A row with one time, which is taken unless something is to be said of it."""
    return Case(f"{name}.csv", csv(row(name, at=at)), int(not says), refused=int(bool(says)), says=says, source=source)


def numbers(name: str, speed: str, says: str = "", source: Mapping[str, Any] = PLAIN) -> Case:
    """A row with one number, likewise."""
    content = csv(row(name, speed=f'"{speed}"'))
    return Case(f"{name}.csv", content, int(not says), refused=int(bool(says)), says=says, source=source)


def jsonl(*identities: str, at: str, more: str = "") -> bytes:
    """Rows that differ only in how their id is written, and another line."""
    rows = [f'{{"at": "{at}", "id": {one}, "speed": 10, "city": "Oslo", "late": 1}}\n' for one in identities]
    return f"{''.join(rows)}{more}".encode()


CASES = [
    *(
        Case(
            f"{name}-as-{role}.parquet",
            parquet(place, f"{name}-as-{role}", **{role: values}),
            taken,
            0,
            0,
            refused,
            says,
        )
        for place, (name, role, values, (taken, refused, says)) in enumerate(PAIRS)
    ),
    # ISO 8601
    times("minutes", "2024-06-02T00:00Z"),
    times("basic", "20240602T000000Z"),
    times("basic-minutes", "20240602T0000+0200"),
    times("basic-day", "20240602"),
    times("lower-case", "2024-06-02t00:00:00z"),
    times("blanks", " 2024-06-02T00:00:00Z "),
    times("hours-of-offset", "2024-06-02 00:00:00+02"),
    times("midnight-at-the-end", "2024-06-02T24:00:00Z"),
    times("beyond-midnight", "2024-06-02T24:00:01Z", NO_TIME),
    times("decimal-comma-of-a-second", '"2024-06-02T00:00:00,5Z"'),
    times("ordinal", "2024-154T00:00:00Z"),
    times("week", "2024-W22-7"),
    times("hour-25", "2024-06-02T25:00Z", NO_TIME),
    times("minute-60", "2024-06-02T10:60Z", NO_TIME),
    times("offset-99", "2024-06-02T10:00+99:00", NO_TIME),
    times("day-366", "2023-366", NO_TIME),
    times("month-13", "20241302", NO_TIME),
    # numbers as times
    times("seconds-unnamed", "1717286400", 'but would be with Source(time_format="epoch_s")'),
    times("milliseconds-unnamed", "1717286400000", 'but would be with Source(time_format="epoch_ms")'),
    times("seconds", "1717286400.5", source=SECONDS),
    times("iso-among-seconds", "2024-06-02T00:00Z", 'but would be with Source(time_format="iso")', SECONDS),
    times("milliseconds-among-seconds", "1717286400000", "seconds since 1970", SECONDS),
    times("milliseconds", "1717286400000", source=MILLISECONDS),
    Case(
        "seconds-as-floats.parquet",
        parquet(900, "seconds-as-floats", at=pl.Series([1717286400.25, 1e300])),
        taken=1,
        refused=1,
        says="at is no number of seconds since 1970",
        source=SECONDS,
    ),
    # the future
    times("year-2099", "2099-01-01T00:00:00Z", "at is more than 1 day ahead of now"),
    times("year-9999", "9999-12-31T23:59:59Z", "at is more than 1 day ahead of now"),
    # numbers
    numbers("comma", "12,5", 'speed is no number, but would be with Source(decimal=",")'),
    numbers("thousands-and-comma", "1.012,5", 'but would be with Source(decimal=",", thousands=".")'),
    numbers("thousands-and-point", "1,012.5", 'but would be with Source(decimal=".", thousands=",")'),
    numbers("blank-thousands", "1 012,5", 'but would be with Source(decimal=",", thousands=" ")'),
    numbers("typeset-thousands", "1\u202f012,5", 'but would be with Source(decimal=",", thousands=" ")'),
    numbers("swiss", "1'012.5", 'but would be with Source(decimal=".", thousands="\'")'),
    numbers("comma-as-named", "12,5", source=COMMA),
    numbers("thousands-as-named", "0.012,5", source=COMMA),
    numbers("point-among-commas", "12.5", 'but would be with Source(decimal=".")', COMMA),
    numbers("odd-groups", "1.2.3", "speed is no number", COMMA),
    numbers("a-word", "fast", "speed is no number", COMMA),
    # one key, however it is written
    Case("one-id.jsonl", jsonl("70001", "70001.0", "7.0001e4", '"70001"', at="2024-06-03"), taken=1, duplicates=3),
    Case(
        "one-id-and-a-broken-line.jsonl",
        jsonl("70002", "70002.0", "7.0002e4", '"70002"', at="2024-06-03", more="{"),
        taken=1,
        duplicates=3,
        refused=1,
        says="the line is no JSON",
    ),
    Case("zeros.jsonl", jsonl("0", "-0.0", "-0", at="2024-06-04"), taken=1, duplicates=2),
    Case("texts.jsonl", jsonl('"70003.0"', "70003", at="2024-06-03"), taken=2),
    Case("long-ids.jsonl", jsonl("9007199254740993", "9007199254740992", str(2**64 - 1), at="2024-06-05"), taken=3),
    Case("not-a-number.jsonl", jsonl("70005", "NaN", at="2024-06-05"), taken=1, refused=1, says="id is missing"),
    Case(
        "infinite.jsonl",
        jsonl("70006", "-Infinity", at="2024-06-05"),
        taken=1,
        refused=1,
        says="-Infinity is no number",
    ),
    Case(
        "half-a-letter.jsonl", jsonl("70007", '"\\ud800"', at="2024-06-05"), taken=1, refused=1, says="half a character"
    ),
    Case(
        "long-ids.parquet",
        parquet(901, "long-ids", id=pl.Series([2**53 + 1, 2**53])),
        taken=2,
    ),
]
