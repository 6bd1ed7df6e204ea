"""The view `champion` says how its version was trained: only views change, which every upgrade makes anew."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to 0006: no table changes."""
