"""Connections and transactions: the same promises on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from errors import RegistryUnavailable
from evergreen_client.database import BUSY_SECONDS, CONNECT_SECONDS, clear_errors, parse

DATABASE_ERRORS: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error)


def open_engine(url: str) -> Engine:
    """Make an engine for `sqlite:///path` or `postgresql://user@host/name`; nothing is created in the database.

    Raises:
        RegistryUnavailable: the URL is no URL, names another database, or SQLite's folder cannot be made.
    """
    address = parse(url)
    if address.get_backend_name() != "sqlite":
        # A service outlives restarts of its database: a connection is tried before it is used.
        return create_engine(
            address, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": CONNECT_SECONDS}
        )
    if address.database and address.database != ":memory:" and not address.query.get("uri"):
        folder = Path(address.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryUnavailable(
                f"database {address}", str(error), "set EVERGREEN_DATABASE_URL to a folder you may write"
            ) from error
    engine = create_engine(address, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def read_scope(engine: Engine) -> Iterator[Session]:
    """One transaction that only reads, so that writers need not wait for it."""
    with clear_errors(engine), Session(engine) as session, session.begin():
        yield session


def session_scope(engine: Engine) -> AbstractContextManager[Session]:
    """One transaction that may write: committed at the end, rolled back on any exception.

    On SQLite it takes the write lock at once. A transaction that began by reading could not wait for the lock:
    what it read would be stale by then, and SQLite answers "database is locked".
    """
    return read_scope(engine.execution_options(writes=True))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Leave transactions to us, and enforce foreign keys."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Let readers and a writer work side by side; others who open a new database meanwhile are waited for.

    SQLite itself does not wait here, whatever the timeout says: two of them could wait for each other.
    """
    if cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        return
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return  # where it cannot be, as in memory, the mode stays what it was


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
