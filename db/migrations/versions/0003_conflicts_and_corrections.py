"""Conflicts: another row of a key that was taken is counted and kept, or corrects the row that was taken."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COUNTS = "rows = taken + duplicates + conflicts + refused + waiting"


def upgrade() -> None:
    """Bring the schema to 0003: nothing that was recorded so far was a conflict or a correction."""
    add_filled("landed_file", sa.Column("conflicts", sa.BigInteger(), nullable=True), "0")
    constrain("landed_file", "adds_up", COUNTS, replaced=True)
    constrain("partition", "kind", "kind IN ('rows', 'labels', 'corrections')", replaced=True)
    add_filled("refused_rows", sa.Column("kind", sa.Text(), nullable=True), "'refused'")
    constrain("refused_rows", "kind", "kind IN ('refused', 'conflict')")

    op.create_table(
        "supersession",
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partition_id"], ["partition.id"], name=op.f("fk_supersession_partition_id_partition")
        ),
        sa.ForeignKeyConstraint(["by_id"], ["partition.id"], name=op.f("fk_supersession_by_id_partition")),
        sa.PrimaryKeyConstraint("partition_id", "by_id", name=op.f("pk_supersession")),
    )


def add_filled(table: str, column: sa.Column[Any], value: str) -> None:
    """Add a column that may not be null, with a value in the rows that are there."""
    op.add_column(table, column)
    op.execute(f"UPDATE {table} SET {column.name} = {value}")  # noqa: S608 - names of this file
    with op.batch_alter_table(table) as changed:
        changed.alter_column(column.name, nullable=False)


def constrain(table: str, name: str, condition: str, *, replaced: bool = False) -> None:
    """Let a table's rows be checked, on SQLite by building it anew: it drops the checks that Alembic does not see."""
    with op.batch_alter_table(table) as changed:
        if replaced and op.get_context().dialect.name == "postgresql":
            changed.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
        changed.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)
