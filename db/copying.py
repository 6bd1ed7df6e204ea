"""All rows of a registry in another database: of a backup, or for what is to leave no trace in the registry itself."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, func, insert, select, text

from db.columns import Base
from db.engine import read_scope, session_scope

ROWS = 1_000  # that are held in memory at once, on PostgreSQL too: by itself it sends all of a table


def copy_registry(source: Engine, target: Engine) -> None:
    """Copy all rows of a registry, as they are at one moment, into another one; of either database's kind.

    Args:
        source: the registry; nobody waits for it to be read.
        target: one whose tables are made and empty.
    """
    if source.dialect.name == "postgresql":  # SQLite's transactions see one state by themselves
        source = source.execution_options(isolation_level="REPEATABLE READ")
    with read_scope(source) as reading, session_scope(target) as writing:
        copy_rows(reading.connection(), writing.connection())


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows of all tables, with their numbers; types mean the same on both sides."""
    for table in Base.metadata.sorted_tables:
        names = table.columns.keys()
        # By key: a version's parent comes before it, as PostgreSQL asks for.
        rows = select(table).order_by(*table.primary_key.columns)
        found = source.execute(rows, execution_options={"yield_per": ROWS})
        for some in found.partitions():
            target.execute(insert(table), [dict(zip(names, row, strict=True)) for row in some])
        if target.dialect.name == "postgresql" and "id" in table.columns:
            highest = target.scalar(select(func.max(table.c.id)))
            sequence = {"table": table.name, "next": (highest or 0) + 1}
            target.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :next, false)"), sequence)
