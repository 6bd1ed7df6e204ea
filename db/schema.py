"""The database's schema: made in an empty database, checked in any other, changed by `evergreen db upgrade` only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from db.columns import Base
from db.engine import read_scope
from errors import RegistryOutdated
from evergreen_client.database import clear_errors

if TYPE_CHECKING:
    from alembic.config import Config

STAMP = "evergreen_schema"  # a name of our own: Prefect may keep its alembic_version in the same database
HEAD = "0012"
LOCK = 0x45_56_47_4E  # PostgreSQL's advisory lock of whoever changes the schema


def prepare(engine: Engine) -> None:
    """Make the tables in an empty database; refuse one whose tables are not the ones this code writes.

    Raises:
        RegistryOutdated: the schema is older, newer or not ours.
    """
    with read_scope(engine) as session:
        connection = session.connection()
        found = revision(connection)
        empty = found is None and not inspect(connection).get_table_names()
    if empty:
        migrate(engine)
    elif found != HEAD:
        raise _outdated(engine, found)


def revision(connection: Connection) -> str | None:
    """The schema's revision; None in a database that is no registry."""
    if not inspect(connection).has_table(STAMP):
        return None
    stamp: str | None = connection.scalar(text(f"SELECT version_num FROM {STAMP}"))  # noqa: S608 - our constant
    return stamp


def _outdated(engine: Engine, found: str | None) -> RegistryOutdated:
    received = f"database {engine.url}"
    if found is None:
        return RegistryOutdated(
            received,
            "it has tables, but none that says that it is an Evergreen registry",
            "name an empty database in EVERGREEN_DATABASE_URL, or add the registry to this one with "
            "`evergreen db upgrade`",
        )
    if found < HEAD:
        return RegistryOutdated(
            received,
            f"its schema is {found}, this code writes {HEAD}",
            "back it up, then run `evergreen db upgrade`",
        )
    return RegistryOutdated(
        received, f"its schema is {found}, newer than this code's {HEAD}", "update Evergreen on this machine"
    )


def migrate(engine: Engine, target: str = HEAD) -> str | None:
    """Bring the schema up to a revision, in one transaction; returns what it was.

    Whoever comes second waits, and then finds the work done. There is no way down: what a newer schema holds, an older
    one has no place for.

    Raises:
        RegistryOutdated: the schema is newer than any that this code knows.
    """
    from alembic import command

    config = alembic_config()
    with clear_errors(engine), changing_schema(engine) as connection:
        before = revision(connection)
        if before is not None and before > HEAD:
            raise _outdated(engine, before)
        config.attributes["connection"] = connection
        if target == HEAD and not inspect(connection).get_table_names():  # a second less than one migration by another
            Base.metadata.create_all(connection)
            command.stamp(config, HEAD)
        elif before != target:
            command.upgrade(config, target)
    return before


@contextmanager
def changing_schema(engine: Engine) -> Iterator[Connection]:
    """A transaction that nobody else changes the schema in."""
    with engine.execution_options(writes=True).connect() as connection:
        if connection.dialect.name == "postgresql":
            with connection.begin():
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                yield connection
            return
        # SQLite changes a table by building it anew; meanwhile references to it must not be enforced.
        sqlite = connection.connection.cursor()
        sqlite.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                yield connection
        finally:
            sqlite.execute("PRAGMA foreign_keys = ON")
            sqlite.close()


def alembic_config() -> Config:
    """Alembic's settings, from wherever the package is installed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
