"""The ingesting side, as the configuration says."""

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
    """A trigger manager as `settings` say: a file, a mapping with its content, or `Settings`.

    Raises `ConfigurationError`; `SchemaMismatch` when the database is not at the program's
    revision. See `winchester_core.ingest.Ingester` for what it does.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        known = resolve_settings(settings, needs=("database",), ignores=("pipelines", "sources"))
        counters = Counters()
        store = open_store(known, counters)
        super().__init__(**ingest_parts(known, store, counters=counters))


def ingest_parts(
    settings: Settings,
    store: Store,
    *,
    clock: StreamClock | None = None,
    counters: Counters | None = None,
) -> dict[str, Any]:
    """The arguments of `winchester_core.ingest.Ingester`."""
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
    """The arguments of `TriggerManager.change`: what follows the configuration while it works."""
    return {
        "definitions": trigger_definitions(settings, conditions()),
        "decoder": Decoder(distiller(settings, _StreamTimeClock(clock))),
    }


class _StreamTimeClock:
    """Stream time as a plain clock; the host's while the event clock has never been set."""

    def __init__(self, clock: StreamClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() or SystemClock().now()
