"""Telemetry server, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.bootstrap.worker import PipelineManager
from winchester_core.telemetry.metrics import MetricOrigin
from winchester_core.telemetry.metrics.collectors import (
    ProcessMetricsCollector,
    StoreMetricsCollector,
)
from winchester_core.telemetry.server import TelemetryServer
from winchester_core.telemetry.ttl_cache import TtlCache
from winchester_core.telemetry.watchdog import Health

if TYPE_CHECKING:
    from threading import Lock

    from winchester_core.bootstrap.ingest import TriggerManager
    from winchester_core.config import Settings
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.telemetry.watchdog import Watchdog


def telemetry_server(
    settings: Settings,
    manager: TriggerManager | PipelineManager,
    watchdog: Watchdog,
    connection: Lock,
) -> TelemetryServer:
    """Return the telemetry server of an ingest process or a worker, with their common metrics.

    `connection` is locked while the statistics are read, so that they and other owners of the lock
    use one connection at a time.
    """
    store, clock = manager.store, manager.current_time

    def statistics() -> StoreStatistics:
        with connection:
            return store.statistics(clock())

    program = MetricOrigin.WORKER if isinstance(manager, PipelineManager) else MetricOrigin.INGEST
    return TelemetryServer(
        settings.metrics_listen,
        Health(watchdog, TtlCache(store.check)),
        [
            ProcessMetricsCollector(
                program, manager.counters, watchdog, lambda: manager.label_values
            ),
            StoreMetricsCollector(
                TtlCache(statistics, adaptive=True),
                lambda: manager.label_values,
            ),
        ],
    )
