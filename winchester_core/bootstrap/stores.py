"""Store and stream clock, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.bootstrap.loading import resolve_settings
from winchester_core.clock import ClockKind, StreamClock, SystemClock, TimeSyncClock
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_revision import check_schema_revision
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winchester_core.clock import Clock
    from winchester_core.config import Settings
    from winchester_core.storage.database_limits import DatabaseLimits
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.counters import Counters


def open_database(
    settings: Settings,
    counters: Counters | None = None,
    *,
    limits: DatabaseLimits | None = None,
    read_only_allowed: bool = False,
) -> Database:
    """Open the configured database, without a check of its schema."""
    return Database(
        settings.database_url,
        transaction_pooling=settings.transaction_pooling,
        counters=counters,
        limits=limits,
        read_only_allowed=read_only_allowed,
    )


def open_store(
    settings: Settings | Mapping[str, Any] | str | Path,
    counters: Counters | None = None,
    *,
    limits: DatabaseLimits | None = None,
    read_only_allowed: bool = False,
) -> SqlStore:
    """Open the store of the configured database, for queries and administration.

    Only the database settings of a file or a mapping are used. `limits` bounds the connections and
    the time of each query. With `read_only_allowed`, a standby server can be read. Raises
    `ConfigurationError`, `SchemaMismatch`, `DatabaseUnavailable`.
    """
    parts = ("triggers", "pipelines", "distiller", "sources", "console")
    database = open_database(
        resolve_settings(settings, ignores=parts),
        counters,
        limits=limits,
        read_only_allowed=read_only_allowed,
    )
    try:
        check_schema_revision(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def stream_clock(settings: Settings, store: Store) -> StreamClock:
    """Return the configured clock of stream time."""
    clock: Clock | TimeSyncClock = SystemClock()
    if settings.clock == "time_sync":
        clock = TimeSyncClock(settings.time_sync_endpoint or "")
    return StreamClock(
        ClockKind(settings.clock), store, clock, max_jump=settings.event_clock_max_jump
    )


def replay_clock(store: Store) -> StreamClock:
    """Return the event clock for a replay, without a limit on jumps."""
    return StreamClock(ClockKind.EVENT, store, SystemClock())
