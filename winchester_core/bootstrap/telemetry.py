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
    from winchester_core.bootstrap.ingest import TriggerManager
    from winchester_core.config import Settings
    from winchester_core.telemetry.watchdog import Watchdog


def telemetry_server(
    settings: Settings, manager: TriggerManager | PipelineManager, watchdog: Watchdog
) -> TelemetryServer:
    """Return the telemetry server of an ingest process or a worker, with their common metrics."""
    store, clock = manager.store, manager.current_time
    program = MetricOrigin.WORKER if isinstance(manager, PipelineManager) else MetricOrigin.INGEST
    return TelemetryServer(
        settings.metrics_listen,
        Health(watchdog, TtlCache(store.check)),
        [
            ProcessMetricsCollector(
                program, manager.counters, watchdog, lambda: manager.label_values
            ),
            StoreMetricsCollector(
                TtlCache(lambda: store.statistics(clock()), adaptive=True),
                lambda: manager.label_values,
            ),
        ],
    )
