"""Databases that Evergreen knows: their URLs, and what is wrong with one, in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError

from evergreen_client.errors import RegistryUnavailable

BUSY_SECONDS = 30.0  # how long to wait for another process on SQLite
UNUSABLE = "see that it runs, is writable, has space, and that EVERGREEN_DATABASE_URL names it"
HELD = f"see which program has held it for {BUSY_SECONDS:.0f} s, such as an SQL shell: end that, and try again"
CONNECT_SECONDS = 10  # how long to wait for a PostgreSQL server that does not answer


def parse(url: str) -> URL:
    """Read a database URL; whatever driver it names, PostgreSQL's is psycopg and SQLite's is Python's own."""
    fix = "set EVERGREEN_DATABASE_URL to sqlite:////path/registry.db or postgresql://user@host/name"
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise RegistryUnavailable("the database URL", "it cannot be parsed", fix) from error
    if "@" in (address.host or ""):  # a part of the password, which the driver would name in its own words
        raise RegistryUnavailable(f"database {address}", "its password holds an @", "write it as %40, a / as %2F")
    backend = address.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return address.set(drivername="sqlite")
    raise RegistryUnavailable(f"database {address}", "Evergreen writes SQLite and PostgreSQL only", fix)


@contextmanager
def clear_errors(engine: Engine) -> Iterator[None]:
    """Say what is wrong with the database in a sentence, instead of the driver's exception."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:  # the latter while connecting, before SQLAlchemy wraps it
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(error, IntegrityError | ProgrammingError | DataError):
            raise  # a mistake of ours
        is_held = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        why = str(cause).strip().splitlines()[0]
        raise RegistryUnavailable(f"database {engine.url}", why, HELD if is_held else UNUSABLE) from error
