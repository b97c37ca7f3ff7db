"""Quarantine by row"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_share_quarantine_delivery_row", "share_quarantine", ["delivery", "row", "id"])


def downgrade() -> None:
    op.drop_index("ix_share_quarantine_delivery_row", "share_quarantine")
