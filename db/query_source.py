"""Rows that arrive in a database: read as a stream, in the order of a cursor column, past the last value taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from errors import UnreadableFile
from evergreen_client.shown import gist, masked

if TYPE_CHECKING:
    import polars as pl

TABLE = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class QuerySource:
    """A table or query whose rows have a cursor column that only grows.

    Args:
        url: SQLAlchemy URL of the database.
        query: name of a table, or a SELECT statement.
        cursor: the column.
    """

    url: str
    query: str
    cursor: str

    @property
    def uri(self) -> str:
        """What the registry calls it; a password is left out."""
        return f"{masked(self.url)}#{self.query}"

    def newest(self) -> str | None:
        """The largest cursor value that is there now, as text; None where there are no rows."""
        with self._connected() as connection:
            sql = f"SELECT max({self._column(connection)}) FROM {self._rows(connection)}"  # noqa: S608 - the spec's own query
            return _written(connection.execute(text(sql)).scalar())

    def batches(self, after: str | None, upto: str, rows: int) -> Iterator[pl.DataFrame]:
        """Rows from one cursor value up to another, both included: a later row may bear the last value too.

        Args:
            after: the last value taken, or None for the beginning.
            upto: the newest value.
            rows: most rows in a batch.

        Raises:
            UnreadableFile: the database cannot be reached, or refuses the query.
        """
        import polars as pl

        with self._connected() as connection:
            column = self._column(connection)
            since = f"{column} >= :after AND " if after is not None else ""
            sql = f"SELECT * FROM {self._rows(connection)} WHERE {since}{column} <= :upto ORDER BY {column}"  # noqa: S608
            given = {"upto": _read(upto)} | ({"after": _read(after)} if after is not None else {})
            result = connection.execution_options(yield_per=rows).execute(text(sql), given)
            names = list(result.keys())
            for part in result.partitions(rows):
                yield pl.DataFrame([tuple(row) for row in part], schema=names, orient="row", infer_schema_length=None)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection of our own, closed at the end."""
        fix = "see that the database runs, that the source's path names it, and that its query is one it knows"
        try:
            engine = create_engine(self.url, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError) as error:
            raise UnreadableFile(self.uri, f"it is no database URL ({type(error).__name__})", fix) from error
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise UnreadableFile(self.uri, gist(getattr(error, "orig", None) or error), fix) from error
        finally:
            engine.dispose()

    def _column(self, connection: Connection) -> str:
        return connection.dialect.identifier_preparer.quote(self.cursor)

    def _rows(self, connection: Connection) -> str:
        quote = connection.dialect.identifier_preparer.quote
        if TABLE.fullmatch(self.query):
            return ".".join(quote(part) for part in self.query.split("."))
        return f"({self.query.rstrip().rstrip(';')}) AS arrived"


def _written(value: Any) -> str | None:
    """A cursor value as text that keeps its type."""
    if value is None:
        return None
    if isinstance(value, datetime | date):
        return json.dumps({type(value).__name__: value.isoformat()})
    return json.dumps(value if isinstance(value, int | float | str) else str(value))


def _read(written: str) -> Any:
    value = json.loads(written)
    if not isinstance(value, dict):
        return value
    [(kind, moment)] = value.items()
    return (datetime if kind == "datetime" else date).fromisoformat(moment)
