"""Streams can be cancelled or suppressed, hold waiting events, and make their group silent.

- `streams.decision` and `streams.upkeep_at`: null for existing streams.
- `silent_groups`: empty.

Writers are not blocked: columns are added without rewriting rows, and the index contains no
existing row. PostgreSQL builds it concurrently. Idempotent: it runs outside a transaction, and an
interrupted upgrade can be restarted.

The downgrade deletes the rows that hold waiting events, ends all silences, and clears the progress
that only this revision can read. Programs of revision 0008 then count the events again. They do not
know decisions: a cancelled or suppressed stream that is not completed then fires.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.migrations.columns import add_column, drop_column
from winchester_core.storage.sql.types import UtcDateTime, exact_string, sha256_digest

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "ix_streams_state_upkeep_at"
UPKEEP_COMMENT = "stream time at which waiting events end, or old members are unlinked"


def upgrade() -> None:
    """Add the columns, the index and the table."""
    comment = "cancelled or suppressed"
    add_column("streams", sa.Column("decision", exact_string(16), nullable=True, comment=comment))
    add_column(
        "streams", sa.Column("upkeep_at", UtcDateTime(), nullable=True, comment=UPKEEP_COMMENT)
    )
    _create_index()
    _create_table()


def downgrade() -> None:
    """Remove the table, the index and the columns, and what depends on them."""
    op.execute("DROP TABLE IF EXISTS silent_groups")
    held = "(SELECT id FROM streams WHERE state = 'holding')"
    op.execute(f"DELETE FROM stream_events WHERE stream_id IN {held}")  # noqa: S608
    op.execute(f"DELETE FROM stream_traits WHERE stream_id IN {held}")  # noqa: S608
    op.execute("DELETE FROM streams WHERE state = 'holding'")
    op.execute("UPDATE streams SET progress = '', fingerprint = '' WHERE progress LIKE '[%'")
    match op.get_context().dialect.name:
        case "mysql" | "mariadb":
            op.execute(f"ALTER TABLE streams DROP INDEX IF EXISTS {INDEX}")
        case "postgresql":
            with op.get_context().autocommit_block():
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        case _:
            op.execute(f"DROP INDEX IF EXISTS {INDEX}")
    drop_column("streams", "upkeep_at")
    drop_column("streams", "decision")


def _create_index() -> None:
    columns = "streams (state, upkeep_at)"
    match op.get_context().dialect.name:
        case "mysql" | "mariadb":
            op.execute(f"ALTER TABLE streams ADD INDEX IF NOT EXISTS {INDEX} (state, upkeep_at)")
        case "postgresql":
            with op.get_context().autocommit_block():
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
                op.execute(
                    f"CREATE INDEX CONCURRENTLY {INDEX} ON {columns} WHERE upkeep_at IS NOT NULL"
                )
        case _:
            op.execute(
                f"CREATE INDEX IF NOT EXISTS {INDEX} ON {columns} WHERE upkeep_at IS NOT NULL"
            )


def _create_table() -> None:
    op.create_table(
        "silent_groups",
        sa.Column("group_key", sha256_digest(), nullable=False, comment="as streams.open_key"),
        sa.Column("name", exact_string(255), nullable=False, comment="the trigger's name"),
        sa.Column(
            "fire_timestamp", UtcDateTime(), nullable=False, comment="the silence begins here"
        ),
        sa.Column("stream_id", sa.BigInteger(), nullable=False, comment="the stream that fires"),
        sa.PrimaryKeyConstraint("group_key", name="pk_silent_groups"),
        if_not_exists=True,
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_silent_groups_name_fire_timestamp",
        "silent_groups",
        ["name", "fire_timestamp"],
        if_not_exists=True,
    )
