"""Monitoring: how the champion fares, what it was estimated to reach, and more about each drift check."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0005: so far no column was broken, and each check compared with the champion's rows."""
    add_to("drift_check", sa.Column("broken", sa.Boolean(), nullable=True), "false")
    add_to("drift_check", sa.Column("reference_name", sa.Text(), nullable=True), "'champion'")
    add_to("drift_column", sa.Column("broken", sa.Boolean(), nullable=True), "false")
    op.add_column("drift_column", sa.Column("importance", sa.Float(), nullable=True))
    op.add_column("drift_column", sa.Column("remark", sa.Text(), nullable=True))

    op.create_table(
        "drift_window",
        sa.Column("check_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("time_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_to", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("side IN ('reference', 'current')", name=op.f("ck_drift_window_side")),
        sa.ForeignKeyConstraint(["check_id"], ["drift_check.id"], name=op.f("fk_drift_window_check_id_drift_check")),
        sa.PrimaryKeyConstraint("check_id", "side", name=op.f("pk_drift_window")),
    )
    op.create_table(
        "performance_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("champion_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("loss_limit", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["champion_id"], ["version.id"], name=op.f("fk_performance_check_champion_id_version")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_performance_check_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_performance_check_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance_check")),
    )
    for column in ("model_id", "run_id"):
        op.create_index(op.f(f"ix_performance_check_{column}"), "performance_check", [column])
    op.create_table(
        "estimate",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["partition_id"], ["partition.id"], name=op.f("fk_estimate_partition_id_partition")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_estimate_run_id_run")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_estimate_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "partition_id", "metric", name=op.f("pk_estimate")),
    )


def add_to(table: str, column: sa.Column[Any], value: str) -> None:
    """Add a column that must have a value, and give it this one in the rows that are there."""
    op.add_column(table, column)
    op.execute(f"UPDATE {table} SET {column.name} = {value}")  # noqa: S608 - our own constants
    with op.batch_alter_table(table) as changed:
        changed.alter_column(column.name, nullable=False)
