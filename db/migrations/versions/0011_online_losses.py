"""Losses by time block on events that are no partition: what came of a promotion whose events are a stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0011: so far nothing came of a promotion but what arrived as a partition."""
    op.create_table(
        "online_loss",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_online_loss_version_id_version")),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["online_checkpoint.id"], name=op.f("fk_online_loss_checkpoint_id_online_checkpoint")
        ),
        sa.PrimaryKeyConstraint("version_id", "checkpoint_id", "block", name=op.f("pk_online_loss")),
    )
