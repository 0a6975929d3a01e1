"""Indexes for millions of rows: trimming, and the commands' filters.

- `events (timestamp, id)` instead of `(timestamp)`: trimming goes through the events in this order
  and from a cursor on; where a day's events bear one timestamp, PostgreSQL would sort them for each
  batch. On MariaDB and SQLite, whose indexes end with the id anyway, it costs nothing.
- `streams (first_event)`: `stream list --older-than` and `--younger-than`.
- `streams (state, retry_at)` and `(state, lease_until)` hold only streams that have such a time,
  where the database has partial indexes: every event that joins a stream writes to each index of
  `streams` on PostgreSQL, and two fewer pay for the new one.
- `rejected_messages (received_at)`: `rejected list --older-than` and `--younger-than`.

An index that is there already is taken as it is, one that is gone is not missed: on a large table
they can be built beforehand, while the programs run, and on MariaDB, which commits each change by
itself, an upgrade that was cut short can be started again.
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
    """Build the new indexes, then remove what they replace."""
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
    """Go back to the indexes of the first tables."""
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
