"""Failures are counted separately from attempts; streams of dead workers are tried alone.

- `streams.failures`: 0 for existing streams.
- `streams.trial`: null for existing streams.
- `ix_streams_state_retry_at` has `trial` as its second column. It keeps its name, because programs
  of earlier revisions that are still running use it.

Writers are not blocked: columns are added without rewriting rows, PostgreSQL builds the index
concurrently, and MariaDB builds it online. Idempotent: it runs outside a transaction, and an
interrupted upgrade can be restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.migrations.columns import add_column, drop_column
from winchester_core.storage.sql.types import exact_string

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEX = "ix_streams_state_retry_at"
NEW_INDEX = "ix_streams_state_retry_at_new"
COMMENT = "due or alone: the stream may have killed a worker; null otherwise"


def upgrade() -> None:
    """Add the columns, and replace the index."""
    add_column("streams", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    add_column("streams", sa.Column("trial", exact_string(8), nullable=True, comment=COMMENT))
    _replace_index("state, trial, retry_at")


def downgrade() -> None:
    """Replace the index, and remove the columns."""
    _replace_index("state, retry_at")
    drop_column("streams", "trial")
    drop_column("streams", "failures")


def _replace_index(columns: str) -> None:
    match op.get_context().dialect.name:
        case "mysql" | "mariadb":
            op.execute(f"ALTER TABLE streams DROP INDEX {INDEX}, ADD INDEX {INDEX} ({columns})")
        case "postgresql":
            with op.get_context().autocommit_block():
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NEW_INDEX}")
                op.execute(
                    f"CREATE INDEX CONCURRENTLY {NEW_INDEX} ON streams ({columns})"
                    " WHERE retry_at IS NOT NULL"
                )
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
                op.execute(f"ALTER INDEX {NEW_INDEX} RENAME TO {INDEX}")
        case _:
            op.execute(f"DROP INDEX IF EXISTS {INDEX}")
            op.execute(f"CREATE INDEX {INDEX} ON streams ({columns}) WHERE retry_at IS NOT NULL")
