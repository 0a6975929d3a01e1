"""The database that the configuration names, and the clock of stream time beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.bootstrap.settings import resolve_settings
from winchester_core.clock import SystemClock, TimeSyncClock
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import check_schema_revision
from winchester_core.storage.stream_clock import ClockKind, StreamClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winchester_core.clock import Clock
    from winchester_core.config import Settings
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.counters import Counters


def open_database(settings: Settings, counters: Counters | None = None) -> Database:
    """The database that the settings name, whatever its schema."""
    return Database(settings.database_url, counters=counters)


def open_store(
    settings: Settings | Mapping[str, Any] | str | Path, counters: Counters | None = None
) -> SqlStore:
    """The store on the settings' database, to look at and to mend what is there.

    Of a file or a mapping only the database is read. Raises `ConfigurationError`,
    `SchemaMismatch`, `DatabaseUnavailable`.
    """
    parts = ("triggers", "pipelines", "distiller", "sources")
    database = open_database(resolve_settings(settings, ignores=parts), counters)
    try:
        check_schema_revision(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def stream_clock(settings: Settings, store: Store, host: Clock | None = None) -> StreamClock:
    """The clock of stream time that the settings choose."""
    clock: Clock = host or SystemClock()
    if settings.clock == "time_sync":
        clock = TimeSyncClock(settings.time_sync_endpoint or "", clock)
    return StreamClock(
        ClockKind(settings.clock), store, clock, max_jump=settings.event_clock_max_jump
    )


def replay_clock(store: Store) -> StreamClock:
    """The event clock, without a bound on its jumps: what recorded messages are replayed on."""
    return StreamClock(ClockKind.EVENT, store, SystemClock())
