"""The first tables: events, streams, their traits and members, rejected messages, the clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import (
    UtcDateTime,
    blob,
    exact_string,
    long_text,
    sha256_digest,
    surrogate_key,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the clock's only row."""
    _create_events()
    _create_streams()
    _create_stream_traits()
    _create_stream_events()
    _create_rejected_messages()
    clock = op.create_table(
        "event_clock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "stream_time", UtcDateTime(), nullable=True, comment="null until it is first set"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_event_clock"),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.bulk_insert(clock, [{"id": 1, "stream_time": None}])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", surrogate_key(), autoincrement=True, nullable=False),
        sa.Column("message_id", exact_string(255), nullable=False),
        sa.Column("event_type", exact_string(255), nullable=False),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=False, comment="the database server's time"),
        sa.Column("traits", sa.JSON(), nullable=False, comment="every other trait, typed"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("message_id", name="uq_events_message_id"),
        sqlite_autoincrement=True,
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.create_index("ix_events_timestamp", "events", ["timestamp"])
    op.create_index("ix_events_event_type_timestamp", "events", ["event_type", "timestamp"])


def _create_streams() -> None:
    op.create_table(
        "streams",
        sa.Column("id", surrogate_key(), autoincrement=True, nullable=False),
        sa.Column("name", exact_string(255), nullable=False, comment="the trigger's name"),
        sa.Column(
            "open_key",
            sha256_digest(),
            nullable=True,
            comment="the group, while the stream is open",
        ),
        sa.Column("state", exact_string(16), nullable=False),
        sa.Column("state_serial_no", sa.Integer(), nullable=False),
        sa.Column("fingerprint", exact_string(32), nullable=False),
        sa.Column("first_event", UtcDateTime(), nullable=False),
        sa.Column("last_event", UtcDateTime(), nullable=False),
        sa.Column("expire_timestamp", UtcDateTime(), nullable=False),
        sa.Column("fire_timestamp", UtcDateTime(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column(
            "progress",
            long_text(),
            nullable=False,
            comment="counts of the fire criteria",
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", exact_string(255), nullable=True),
        sa.Column(
            "lease_until", UtcDateTime(), nullable=True, comment="the database server's time"
        ),
        sa.Column("retry_at", UtcDateTime(), nullable=True, comment="the database server's time"),
        sa.Column("last_error", long_text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.UniqueConstraint("open_key", name="uq_streams_open_key"),
        sqlite_autoincrement=True,
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.create_index("ix_streams_due", "streams", ["state", "fire_timestamp", "expire_timestamp"])
    op.create_index("ix_streams_state_retry_at", "streams", ["state", "retry_at"])
    op.create_index("ix_streams_state_lease_until", "streams", ["state", "lease_until"])
    op.create_index(
        "ix_streams_name_state_fingerprint", "streams", ["name", "state", "fingerprint"]
    )


def _create_stream_traits() -> None:
    op.create_table(
        "stream_traits",
        sa.Column("stream_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", exact_string(255), nullable=False),
        sa.Column("digest", sha256_digest(), nullable=False, comment="SHA-256 of the typed value"),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "name", name="pk_stream_traits"),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.create_index("ix_stream_traits_name_digest", "stream_traits", ["name", "digest"])


def _create_stream_events() -> None:
    op.create_table(
        "stream_events",
        sa.Column("stream_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False, comment="from 1"),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "position", name="pk_stream_events"),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.create_index("ix_stream_events_event_id", "stream_events", ["event_id"])


def _create_rejected_messages() -> None:
    op.create_table(
        "rejected_messages",
        sa.Column("id", surrogate_key(), autoincrement=True, nullable=False),
        sa.Column("source", exact_string(255), nullable=False),
        sa.Column("digest", sha256_digest(), nullable=False, comment="SHA-256 of the whole body"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", long_text(), nullable=False),
        sa.Column(
            "received_at", UtcDateTime(), nullable=False, comment="the database server's time"
        ),
        sa.Column("body", blob(), nullable=False, comment="the body, or its first 1 MiB"),
        sa.Column("body_length", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rejected_messages"),
        sa.UniqueConstraint("source", "digest", name="uq_rejected_messages_source_digest"),
        sqlite_autoincrement=True,
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )


def downgrade() -> None:
    """Remove every table."""
    for table in (
        "event_clock",
        "rejected_messages",
        "stream_events",
        "stream_traits",
        "streams",
        "events",
    ):
        op.drop_table(table, if_exists=True)
