"""Ingest, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core import ingest
from winchester_core.bootstrap.definitions import conditions, distiller, trigger_definitions
from winchester_core.bootstrap.settings import resolve_settings
from winchester_core.bootstrap.stores import open_store, stream_clock
from winchester_core.clock import SystemClock
from winchester_core.ingest.decoding import Decoder
from winchester_core.telemetry.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from winchester_core.config import Settings
    from winchester_core.storage.interface import Store
    from winchester_core.storage.stream_clock import StreamClock


class TriggerManager(ingest.Ingester):
    """An `Ingester` with `settings`: a file, a mapping with its content, or `Settings`.

    Raises `ConfigurationError`; `SchemaMismatch` when the schema revision of the database is not
    the program's.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        resolved = resolve_settings(settings, needs=("database",), ignores=("pipelines", "sources"))
        counters = Counters()
        store = open_store(resolved, counters)
        super().__init__(**ingest_parts(resolved, store, counters=counters))


def ingest_parts(
    settings: Settings,
    store: Store,
    *,
    clock: StreamClock | None = None,
    counters: Counters | None = None,
) -> dict[str, Any]:
    """Return the arguments of `winchester_core.ingest.Ingester`."""
    clock = clock or stream_clock(settings, store)
    return {
        "store": store,
        "stream_clock": clock,
        "conditions": conditions(),
        "counters": counters or Counters(),
        "debug_period_seconds": settings.statistics_period,
        **ingest_configuration(settings, clock),
    }


def ingest_configuration(settings: Settings, clock: StreamClock) -> dict[str, Any]:
    """Return the arguments of `Ingester.reload`: the reloadable part of the configuration."""
    return {
        "definitions": trigger_definitions(settings, conditions()),
        "decoder": Decoder(distiller(settings, _StreamTimeClock(clock))),
    }


class _StreamTimeClock:
    """Stream time as a `Clock`; the host's time while the event clock has never been set."""

    def __init__(self, clock: StreamClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() or SystemClock().now()
