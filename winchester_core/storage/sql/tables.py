"""Table definitions. A test verifies that the migrations create the same tables.

One option exists only in the migrations, because not every SQLAlchemy version supports it: the fill
factor of `streams` on PostgreSQL is 50 (revision 0006).

DDL options of a single database are stored in `info` under their SQLAlchemy names;
`metadata_for_ddl` applies them. If they were arguments of `Table` or `Index`, every process would
import the dialects of all databases.

There are no foreign keys, because related rows are written and deleted in one transaction, and the
shared locks of key checks would block claims (see ADR 0003).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
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

from winchester_core.model.activity import ActivityCounts
from winchester_core.storage.sql.types import (
    UtcDateTime,
    blob,
    exact_string,
    long_text,
    sha256_digest,
    surrogate_key,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_COMMON: dict[str, Any] = {"mariadb_charset": "utf8mb4", "mariadb_engine": "InnoDB"}

# by default SQLite reuses the id of a deleted last row, so a lost claim or a cursor could refer to
# another row
_NEVER_REUSE_IDS: dict[str, Any] = {**_COMMON, "sqlite_autoincrement": True}

# by default SQLite stores rows by a hidden rowid, and the key in a separate index
_WITHOUT_ROWID: dict[str, Any] = {**_COMMON, "sqlite_with_rowid": False}


def _where_not_null(name: str) -> dict[str, Any]:
    """Return the options of a partial index, for databases that support it."""
    condition = column(name).is_not(None)
    return {"postgresql_where": condition, "sqlite_where": condition}


_RETRY_AT_SET = _where_not_null("retry_at")

events = Table(
    "events",
    metadata,
    Column("id", surrogate_key(), primary_key=True, autoincrement=True),
    Column("message_id", exact_string(255), nullable=False),
    Column("event_type", exact_string(255), nullable=False),
    Column("timestamp", UtcDateTime(), nullable=False),
    Column("stored_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("traits", JSON(), nullable=False, comment="every other trait, typed"),
    UniqueConstraint("message_id"),
    Index(None, "timestamp", "id"),
    Index(None, "event_type", "timestamp"),
    info=_NEVER_REUSE_IDS,
)

streams = Table(
    "streams",
    metadata,
    Column("id", surrogate_key(), primary_key=True, autoincrement=True),
    Column("name", exact_string(255), nullable=False, comment="the trigger's name"),
    Column(
        "open_key", sha256_digest(), nullable=True, comment="the group, while the stream is open"
    ),
    Column("state", exact_string(16), nullable=False),
    Column("state_serial_no", Integer(), nullable=False),
    Column("fingerprint", exact_string(32), nullable=False),
    Column("first_event", UtcDateTime(), nullable=False),
    Column("last_event", UtcDateTime(), nullable=False),
    Column("expire_timestamp", UtcDateTime(), nullable=False),
    Column(
        "check_at",
        UtcDateTime(),
        nullable=False,
        server_default=text("'1000-01-01 00:00:00.000000'"),
        comment="when to check whether the stream has expired, at the latest at expire_timestamp",
    ),
    Column("fire_timestamp", UtcDateTime(), nullable=True),
    Column("event_count", Integer(), nullable=False),
    Column("progress", long_text(), nullable=False, comment="counts of the fire criteria"),
    Column("attempts", Integer(), nullable=False, server_default="0"),
    Column("failures", Integer(), nullable=False, server_default="0"),
    Column(
        "trial",
        exact_string(8),
        nullable=True,
        comment="due or alone: the stream may have killed a worker; null otherwise",
    ),
    Column("worker", exact_string(255), nullable=True),
    Column("lease_until", UtcDateTime(), nullable=True, comment="the database server's time"),
    Column("retry_at", UtcDateTime(), nullable=True, comment="the database server's time"),
    Column("last_error", long_text(), nullable=True),
    Column(
        "history", long_text(), nullable=True, comment="the latest changes of state, one per line"
    ),
    Column("decision", exact_string(16), nullable=True, comment="cancelled or suppressed"),
    Column(
        "upkeep_at",
        UtcDateTime(),
        nullable=True,
        comment="stream time at which waiting events end, or old members are unlinked",
    ),
    UniqueConstraint("open_key"),
    Index("ix_streams_due", "state", "fire_timestamp", "check_at"),
    # the name does not contain `trial`, because running programs of earlier revisions use it
    Index("ix_streams_state_retry_at", "state", "trial", "retry_at", info=_RETRY_AT_SET),
    Index(None, "state", "lease_until", info=_where_not_null("lease_until")),
    Index(None, "first_event"),
    Index(None, "name", "state", "fingerprint"),
    Index(None, "state", "upkeep_at", info=_where_not_null("upkeep_at")),
    info=_NEVER_REUSE_IDS,
)

stream_traits = Table(
    "stream_traits",
    metadata,
    Column("stream_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("name", exact_string(255), primary_key=True),
    Column("digest", sha256_digest(), nullable=False, comment="SHA-256 of the typed value"),
    Column("value", JSON(), nullable=False),
    Index(None, "name", "digest"),
    info=_WITHOUT_ROWID,
)

stream_events = Table(
    "stream_events",
    metadata,
    Column("stream_id", BigInteger(), primary_key=True, autoincrement=False),
    Column("position", Integer(), primary_key=True, autoincrement=False, comment="from 1"),
    Column("event_id", BigInteger(), nullable=False),
    Index(None, "event_id"),
    info=_WITHOUT_ROWID,
)

silent_groups = Table(
    "silent_groups",
    metadata,
    Column("group_key", sha256_digest(), primary_key=True, comment="as streams.open_key"),
    Column("name", exact_string(255), nullable=False, comment="the trigger's name"),
    Column("fire_timestamp", UtcDateTime(), nullable=False, comment="the silence begins here"),
    Column("stream_id", BigInteger(), nullable=False, comment="the stream that fires"),
    Index(None, "name", "fire_timestamp"),
    info=_WITHOUT_ROWID,
)

rejected_messages = Table(
    "rejected_messages",
    metadata,
    Column("id", surrogate_key(), primary_key=True, autoincrement=True),
    Column("source", exact_string(255), nullable=False),
    Column(
        "digest",
        sha256_digest(),
        nullable=False,
        comment="SHA-256 of the whole body",
    ),
    Column("kind", String(16), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("received_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("body", blob(), nullable=False, comment="the body, or its first 1 MiB"),
    Column("body_length", BigInteger(), nullable=False),
    Column(
        "context",
        long_text(),
        nullable=True,
        comment="JSON: mappings, and the headers and properties that they read",
    ),
    UniqueConstraint("source", "digest"),
    Index(None, "received_at"),
    info=_NEVER_REUSE_IDS,
)

effects = Table(
    "effects",
    metadata,
    Column(
        "id", surrogate_key(), primary_key=True, autoincrement=True, comment="order of the effects"
    ),
    Column("effect_id", exact_string(36), nullable=False, comment="the id that put() returned"),
    Column("stream_id", BigInteger(), nullable=False),
    Column("stream_name", exact_string(255), nullable=False, comment="the trigger's name"),
    Column("pipeline", exact_string(255), nullable=False),
    Column(
        "handler", exact_string(255), nullable=False, comment="name of the handler in the pipeline"
    ),
    Column(
        "place",
        Integer(),
        nullable=False,
        comment="number among the handlers with this name in the pipeline, from 0",
    ),
    Column("payload", long_text(), nullable=False, comment="JSON"),
    Column("payload_length", Integer(), nullable=False, comment="in bytes"),
    Column("state", exact_string(16), nullable=False, comment="pending, dead or discarded"),
    Column("serial_no", Integer(), nullable=False),
    Column("attempts", Integer(), nullable=False, server_default="0"),
    Column("created_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("waiting_since", UtcDateTime(), nullable=False, comment="the age is counted from here"),
    Column(
        "due_at",
        UtcDateTime(),
        nullable=True,
        comment="when it may be claimed; null while an earlier effect blocks it, or when dead",
    ),
    Column("worker", exact_string(255), nullable=True),
    Column("last_error", long_text(), nullable=True),
    UniqueConstraint("effect_id"),
    Index("ix_effects_due", "pipeline", "handler", "place", "state", "due_at", "id"),
    Index("ix_effects_lane", "stream_id", "pipeline", "handler", "place", "state", "id"),
    Index(None, "state", "waiting_since"),
    Index(None, "state", "id"),
    info=_NEVER_REUSE_IDS,
)

debug_counts = Table(
    "debug_counts",
    metadata,
    Column("name", exact_string(255), primary_key=True, comment="the trigger's name"),
    Column("matched", BigInteger(), nullable=False),
    Column("mismatched", BigInteger(), nullable=False),
    Column("reasons", long_text(), nullable=False, comment="JSON: reasons and their counts"),
    Column("since", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("counted_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    info=_COMMON,
)

processes = Table(
    "processes",
    metadata,
    Column("id", exact_string(255), primary_key=True),
    Column("kind", exact_string(16), nullable=False, comment="ingest, worker or console"),
    Column("name", exact_string(255), nullable=False),
    Column("host", exact_string(255), nullable=False),
    Column("pid", BigInteger(), nullable=False),
    Column("version", exact_string(64), nullable=False, comment="of the program"),
    Column("period_seconds", Double(), nullable=False, comment="time between reports"),
    Column("started_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("seen_at", UtcDateTime(), nullable=False, comment="time of the last report"),
    Column(
        "configured_at",
        UtcDateTime(),
        nullable=False,
        comment="since when the version and the fingerprints are unchanged",
    ),
    Column(
        "overdue",
        long_text(),
        nullable=False,
        comment="JSON: components that missed their deadline",
    ),
    Column("triggers_fingerprint", exact_string(64), nullable=True),
    Column("pipelines_fingerprint", exact_string(64), nullable=True),
    info=_COMMON,
)

activity = Table(
    "activity",
    metadata,
    Column(
        "period_seconds",
        SmallInteger(),
        primary_key=True,
        autoincrement=False,
        comment="60, 600, 3600 or 21600",
    ),
    Column(
        "begins_at",
        BigInteger(),
        primary_key=True,
        autoincrement=False,
        comment="seconds since 1970, UTC, by the database server's time",
    ),
    Column("subject", exact_string(16), primary_key=True, comment="events, trigger or pipeline"),
    Column("name", exact_string(255), primary_key=True, comment="of the trigger or pipeline"),
    *(
        Column(name, Double() if name == "run_seconds" else BigInteger(), nullable=False)
        for name in ActivityCounts._fields
    ),
    info=_WITHOUT_ROWID,
)

actions = Table(
    "actions",
    metadata,
    Column("id", surrogate_key(), primary_key=True, autoincrement=True),
    Column("performed_at", UtcDateTime(), nullable=False, comment="the database server's time"),
    Column("name", exact_string(255), nullable=False, comment="the operator's name"),
    Column("role", exact_string(16), nullable=False, comment="the operator's role"),
    Column("address", exact_string(255), nullable=False, comment="of the request"),
    Column("action", exact_string(64), nullable=False),
    Column("target", long_text(), nullable=False, comment="the object, or the filter"),
    Column("number", BigInteger(), nullable=False, comment="of changed objects"),
    Index(None, "performed_at"),
    info=_NEVER_REUSE_IDS,
)

event_clock = Table(
    "event_clock",
    metadata,
    Column("id", SmallInteger(), primary_key=True, autoincrement=False),
    Column("stream_time", UtcDateTime(), nullable=True, comment="null until it is first set"),
    info=_COMMON,
)


def metadata_for_ddl() -> MetaData:
    """Return the tables with their DDL options for each database."""
    parts: list[Table | Index] = [*metadata.tables.values()]
    parts += [index for table in metadata.tables.values() for index in table.indexes]
    for part in parts:
        part.dialect_kwargs.update(part.info)
    return metadata
