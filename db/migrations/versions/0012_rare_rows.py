"""Rare rows of each time block, that came and that were expected: watch and chart count their evidence by them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0012: of the blocks so far it is not known."""
    for table in ("block_loss", "online_loss"):
        op.add_column(table, sa.Column("rare", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("expected", sa.Float(), nullable=True))
