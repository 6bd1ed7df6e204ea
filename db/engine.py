"""Connections and transactions: the same promises on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from errors import RegistryUnavailable

BUSY_SECONDS = 30.0  # how long a writer waits for another one on SQLite
CONNECT_SECONDS = 10  # how long to wait for a PostgreSQL server that does not answer


def open_engine(url: str) -> Engine:
    """Make an engine for `sqlite:///path` or `postgresql://user@host/name`; nothing is created in the database.

    Raises:
        RegistryUnavailable: the URL is no URL, names another database, or SQLite's folder cannot be made.
    """
    address = parse(url)
    if address.get_backend_name() != "sqlite":
        # A service outlives restarts of its database: a connection is tried before it is used.
        return create_engine(address, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS})
    if address.database and address.database != ":memory:" and not address.query.get("uri"):
        folder = Path(address.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryUnavailable(
                f"database {address}", str(error), "set EVERGREEN_DATABASE_URL to a folder you may write"
            ) from error
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def parse(url: str) -> URL:
    """Read a database URL; whatever driver it names, PostgreSQL's is psycopg and SQLite's is Python's own."""
    fix = "set EVERGREEN_DATABASE_URL to sqlite:////path/registry.db or postgresql://user@host/name"
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise RegistryUnavailable("the database URL", "it cannot be parsed", fix) from error
    backend = address.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return address.set(drivername="sqlite")
    raise RegistryUnavailable(f"database {address}", "Evergreen writes SQLite and PostgreSQL only", fix)


@contextmanager
def session_scope(engine: Engine) -> Iterator[Session]:
    """One transaction that may write: committed at the end, rolled back on any exception.

    On SQLite it takes the write lock at once. A transaction that began by reading could not wait for the lock:
    what it read would be stale by then, and SQLite answers "database is locked".
    """
    with _session(engine.execution_options(writes=True)) as session:
        yield session


@contextmanager
def read_scope(engine: Engine) -> Iterator[Session]:
    """One transaction that only reads, so that writers need not wait for it."""
    with _session(engine) as session:
        yield session


@contextmanager
def _session(engine: Engine) -> Iterator[Session]:
    with clear_errors(engine), Session(engine) as session, session.begin():
        yield session


@contextmanager
def clear_errors(engine: Engine) -> Iterator[None]:
    """Say what is wrong with the database in a sentence, instead of the driver's exception."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:  # the latter while connecting, before SQLAlchemy wraps it
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(error, IntegrityError | ProgrammingError | DataError):
            raise  # a mistake of ours
        raise RegistryUnavailable(
            f"database {engine.url}",
            str(cause).strip().splitlines()[0],
            "see that it runs, is writable, has space, and that EVERGREEN_DATABASE_URL names it",
        ) from error


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
