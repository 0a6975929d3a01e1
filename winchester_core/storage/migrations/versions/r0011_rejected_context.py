"""The mappings of a rejected message, and the headers and properties that they read.

One nullable column, which every database adds without rewriting rows. Existing messages have none,
because only messages with mappings need it. Idempotent: on MariaDB, which commits each DDL
statement, an interrupted upgrade can be restarted.
"""

from __future__ import annotations

import sqlalchemy as sa

from winchester_core.storage.migrations.columns import add_column, drop_column
from winchester_core.storage.sql.types import long_text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COMMENT = "JSON: mappings, and the headers and properties that they read"


def upgrade() -> None:
    """Add the column."""
    add_column(
        "rejected_messages", sa.Column("context", long_text(), nullable=True, comment=COMMENT)
    )


def downgrade() -> None:
    """Remove the column; messages with mappings can then not be converted again."""
    drop_column("rejected_messages", "context")
