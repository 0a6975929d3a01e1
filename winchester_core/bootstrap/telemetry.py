"""Telemetry server, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.telemetry.metrics.collectors import (
    ProcessMetricsCollector,
    StoreMetricsCollector,
)
from winchester_core.telemetry.server import TelemetryServer
from winchester_core.telemetry.ttl_cache import TtlCache
from winchester_core.telemetry.watchdog import Health

if TYPE_CHECKING:
    from datetime import datetime
    from threading import Lock

    from winchester_core.config import Settings
    from winchester_core.model.process import ProcessKind
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.metrics import LabelValues
    from winchester_core.telemetry.watchdog import Watchdog


class Monitored(Protocol):
    """The object of a process that works with a store."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def counters(self) -> Counters:
        """The counters of the process."""

    @property
    def label_values(self) -> LabelValues:
        """The names that metrics have as labels."""

    def current_time(self) -> datetime | None:
        """Return stream time."""


def telemetry_server(
    settings: Settings,
    manager: Monitored,
    kind: ProcessKind,
    watchdog: Watchdog,
    connection: Lock,
) -> TelemetryServer:
    """Return the telemetry server of a process of this kind, with the metrics that all have.

    `connection` is locked while the statistics are read, so that they and other owners of the lock
    use one connection at a time.
    """
    store, clock = manager.store, manager.current_time

    def statistics() -> StoreStatistics:
        with connection:
            return store.statistics(clock())

    return TelemetryServer(
        settings.metrics_listen,
        Health(watchdog, TtlCache(store.check)),
        [
            ProcessMetricsCollector(kind, manager.counters, watchdog, lambda: manager.label_values),
            StoreMetricsCollector(
                TtlCache(statistics, adaptive=True),
                lambda: manager.label_values,
            ),
        ],
    )
