"""Curves: calibration, precision and residuals of champion and challenger, as a page about an evaluation draws them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Bring the schema to 0008: evaluations so far have no curves."""
    op.create_table(
        "evaluation_curve",
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("points", DOCUMENT, nullable=False),
        sa.CheckConstraint("side IN ('champion', 'challenger')", name=op.f("ck_evaluation_curve_side")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_evaluation_curve_evaluation_id_evaluation")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "name", "side", name=op.f("pk_evaluation_curve")),
    )
