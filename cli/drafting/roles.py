"""Which of somebody's columns are time, key and target: guesses, for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from arrivals.numbers import exact_bits
from errors import InvalidSpec, did_you_mean, listed

TARGETS = ("target", "label", "y", "class", "outcome")
EVENTS = ("yes", "y", "true", "t", "1", "positive", "pos", "bad", "fraud", "spam", "late", "failed", "failure")
MOST_CLASSES = 50
MOST_IN_KEY = 4


@dataclass(frozen=True)
class Roles:
    """The columns that are no inputs, or seem to be none.

    Args:
        time: of the event; None where no column holds times.
        key: names a row.
        target: the label.
        named: the same, if a person or its own name says so; else "".
        times: all columns that hold times.
        plain: all others that hold single values.
        by_content: whether nobody named the key, and it is no name of a row, but all that the row holds.
    """

    time: str | None
    key: tuple[str, ...]
    target: str
    named: str
    times: list[str]
    plain: list[str]
    by_content: bool = False


def roles(rows: pl.DataFrame, *, time: str = "", target: str = "", key: Iterable[str] = ()) -> Roles:
    """Which columns of typed rows are time, key and target; takes and raises what `guess` does."""
    if rows.height < 2:
        raise InvalidSpec(f"{rows.height} rows", "they tell nothing about a column", "give some more")
    _refuse_unknown([time, target, *key], rows)
    times = [column for column in rows.columns if isinstance(rows[column].dtype, pl.Datetime | pl.Date)]
    plain = [column for column in rows.columns if column not in times and _is_plain(rows[column])]
    at = _time(rows, times, time)
    named = target or next((column for column in plain if column.lower() in TARGETS), "")
    label = (
        named or next(filter(_may_be_target, map(rows.get_column, reversed(plain))), rows[at or rows.columns[-1]]).name
    )
    given = tuple(key)
    keys = given or _key(rows, [column for column in [*plain, *times] if column != label], times)
    return Roles(at, keys, label, named, times, plain, not given and _by_content(rows, keys))


def _refuse_unknown(names: Iterable[str], rows: pl.DataFrame) -> None:
    """Refuse names that no column has."""
    for name in names:
        if name and name not in rows.columns:
            fix = f"{did_you_mean(name, rows.columns)}there are {listed(rows.columns)}"
            raise InvalidSpec(f"column '{name}'", "there is none", fix)


def _time(rows: pl.DataFrame, times: list[str], given: str) -> str | None:
    """The event time's column: the given one, or the first that holds times; None where no column does."""
    if given in times or not given:
        return given or next(iter(times), None)
    found = f", but {rows[given].drop_nulls()[0]!r}" if rows[given].drop_nulls().len() else ""
    why = f"it does not hold times that are read{found}"
    raise InvalidSpec(
        f"column '{given}'", why, "write each event's time such as 2013-01-31T17:05:00Z; --time COLUMN names it"
    )


def _key(rows: pl.DataFrame, columns: list[str], times: list[str]) -> tuple[str, ...]:
    """The fewest columns that together are unique: identifiers and times, or else text too, or else whole numbers."""
    rows = rows.unique(maintain_order=True) if not any(t.is_nested() for t in rows.dtypes) else rows
    usable = [column for column in columns if _names(rows[column])]
    usable.sort(key=lambda column: (not looks_like_id(column), column in times, -rows[column].n_unique()))
    names = [column for column in usable if looks_like_id(column) or not rows[column].dtype.is_integer()]
    ids = [column for column in names if looks_like_id(column) or column in times]
    for candidates in (ids, names, usable):
        for size in range(1, MOST_IN_KEY + 1):
            for some in combinations(candidates[:8], size):
                only_time = candidates is ids and set(some) <= set(times)
                if not only_time and rows.select(some).n_unique() == rows.height:
                    return some
    content = tuple(column for column in columns if not has_gaps(rows[column]) and _is_exact(rows[column]))
    if content and _by_content(rows, content) and rows.select(content).n_unique() == rows.height:
        return content
    raise InvalidSpec(
        f"{rows.height:,} rows with columns {listed(rows.columns)}",
        "no columns without gaps tell all rows apart",
        "add one that does, as a number that a row keeps, or name the key's columns with --key COLUMN",
    )


def _by_content(rows: pl.DataFrame, key: Collection[str]) -> bool:
    """Whether a key is no name of a row, but all that the row holds: measures, or more columns than a name has."""
    return len(key) > MOST_IN_KEY or any(rows[column].dtype.is_float() for column in key)


def has_gaps(column: pl.Series) -> bool:
    """Whether values are missing: null, or not a number."""
    return bool(column.null_count() or (column.dtype.is_float() and column.is_nan().any()))


def _is_exact(column: pl.Series) -> bool:
    """Whether landing takes a column's numbers as those of a key."""
    return not column.dtype.is_numeric() or not (column.cast(pl.Float64).abs() >= 2.0 ** exact_bits(column)).any()


def _is_plain(column: pl.Series) -> bool:
    """Whether values are single ones; a column without a name is an index that was written out."""
    return bool(column.name.strip()) and not column.dtype.is_nested()


def _names(column: pl.Series) -> bool:
    """Whether values are exact and always there, as those of a key are, and not all the same."""
    exact = column.dtype == pl.String or column.dtype.is_integer() or isinstance(column.dtype, pl.Datetime | pl.Date)
    return exact and not column.null_count() and column.n_unique() > 1


def looks_like_id(name: str) -> bool:
    """Whether a column is called an identifier: order_id, orderId, id; but not paid."""
    return (
        re.search(r"(^|_)(id|uuid|key|no|number)$", name.lower()) is not None
        or re.search("[a-z]I[dD]$", name) is not None
    )


def _may_be_target(column: pl.Series) -> bool:
    """Whether a column may be what is predicted: numbers that vary, or words that come again, and no identifiers."""
    varies = column.drop_nulls().n_unique() != 1
    return varies and not looks_like_id(column.name) and (column.dtype != pl.String or bool(words_of(column)))


def words_of(target: pl.Series) -> tuple[str, ...]:
    """The classes of a target of words, of two the event second: a word that says so, or else the rarer one."""
    if target.dtype != pl.String:
        return ()
    known = target.drop_nulls()
    counted = (
        known.filter(known.str.strip_chars() != "")
        .rename("class")  # whatever the target is called, "rows" too
        .value_counts(name="rows")
        .sort("rows", "class", descending=[True, False])
    )
    classes = tuple(sorted(counted["class"]))
    if not 2 <= len(classes) <= min(MOST_CLASSES, counted["rows"].sum() // 2):
        return ()
    if len(classes) == 2:
        event = next((word for word in classes if word.lower() in EVENTS), counted["class"][1])
        return next(word for word in classes if word != event), event
    return classes
