"""Debug counts of triggers, summed over processes and kept over restarts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import UtcDateTime, exact_string, long_text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERVERS_TIME = "the database server's time"


def upgrade() -> None:
    """Create the table unless an interrupted upgrade has created it."""
    op.create_table(
        "debug_counts",
        sa.Column("name", exact_string(255), nullable=False, comment="the trigger's name"),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("mismatched", sa.BigInteger(), nullable=False),
        sa.Column("reasons", long_text(), nullable=False, comment="JSON: reasons and their counts"),
        sa.Column("since", UtcDateTime(), nullable=False, comment=SERVERS_TIME),
        sa.Column("counted_at", UtcDateTime(), nullable=False, comment=SERVERS_TIME),
        sa.PrimaryKeyConstraint("name", name="pk_debug_counts"),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove the table with all counts."""
    op.drop_table("debug_counts", if_exists=True)
