"""The state history of a stream: times of changes, and workers that claimed it.

One nullable column, which every database adds without rewriting rows. Existing streams have no
history until their state changes. Idempotent: on MariaDB, which commits each DDL statement, an
interrupted upgrade can be restarted.
"""

from __future__ import annotations

import sqlalchemy as sa

from winchester_core.storage.migrations.columns import add_column, drop_column
from winchester_core.storage.sql.types import long_text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COMMENT = "the latest changes of state, one per line"


def upgrade() -> None:
    """Add the column."""
    add_column("streams", sa.Column("history", long_text(), nullable=True, comment=COMMENT))


def downgrade() -> None:
    """Remove the column with all histories."""
    drop_column("streams", "history")
