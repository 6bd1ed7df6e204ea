"""Streams to live through: real and made ones, each as a model with default policies and a file an arrival.

What turns in them is said beside each. The made ones have 1,000 rows a week, spread evenly over its seven days, so that
there are days to judge by as in flights; their columns are River's. The models of flights and digits are the demo's; of
all others `evergreen new` drafts one from the history, and it is used exactly as it is. No policy, rate or threshold is
chosen for a stream; seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from benchmarks import employment, wandering
from benchmarks.drafted import drafted
from demo.digits import LOOKS, digits_month
from demo.flights import flights_week
from learning.spec import Gate, ModelSpec
from models import digits, flights

Rows = Callable[[int], pl.DataFrame]  # what arrives, by number; the same number always has the same rows

START, LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
WEEK_ROWS = 1_000
SEED = 2013


@dataclass(frozen=True)
class Stream:
    """What arrives for a model, one file after the other.

    Args:
        name: of the stream.
        spec: the model.
        rows: what arrives, by number.
        history: the first arrivals, from which version 1 learns.
        last: number of the last arrival.
        every: time between two arrivals.
        turned: the first arrival after the world turned; None if it does not, or does so more than once.
        comes_back: whether what was seen long ago is seen again.
    """

    name: str
    spec: ModelSpec
    rows: Rows
    history: range = range(1, 9)
    last: int = 52
    every: timedelta = timedelta(weeks=1)
    turned: int | None = None
    comes_back: bool = False


def inverted(origin: str | None) -> Rows:
    """Weeks of flights whose labels are the other way round from week 27 on, of one airport or of all."""

    def week(number: int) -> pl.DataFrame:
        rows = flights_week(number)
        if number < 27:
            return rows
        turned = pl.lit(True) if origin is None else pl.col("origin") == origin
        return rows.with_columns(late=pl.when(turned).then(1 - pl.col("late")).otherwise(pl.col("late")))

    return week


def seasons(number: int) -> pl.DataFrame:
    """Two weeks of 2013, every second flight of them; after 26 arrivals the year comes again, with the others."""
    year, place = divmod(number - 1, 26)
    rows = pl.concat([flights_week(2 * place + 1), flights_week(2 * place + 2)])
    again = timedelta(days=364 * year)  # the same days of the week
    return rows.gather_every(2, offset=year).with_columns(pl.col("ts") + again)


def digits_turned(number: int) -> pl.DataFrame:
    """Upright for three months, then turned by 45°, turned by 90° and upright again, each for two months, and so on.

    A month's images are spread over its 30 days, as the demo's are not. It all was long ago: of rows that are not older
    than the stream is long, a backtest believes that they arrived when they were taken, which is today.
    """
    place = (number - 4) // 2 % 3 if number > 3 else 2
    rows = digits_month(number, 1_200, LOOKS[(place + 1) % 3])
    first = LONG_AGO + timedelta(days=30 * (number - 1))
    times = [first + timedelta(minutes=36 * row) for row in range(len(rows))]
    return rows.with_columns(written_at=pl.Series(times, dtype=pl.Datetime("us", "UTC")))


def river_week(kind: Callable[[int, int], Iterable[tuple[dict[Any, Any], Any]]]) -> Rows:
    """Weeks of one of River's generators, which is given the week and a seed."""

    def week(number: int) -> pl.DataFrame:
        drawn = list(islice(kind(number, SEED + number), WEEK_ROWS))
        first = START + timedelta(days=7 * (number - 1))
        rows = [{f"x{name}" if isinstance(name, int) else name: x for name, x in row.items()} for row, _ in drawn]
        return pl.DataFrame(rows, infer_schema_length=None).with_columns(
            at=pl.Series([first + timedelta(days=7) * (row / WEEK_ROWS) for row in range(len(rows))]),
            id=pl.Series([f"{number}-{row}" for row in range(len(rows))]),
            label=pl.Series([float(label) for _, label in drawn]),
        )

    return week


def agrawal(week: int, seed: int) -> Any:
    """Who gets a loan (Agrawal, Imielinski and Swami 1993): by age, from week 27 on by age, schooling and salary."""
    from river.datasets.synth import Agrawal

    return Agrawal(classification_function=3 if week >= 27 else 0, seed=seed)


def sea(week: int, seed: int) -> Any:
    """Whether two of three numbers add up to more than a bound, a tenth of the labels wrong (Street and Kim 2001).

    The bound moves after weeks 13, 26 and 39.
    """
    from river.datasets.synth import SEA

    return SEA(variant=min((week - 1) // 13, 3), noise=0.1, seed=seed)


def in_text(names: Sequence[str], rows: Rows) -> Rows:
    """The same, with columns whose whole numbers are codes as text: a draft takes them for categories."""
    return lambda number: rows(number).with_columns(pl.col(names).cast(pl.String))


@cache
def _folder() -> TemporaryDirectory[str]:
    """Where drafts lie until the process ends: a builder's digest is of its source, which is read again."""
    return TemporaryDirectory()


def as_drafted(name: str, rows: Rows, **how: Any) -> Stream:
    """A stream whose model is what `evergreen new` drafts of its history."""
    file = Path(_folder().name) / f"{name}.parquet"
    history = pl.concat([rows(number) for number in how.get("history", Stream.history)])
    history.with_columns(pl.col("label").cast(pl.Int64)).write_parquet(file)
    return Stream(name, drafted(name, file, "label"), rows, **how)


def seasonal() -> Stream:
    """2013 twice, a fortnight an arrival."""
    every = timedelta(weeks=2)
    return Stream("seasons", flights.spec, seasons, history=range(1, 5), every=every, comes_back=True)


def digital() -> Stream:
    """The demo's digits, with the default gate."""
    spec, every = replace(digits.spec, gate=Gate()), timedelta(days=30)
    return Stream("digits", spec, digits_turned, history=range(1, 4), last=27, every=every, comes_back=True)


def census() -> Stream:
    """Who is employed in Massachusetts."""
    return as_drafted("employment", employment.month, last=employment.MONTHS, every=employment.MONTH)


# Each is made when it is asked for: a draft reads the stream's history.
KNOWN: Mapping[str, Callable[[], Stream]] = {
    "flights": lambda: Stream("flights", flights.spec, flights_week),
    "ewr-inverted": lambda: Stream("ewr-inverted", flights.spec, inverted("EWR"), turned=27),
    "all-inverted": lambda: Stream("all-inverted", flights.spec, inverted(None), turned=27),
    "agrawal": lambda: as_drafted("agrawal", in_text(("elevel", "car", "zipcode"), river_week(agrawal)), turned=27),
    "sea": lambda: as_drafted("sea", river_week(sea)),
    "seasons": seasonal,
    "digits": digital,
    "wandering": lambda: as_drafted("wandering", wandering.weeks(pace=0.1, seed=1)),
    "employment": census,
}


@cache
def named(name: str) -> Stream:
    """One of KNOWN."""
    return KNOWN[name]()
