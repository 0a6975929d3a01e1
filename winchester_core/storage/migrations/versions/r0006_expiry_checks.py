"""Expiry checks: the time of the next check is indexed instead of the expiry. See ADR 0008.

- `streams.check_at`, never after `expire_timestamp`: an event that joins changes the expiry and not
  the check. Active streams get their expiry; the default is earlier than any time, so a row that is
  inserted without a value is checked at once.
- `ix_streams_due` by `check_at` instead of `expire_timestamp`.
- On PostgreSQL the fill factor of `streams` is 50: an updated row stays in its page, and no index
  changes (HOT update). Existing pages adapt as streams are created and deleted.

Idempotent: on MariaDB, which commits each DDL statement, an interrupted upgrade can be restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.migrations.columns import add_column, drop_column
from winchester_core.storage.sql.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX = "ix_streams_due"
COLUMN = "check_at"
DEFAULT = sa.text("'1000-01-01 00:00:00.000000'")
COMMENT = "when to check whether the stream has expired, at the latest at expire_timestamp"


def upgrade() -> None:
    """Add and fill the column, and rebuild the index with it."""
    add_column(
        "streams",
        sa.Column(COLUMN, UtcDateTime(), nullable=False, server_default=DEFAULT, comment=COMMENT),
    )
    op.execute(f"UPDATE streams SET {COLUMN} = expire_timestamp WHERE state = 'active'")  # noqa: S608
    _rebuild_index(COLUMN)
    _set_fill_factor("SET (fillfactor = 50)")


def downgrade() -> None:
    """Rebuild the index with the expiry, and remove the column."""
    _set_fill_factor("RESET (fillfactor)")
    _rebuild_index("expire_timestamp")
    drop_column("streams", COLUMN)


def _rebuild_index(time_column: str) -> None:
    op.drop_index(INDEX, "streams", if_exists=True)
    op.create_index(INDEX, "streams", ["state", "fire_timestamp", time_column])


def _set_fill_factor(change: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE streams {change}")
