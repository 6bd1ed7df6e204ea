"""Online learning: the run that learns a model's events, and the checkpoints of what it has learned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Bring the schema to 0009: nothing has been learned online so far."""
    op.create_table(
        "online_consumer",
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_online_consumer_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_online_consumer_run_id_run")),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_online_consumer")),
    )
    op.create_table(
        "online_checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("champion_id", sa.Integer(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("counts", DOCUMENT, nullable=False),
        sa.Column("state", DOCUMENT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("window_loss", sa.Float(), nullable=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_online_checkpoint_model_id_model")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_online_checkpoint_run_id_run")),
        sa.ForeignKeyConstraint(["champion_id"], ["version.id"], name=op.f("fk_online_checkpoint_champion_id_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_online_checkpoint")),
        sa.UniqueConstraint(
            "model_id", "consumer", "number", name=op.f("uq_online_checkpoint_model_id_consumer_number")
        ),
    )
    op.create_index(op.f("ix_online_checkpoint_run_id"), "online_checkpoint", ["run_id"])
    op.create_index(op.f("ix_online_checkpoint_uri"), "online_checkpoint", ["uri"])
