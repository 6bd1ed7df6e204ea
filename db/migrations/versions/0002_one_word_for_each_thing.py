"""One word for each thing: recall, refused, ingest, champion's and challenger's value; a version keeps its reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0002.

    Columns are renamed by SQL that both databases know; constraints and indexes that name them follow by themselves. A
    renamed table would keep its constraints' old names, so the two tables are made anew and their rows copied.
    """
    for table, old, new in (
        ("landed_file", "batch", "ingest"),
        ("landed_file", "rejected", "refused"),
        ("evaluation_metric", "champion", "champion_value"),
        ("evaluation_metric", "challenger", "challenger_value"),
    ):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    op.add_column("version", sa.Column("reason", sa.Text(), nullable=True))

    op.create_table(
        "recall",
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["partition_id"], ["partition.id"], name=op.f("fk_recall_partition_id_partition")),
        sa.PrimaryKeyConstraint("partition_id", name=op.f("pk_recall")),
    )
    move("revocation", "recall", "partition_id, reason, actor, at")

    op.create_table(
        "refused_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("landed_id", sa.Integer(), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["landed_id"], ["landed_file.id"], name=op.f("fk_refused_rows_landed_id_landed_file")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_refused_rows_model_id_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_rows")),
    )
    for column in ("landed_id", "model_id"):
        op.create_index(op.f(f"ix_refused_rows_{column}"), "refused_rows", [column], unique=False)
    move("rejected_rows", "refused_rows", "id, model_id, landed_id, source_uri, rows, reason, uri, at")
    if op.get_context().dialect.name == "postgresql":  # whose counter of ids does not see the copied ones
        op.execute(
            "SELECT setval(pg_get_serial_sequence('refused_rows', 'id'), max(id)) "
            "FROM refused_rows HAVING max(id) IS NOT NULL"
        )


def move(old: str, new: str, columns: str) -> None:
    """Copy a table's rows into the one that takes its place, and drop it."""
    op.execute(f"INSERT INTO {new} ({columns}) SELECT {columns} FROM {old}")  # noqa: S608 - names of this file
    op.drop_table(old)
