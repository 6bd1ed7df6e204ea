"""Leases: an open run says until when it is alive, so that a killed one is known and ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0007: of runs that are open by now, nobody hears any more, so the next run ends them."""
    op.add_column("run", sa.Column("alive_until", sa.DateTime(timezone=True), nullable=True))
