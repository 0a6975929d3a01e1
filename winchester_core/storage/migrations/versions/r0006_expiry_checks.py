"""When each stream is checked for its expiry, which is what the index is by. See ADR 0008.

- `streams.check_at`, never after `expire_timestamp`: an event that joins moves the expiry and not
  the check. Active streams get their expiry; the default, which is earlier than any, lets
  whatever is put in without one be checked at once.
- `ix_streams_due` by `check_at` instead of `expire_timestamp`.
- On PostgreSQL, pages of `streams` are filled by half, so that a moved row stays in its page and no
  index learns of it. Pages that are there fill up anew as streams come and go.

What is there already is taken as it is: on MariaDB, which commits each change by itself, an upgrade
that was cut short can be started again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX = "ix_streams_due"
COLUMN = "check_at"
DEFAULT = sa.text("'1000-01-01 00:00:00.000000'")
COMMENT = "when to see whether it has expired: never after expire_timestamp"


def upgrade() -> None:
    """Add the column, fill it, and build the index by it."""
    if not _is_there():
        op.add_column(
            "streams",
            sa.Column(
                COLUMN, UtcDateTime(), nullable=False, server_default=DEFAULT, comment=COMMENT
            ),
        )
    op.execute(f"UPDATE streams SET {COLUMN} = expire_timestamp WHERE state = 'active'")  # noqa: S608
    _index_by(COLUMN)
    _fill_pages("SET (fillfactor = 50)")


def downgrade() -> None:
    """Build the index by the expiry again, and forget the checks."""
    _fill_pages("RESET (fillfactor)")
    _index_by("expire_timestamp")
    op.drop_column("streams", COLUMN)


def _is_there() -> bool:
    """Whether the column is there; statements that are only printed are for a database without."""
    if op.get_context().as_sql:
        return False
    return any(each["name"] == COLUMN for each in sa.inspect(op.get_bind()).get_columns("streams"))


def _index_by(time: str) -> None:
    op.drop_index(INDEX, "streams", if_exists=True)
    op.create_index(INDEX, "streams", ["state", "fire_timestamp", time])


def _fill_pages(change: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE streams {change}")
