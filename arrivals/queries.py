"""The rows of a query as batches: where some were read before, they are read again, and counted once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from arrivals.readers import Wanted, complete
from arrivals.validation import REASON, Batch
from db.cursors import limit, read

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from db.arrival_records import LandedRecord, RefusalKind
    from db.query_source import QuerySource, Stand

    Kept = Mapping[RefusalKind, pl.DataFrame]


@dataclass(frozen=True)
class Reading:
    """One reading of a query, from where the last one ended, or an overlap before it.

    Args:
        rows: the query.
        stand: how far it has come.
        earlier: its readings so far, the first one first.
        overlap: how far before its end the last one is read again.
        now: the present instant, in the source's time zone.
    """

    rows: QuerySource
    stand: Stand
    earlier: Sequence[LandedRecord]
    overlap: timedelta | float | None
    now: datetime

    @property
    def after(self) -> Any:
        """The last cursor value that was taken; one that lies in the future is passed over, as if it were not there."""
        values = (read(landed.cursor) for landed in reversed(self.earlier))
        return next((value for value in values if value is not None and limit(value, self.now) is None), None)

    @property
    def upto(self) -> Any:
        """The cursor value that this reading reaches: never one in the future, nor one before the last."""
        after, found = self.after, self.stand.cursor
        try:
            return max(after, found)
        except TypeError:  # one of them is None, or the column's type has changed
            return after if found is None else found

    @property
    def early(self) -> bool:
        """Whether there are rows whose cursor value lies in the future."""
        return bool(self.stand.newest != self.stand.cursor)

    @property
    def oddities(self) -> list[str]:
        """A sentence for each thing about the cursor that a person should look at."""
        uri, cursor = self.rows.uri, self.rows.cursor
        without = f"{uri}: {self.stand.without:,} rows have no {cursor}, so no run reads them: fill it in"
        early = f"{uri}: {cursor} lies in the future in some rows; these were read, and the next run begins before them"
        return [without] * bool(self.stand.without) + [early] * self.early

    def begin(self) -> Any:
        """The cursor value to begin at."""
        return self.rows.begin(self.after, self.overlap)

    def overlapping(self) -> tuple[LandedRecord, ...]:
        """The earlier readings whose refused rows and conflicts this one may meet again."""
        begin = self.begin()
        return tuple(
            landed
            for landed in self.earlier
            if (landed.refused or landed.conflicts) and (self.early or _reaches(landed, begin))
        )

    def batches(self, wanted: Wanted, keys: Sequence[str], kept: Kept, size: int) -> Iterator[Batch]:
        """Every row from the beginning on, and whether it was read before, or will be again.

        Args:
            wanted: the columns.
            keys: those of them that may hold bytes, which are then written in hex.
            kept: refused rows and conflicts of earlier readings.
            size: most rows in a batch.
        """
        stretches: list[tuple[Any, Any, bool, Kept | None]] = [(self.after, self.upto, False, None)]
        if self.after is not None:
            stretches.insert(0, (self.begin(), self.after, True, kept))
        if self.early:
            stretches.append((self.upto, self.stand.newest, False, kept))
        for low, high, low_too, again in stretches:
            for columns in () if high is None else self.rows.batches(low, high, size, low_too=low_too):
                yield _batch(columns, wanted, keys, again)


def _reaches(landed: LandedRecord, begin: Any) -> bool:
    """Whether an earlier reading may have met rows from this cursor value on."""
    value = read(landed.cursor)
    try:
        return value is None or begin is None or bool(value >= begin)
    except TypeError:
        return True


def _batch(columns: dict[str, Sequence[Any]], wanted: Wanted, keys: Sequence[str], again: Kept | None) -> Batch:
    """Rows of a database as a batch. A row that holds bytes where none can be is refused by itself."""
    there = {name: column for name, column in columns.items() if name in wanted.columns}
    frame = complete(pl.DataFrame([_series(name, column) for name, column in there.items()]), wanted)
    bytes_in: dict[int, str] = {}
    for name, column in there.items():
        if name not in keys and frame[name].dtype == pl.String:  # as a column with any bytes in it is
            bytes_in |= {row: name for row, value in enumerate(column) if isinstance(value, bytes)}
    if not bytes_in:
        return Batch(frame, again=again)
    bad = sorted(bytes_in)
    texts = {name: pl.Series([_word(column[row]) for row in bad], dtype=pl.String) for name, column in there.items()}
    reasons = [f"{bytes_in[row]} holds bytes, which are neither text nor a number" for row in bad]
    refused = complete(pl.DataFrame(texts), wanted).with_columns(pl.Series(REASON, reasons))
    good = ~pl.int_range(frame.height, eager=True).is_in(bad)
    return Batch(frame.filter(good), refused, again)


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """A column of a database; values of several types, as SQLite may give, or of one that Polars lacks, as text."""
    try:
        series = pl.Series(name, values)
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - which one depends on the values
        series = pl.Series(name, [None], dtype=pl.Object)
    if series.dtype in {pl.Object, pl.Binary}:
        return pl.Series(name, [_word(value) for value in values], dtype=pl.String)
    return series


def _word(value: Any) -> str | None:
    """A value as text, as a file would write it; bytes in hex."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
