"""Alembic's entry point: `db.schema.migrate` hands over its connection; from the command line a new one is made."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, TypeDecorator

from db.columns import Document
from db.engine import open_engine
from db.schema import HEAD, STAMP
from db.tables import Model
from db.views import create_views, drop_views
from settings import get_settings


def render_plainly(kind: str, item: object, _autogenerate: object) -> str | Literal[False]:
    """Write our column types into a migration as plain SQLAlchemy ones, so that it outlives changes of ours."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    if isinstance(item, Document):
        return "DOCUMENT"
    return f"sa.{item.impl!r}"


def run(connection: Connection) -> None:
    """Run the migrations between dropping the views and creating them again."""
    drop_views(connection)
    context.configure(
        connection=connection,
        target_metadata=Model.metadata,
        version_table=STAMP,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=render_plainly,
    )
    context.run_migrations()
    if MigrationContext.configure(connection, opts={"version_table": STAMP}).get_current_revision() == HEAD:
        create_views(connection)


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(get_settings().database_url).connect() as own:
        run(own)
        own.commit()
