"""A copy of a whole registry in another database, for what is to leave no trace in it."""

from __future__ import annotations

from sqlalchemy import Engine, select

from db.columns import Base
from db.engine import read_scope, session_scope

ROWS = 1_000  # that are held in memory at once, on PostgreSQL too: by itself it sends all of a table


def copy_rows(source: Engine, target: Engine) -> None:
    """Copy all rows of a registry into another one that is empty; of either database's kind.

    Args:
        source: the registry; nobody waits for it to be read.
        target: one whose tables are made and empty.
    """
    if source.dialect.name == "postgresql":  # SQLite's transactions see one state by themselves
        source = source.execution_options(isolation_level="REPEATABLE READ")
    with read_scope(source) as reading, session_scope(target) as writing:
        for table in Base.metadata.sorted_tables:
            # In the order of their keys: a version's parent comes before it.
            statement = select(table).order_by(*table.primary_key.columns)
            rows = reading.connection().execute(statement, execution_options={"yield_per": ROWS})
            for some in rows.partitions():
                keys = table.columns.keys()
                writing.connection().execute(table.insert(), [dict(zip(keys, row, strict=True)) for row in some])
