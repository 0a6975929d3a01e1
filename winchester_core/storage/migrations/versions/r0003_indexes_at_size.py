"""Indexes for millions of rows: trimming, and the commands' filters.

- `events (timestamp, id)` instead of `(timestamp)`: trimming reads events in this order after a
  cursor. If all events of a day have the same timestamp, PostgreSQL would otherwise sort them for
  each batch. On MariaDB and SQLite it costs nothing, because their indexes end with the id anyway.
- `streams (first_event)`: `stream list --older-than` and `--younger-than`.
- `streams (state, retry_at)` and `(state, lease_until)` become partial indexes where the database
  supports them: on PostgreSQL every event that joins a stream writes to each index of `streams`,
  and two fewer compensate for the new one.
- `rejected_messages (received_at)`: `rejected list --older-than` and `--younger-than`.

Idempotent: indexes on a large table can be built in advance, while the programs run, and on
MariaDB, which commits each DDL statement, an interrupted upgrade can be restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTIAL = {
    "ix_streams_state_retry_at": "retry_at",
    "ix_streams_state_lease_until": "lease_until",
}


def upgrade() -> None:
    """Create the new indexes, then drop the indexes that they replace."""
    op.create_index("ix_events_timestamp_id", "events", ["timestamp", "id"], if_not_exists=True)
    op.create_index("ix_streams_first_event", "streams", ["first_event"], if_not_exists=True)
    op.create_index(
        "ix_rejected_messages_received_at",
        "rejected_messages",
        ["received_at"],
        if_not_exists=True,
    )
    op.drop_index("ix_events_timestamp", "events", if_exists=True)
    _rebuild(partial=True)


def downgrade() -> None:
    """Restore the indexes of revision 0001."""
    op.create_index("ix_events_timestamp", "events", ["timestamp"], if_not_exists=True)
    op.drop_index("ix_events_timestamp_id", "events", if_exists=True)
    op.drop_index("ix_streams_first_event", "streams", if_exists=True)
    op.drop_index("ix_rejected_messages_received_at", "rejected_messages", if_exists=True)
    _rebuild(partial=False)


def _rebuild(*, partial: bool) -> None:
    if op.get_context().dialect.name not in ("postgresql", "sqlite"):
        return
    for name, column in PARTIAL.items():
        condition = sa.column(column).is_not(None) if partial else None
        op.drop_index(name, "streams", if_exists=True)
        op.create_index(
            name,
            "streams",
            ["state", column],
            postgresql_where=condition,
            sqlite_where=condition,
        )
