"""Promises: proofs and their refits, losses by time block, what the gate announced, and what each of its rules said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0004: so far nothing was proven, announced or blocked, and no version is a refit."""
    refer("version", "refit_of_id")
    with op.batch_alter_table("version_partition") as changed:  # on SQLite this drops the check that was there
        if op.get_context().dialect.name == "postgresql":
            changed.drop_constraint(op.f("ck_version_partition_role"), type_="check")
        changed.create_check_constraint(op.f("ck_version_partition_role"), "role IN ('trained', 'replayed', 'partly')")

    for name in ("announced", "announced_low", "announced_high"):
        op.add_column("evaluation", sa.Column(name, sa.Float(), nullable=True))
    op.add_column("evaluation", sa.Column("prove_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("evaluation", sa.Column("blocked", sa.Boolean(), nullable=True))
    op.execute("UPDATE evaluation SET blocked = false")
    with op.batch_alter_table("evaluation") as changed:
        changed.alter_column("blocked", nullable=False)
    op.add_column("evaluation_metric", sa.Column("blocks", sa.Integer(), nullable=True))
    op.add_column("evaluation_metric", sa.Column("effective_rows", sa.Float(), nullable=True))
    refer("evaluation_metric", "against_id")

    op.create_table(
        "evaluation_rule",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_evaluation_rule_evaluation_id_evaluation")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "rule", name=op.f("pk_evaluation_rule")),
    )
    op.create_table(
        "block_loss",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("partition_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("proving", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["partition_id"], ["partition.id"], name=op.f("fk_block_loss_partition_id_partition")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_block_loss_version_id_version")),
        sa.PrimaryKeyConstraint("version_id", "partition_id", "block", name=op.f("pk_block_loss")),
    )


def refer(table: str, column: str) -> None:
    """Let a table name a version, or none."""
    with op.batch_alter_table(table) as changed:
        changed.add_column(sa.Column(column, sa.Integer(), nullable=True))
        changed.create_foreign_key(op.f(f"fk_{table}_{column}_version"), "version", [column], ["id"])
