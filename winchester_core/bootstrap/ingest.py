"""Ingest, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.bootstrap.definitions import (
    conditions,
    distiller,
    mapping_set,
    trigger_definitions,
)
from winchester_core.bootstrap.loading import resolve_settings
from winchester_core.bootstrap.stores import open_store, stream_clock
from winchester_core.clock import ClockKind, SystemClock
from winchester_core.errors import InvalidEvent
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration, Ingester
from winchester_core.telemetry.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from winchester_core.clock import StreamClock
    from winchester_core.config import Settings
    from winchester_core.storage.interface import Store


class TriggerManager(Ingester):
    """An `Ingester` configured by `settings`: a path, a mapping of its content, or `Settings`.

    Raises `ConfigurationError`, or `SchemaMismatch` if the database has a different schema
    revision.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        resolved = resolve_settings(
            settings, needs=("database",), ignores=("pipelines", "sources", "console")
        )
        counters = Counters()
        store = open_store(resolved, counters)
        clock = stream_clock(resolved, store)
        super().__init__(
            store=store,
            stream_clock=clock,
            configuration=ingest_configuration(resolved, clock),
            conditions=conditions(),
            counters=counters,
            debug_period_seconds=resolved.statistics_period,
        )


def make_ingester(settings: Settings, store: Store, clock: StreamClock) -> Ingester:
    """Return an ingester with a given store and clock, instead of those in `settings`."""
    return Ingester(
        store=store,
        stream_clock=clock,
        configuration=ingest_configuration(settings, clock),
        conditions=conditions(),
        debug_period_seconds=settings.statistics_period,
    )


def ingest_configuration(settings: Settings, clock: StreamClock) -> IngestConfiguration:
    """Return the reloadable part of the configuration."""
    stream_time = _StreamTimeClock(clock)
    return IngestConfiguration(
        trigger_definitions(settings),
        Decoder(distiller(settings, stream_time), mapping_set(settings), stream_time),
    )


class _StreamTimeClock:
    """Stream time, for notifications without a timestamp, and as the time of arrival.

    It is the host's time as long as the event clock is not set. With the `time_sync` clock, the
    host's time is never used.
    """

    def __init__(self, clock: StreamClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        now = self._clock.now()
        if now is None and self._clock.kind is ClockKind.TIME_SYNC:
            raise InvalidEvent("timestamp", "missing, and no stream time is known yet")
        return now or SystemClock().now()
