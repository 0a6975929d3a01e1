"""The tables. The migrations make the same; a test holds them against each other.

One thing only the migrations say, since not every SQLAlchemy can: on PostgreSQL the pages of
`streams` are filled by half (revision 0006).

What only the statements that make tables say, and only to one database, is in `info` under
SQLAlchemy's name for it; `metadata_for_ddl` passes it on. As an argument of `Table` or `Index` it
would make every process import the dialects of all databases.

There are no foreign keys: rows that belong together are written and removed in one transaction,
and the key checks' shared locks would stand in the way of claims (see ADR 0003).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    column,
    text,
)

from winchester_core.storage.sql.types import (
    UtcDateTime,
    blob,
    digest,
    identity,
    long_text,
    surrogate,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_COMMON: dict[str, Any] = {"mariadb_charset": "utf8mb4", "mariadb_engine": "InnoDB"}

# SQLite would give the id of the last row again once that row is removed: a lost claim or a cursor
# would then point at another row
_NO_ID_TWICE: dict[str, Any] = {**_COMMON, "sqlite_autoincrement": True}

# SQLite would keep rows by a number of its own, and the key in an index besides
_BY_KEY: dict[str, Any] = {**_COMMON, "sqlite_with_rowid": False}


def _where_not_null(name: str) -> dict[str, Any]:
    """Let an index hold only the few streams that it is for, where the database can."""
    condition = column(name).is_not(None)
    return {"postgresql_where": condition, "sqlite_where": condition}


events = Table(
    "events",
    metadata,
    Column("id", surrogate(), primary_key=True, autoincrement=True),
    Column("message_id", identity(255), nullable=False),
    Column("event_type", identity(255), nullable=False),
    Column("timestamp", UtcDateTime(), nullable=False),
    Column("stored_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("traits", JSON(), nullable=False, comment="every other trait, typed"),
    UniqueConstraint("message_id"),
    Index(None, "timestamp", "id"),
    Index(None, "event_type", "timestamp"),
    info=_NO_ID_TWICE,
)

streams = Table(
    "streams",
    metadata,
    Column("id", surrogate(), primary_key=True, autoincrement=True),
    Column("name", identity(255), nullable=False, comment="the trigger's name"),
    Column("open_key", digest(), nullable=True, comment="the group, while the stream is open"),
    Column("state", identity(16), nullable=False),
    Column("state_serial_no", Integer(), nullable=False),
    Column("fingerprint", identity(32), nullable=False),
    Column("first_event", UtcDateTime(), nullable=False),
    Column("last_event", UtcDateTime(), nullable=False),
    Column("expire_timestamp", UtcDateTime(), nullable=False),
    Column(
        "check_at",
        UtcDateTime(),
        nullable=False,
        server_default=text("'1000-01-01 00:00:00.000000'"),
        comment="when to see whether it has expired: never after expire_timestamp",
    ),
    Column("fire_timestamp", UtcDateTime(), nullable=True),
    Column("event_count", Integer(), nullable=False),
    Column("progress", long_text(), nullable=False, comment="what each fire criterion counted"),
    Column("attempts", Integer(), nullable=False, server_default="0"),
    Column("worker", identity(255), nullable=True),
    Column("lease_until", UtcDateTime(), nullable=True, comment="the database server's time"),
    Column("retry_at", UtcDateTime(), nullable=True, comment="the database server's time"),
    Column("last_error", long_text(), nullable=True),
    Column("history", long_text(), nullable=True, comment="its latest changes of state, in lines"),
    UniqueConstraint("open_key"),
    Index("ix_streams_due", "state", "fire_timestamp", "check_at"),
    Index(None, "state", "retry_at", info=_where_not_null("retry_at")),
    Index(None, "state", "lease_until", info=_where_not_null("lease_until")),
    Index(None, "first_event"),
    Index(None, "name", "state", "fingerprint"),
    info=_NO_ID_TWICE,
)

stream_traits = Table(
    "stream_traits",
    metadata,
    Column("stream_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("name", identity(255), primary_key=True),
    Column("digest", digest(), nullable=False, comment="SHA-256 of the typed value"),
    Column("value", JSON(), nullable=False),
    Index(None, "name", "digest"),
    info=_BY_KEY,
)

stream_events = Table(
    "stream_events",
    metadata,
    Column("stream_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("position", Integer(), primary_key=True, autoincrement=False, comment="from 1"),
    Column("event_id", BigInteger(), nullable=False),
    Index(None, "event_id"),
    info=_BY_KEY,
)

rejected_messages = Table(
    "rejected_messages",
    metadata,
    Column("id", surrogate(), primary_key=True, autoincrement=True),
    Column("source", identity(255), nullable=False),
    Column("digest", digest(), nullable=False, comment="SHA-256 of the whole body"),
    Column("kind", String(16), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("received_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("body", blob(), nullable=False, comment="at most 1 MiB of it"),
    Column("body_length", BigInteger(), nullable=False),
    UniqueConstraint("source", "digest"),
    Index(None, "received_at"),
    info=_NO_ID_TWICE,
)

effects = Table(
    "effects",
    metadata,
    Column("id", surrogate(), primary_key=True, autoincrement=True, comment="their order"),
    Column("effect_id", identity(36), nullable=False, comment="what put() returned"),
    Column("stream_id", BigInteger(), nullable=False),
    Column("stream_name", identity(255), nullable=False, comment="the trigger's name"),
    Column("pipeline", identity(255), nullable=False),
    Column("handler", identity(255), nullable=False, comment="its name in the pipeline"),
    Column("place", Integer(), nullable=False, comment="among handlers of that name, from 0"),
    Column("payload", long_text(), nullable=False, comment="JSON"),
    Column("payload_length", Integer(), nullable=False, comment="in bytes"),
    Column("state", identity(16), nullable=False, comment="pending or dead"),
    Column("serial_no", Integer(), nullable=False),
    Column("attempts", Integer(), nullable=False, server_default="0"),
    Column("created_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("waiting_since", UtcDateTime(), nullable=False, comment="its age counts from here"),
    Column(
        "due_at",
        UtcDateTime(),
        nullable=True,
        comment="when it may be claimed; null behind another of its stream, or when dead",
    ),
    Column("worker", identity(255), nullable=True),
    Column("last_error", long_text(), nullable=True),
    UniqueConstraint("effect_id"),
    Index("ix_effects_due", "pipeline", "handler", "place", "state", "due_at", "id"),
    Index("ix_effects_lane", "stream_id", "pipeline", "handler", "place", "state", "id"),
    Index(None, "state", "waiting_since"),
    Index(None, "state", "id"),
    info=_NO_ID_TWICE,
)

debug_counts = Table(
    "debug_counts",
    metadata,
    Column("name", identity(255), primary_key=True, comment="the trigger's name"),
    Column("matched", BigInteger(), nullable=False),
    Column("mismatched", BigInteger(), nullable=False),
    Column("reasons", long_text(), nullable=False, comment="JSON: why, and how often"),
    Column("since", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("counted_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    info=_COMMON,
)

event_clock = Table(
    "event_clock",
    metadata,
    Column("id", SmallInteger(), primary_key=True, autoincrement=False),
    Column("stream_time", UtcDateTime(), nullable=True, comment="null until it is first set"),
    info=_COMMON,
)


def metadata_for_ddl() -> MetaData:
    """Return the tables with what each database is told when it makes them."""
    parts: list[Table | Index] = [*metadata.tables.values()]
    parts += [index for table in metadata.tables.values() for index in table.indexes]
    for part in parts:
        part.dialect_kwargs.update(part.info)
    return metadata
