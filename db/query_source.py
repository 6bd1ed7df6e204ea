"""Rows that arrive in a database: read as a stream, in the order of a cursor column, past the last value taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from db.cursors import Beyond, before, limit
from errors import EvergreenError, UnreachableSource, did_you_mean
from evergreen_client.database import CONNECT_SECONDS
from evergreen_client.shown import gist, masked

NAMING = (OperationalError, ProgrammingError, ImportError)
TABLE = re.compile(r"\w+(\.\w+)*")
FIX = "see that the database runs, that the source's path names it, and that its query is one it knows"


class Stand(NamedTuple):
    """How far a query has come.

    Args:
        newest: the largest cursor value that is there; None where there are no rows.
        cursor: the largest one that does not lie in the future; a run that went past now would see nothing after it.
        without: rows that have no cursor value, which no run can read in order.
    """

    newest: Any
    cursor: Any
    without: int


@dataclass(frozen=True)
class QuerySource:
    """A table or query whose rows have a cursor column that only grows.

    Args:
        url: SQLAlchemy URL of the database.
        query: name of a table, or a SELECT statement.
        cursor: the column.
        timezone: zone of cursor values that are times without an offset.
    """

    url: str
    query: str
    cursor: str
    timezone: str = "UTC"

    @property
    def uri(self) -> str:
        """What the registry calls it; a password is left out."""
        return f"{masked(self.url)}#{self.query}"

    def columns(self) -> list[str]:
        """The names of the columns that the query gives.

        Raises:
            UnreachableSource: the database cannot be reached, refuses the query, or has no such cursor column.
        """
        with self._connected() as connection:
            names = list(self._run(connection, "SELECT *", "1 = 0").keys())
        if self.cursor not in names:  # SQLite would take the name for a text, the same for every row
            known = ", ".join(names[:20])
            fix = f"{did_you_mean(self.cursor, names)}name one of its columns in Source(cursor=...): {known}"
            raise UnreachableSource(self.uri, f"it has no column '{self.cursor}' for a cursor", fix)
        return names

    def stand(self, now: datetime) -> Stand:
        """How far the query has come by now.

        Raises:
            UnreachableSource: the database cannot be reached, or refuses the query.
        """
        with self._connected() as connection:
            column = self._column(connection)
            newest = cursor = self._run(connection, f"SELECT max({column})", "1 = 1").scalar()
            if (most := limit(newest, now.astimezone(ZoneInfo(self.timezone)))) is not None:
                cursor = self._run(connection, f"SELECT max({column})", f"{column} <= :most", most=most).scalar()
            without = self._run(connection, "SELECT count(*)", f"{column} IS NULL").scalar()
        if isinstance(newest, bytes | memoryview):
            raise UnreachableSource(self.uri, f"'{self.cursor}' holds bytes, which are no cursor", "choose another")
        return Stand(newest, cursor, int(without or 0))

    def begin(self, after: Any, overlap: timedelta | float | None) -> Any:
        """Where to begin again, if rows up to a cursor value were taken.

        Raises:
            UnreachableSource: the overlap is none for such a cursor.
        """
        try:
            return after if after is None or not overlap else before(after, overlap)
        except (TypeError, ValueError, OverflowError) as error:
            why = f"an overlap of {overlap} says nothing of the cursor '{self.cursor}', a {type(after).__name__}"
            fix = "give a timedelta where the cursor is a time, a number where it is a number"
            raise UnreachableSource(self.uri, why, fix) from error

    def batches(self, low: Any, high: Any, rows: int, *, low_too: bool) -> Iterator[dict[str, Sequence[Any]]]:
        """Rows from one cursor value up to another, by column, in the order of the cursor.

        Args:
            low: where they begin; None for the beginning.
            high: the last value.
            rows: most rows in a batch.
            low_too: rows that bear the lowest value itself belong to them.

        Raises:
            UnreachableSource: the database cannot be reached, or refuses the query.
        """
        with self._connected() as connection:
            column = self._column(connection)
            since = "" if low is None else f"{column} {'>=' if low_too else '>'} :low AND "
            given = {"high": high} if low is None else {"high": high, "low": low}
            streaming = connection.execution_options(yield_per=rows)
            result = self._run(streaming, "SELECT *", f"{since}{column} <= :high ORDER BY {column}", **given)
            names = list(result.keys())
            for part in result.partitions(rows):
                yield dict(zip(names, zip(*part, strict=True), strict=True))

    def _run(self, connection: Connection, what: str, where: str, **given: Any) -> Any:
        return connection.execute(text(f"{what} FROM {self._rows(connection)} WHERE {where}"), given)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection of our own, closed at the end; whatever goes wrong becomes a sentence."""
        engine: Engine | None = None
        try:
            engine = _engine(make_url(self.url))
            with engine.connect() as connection:
                yield connection
        except EvergreenError:
            raise
        except Exception as error:  # every driver has exceptions of its own, and there may be none
            cause = getattr(error, "orig", None) or error
            # Such an error names tables and columns; any other may quote a row, or a password for a port.
            first = str(cause).strip().partition("\n")[0] if isinstance(error, NAMING) else gist(cause)
            raise UnreachableSource(self.uri, first, FIX) from error
        finally:
            if engine:
                engine.dispose()

    def _column(self, connection: Connection) -> str:
        return connection.dialect.identifier_preparer.quote(self.cursor)

    def _rows(self, connection: Connection) -> str:
        quote = connection.dialect.identifier_preparer.quote
        if TABLE.fullmatch(self.query):
            return ".".join(quote(part) for part in self.query.split("."))
        return f"({self.query.rstrip().rstrip(';')}\n) AS arrived"  # the line may end in a comment


def _engine(address: URL) -> Engine:
    """An engine that reads what it can: a value that Python has nothing for costs its row, not the query.

    Raises:
        FileNotFoundError: SQLite would make an empty database of a misspelt name.
    """
    backend, file = address.get_backend_name(), address.database
    if backend == "sqlite":
        if file and file != ":memory:" and not address.query and not Path(file).exists():
            raise FileNotFoundError(f"there is no file {file}")
        engine = create_engine(address, hide_parameters=True)
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "text_factory", _text))
        return engine
    if backend not in {"postgresql", "postgres"}:
        return create_engine(address, hide_parameters=True)
    if "+" not in address.drivername:  # as in the registry's URL, the driver is psycopg
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address, hide_parameters=True, connect_args={"connect_timeout": CONNECT_SECONDS})
    if address.get_driver_name() == "psycopg":
        event.listen(engine, "connect", _read_every_time)
    return engine


def _text(raw: bytes) -> str | bytes:
    """A text of SQLite, which stores any bytes as one."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _read_every_time(connection: Any, _: object) -> None:
    """Let psycopg give times of before the year 1 or after 9999, as infinity, as text."""
    from psycopg import DataError as Unreadable
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    for kind in ("date", "timestamp", "timestamptz"):
        usual = connection.adapters.get_loader(connection.adapters.types[kind].oid, Format.TEXT)

        class Lenient(Loader):
            def __init__(self, oid: int, context: Any = None, usual: Any = usual) -> None:
                super().__init__(oid, context)
                self._usual = usual(oid, context)

            def load(self, data: Any) -> Any:
                try:
                    return self._usual.load(data)
                except Unreadable:
                    return Beyond(bytes(data).decode())

        connection.adapters.register_loader(kind, Lenient)
