"""What a running process shows to the outside, as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.bootstrap.worker import PipelineManager
from winchester_core.telemetry.cached import Cached
from winchester_core.telemetry.health import Health
from winchester_core.telemetry.metrics import Origin
from winchester_core.telemetry.metrics.process import ProcessProbe
from winchester_core.telemetry.metrics.tables import TablesProbe
from winchester_core.telemetry.monitor import Monitor

if TYPE_CHECKING:
    from winchester_core.bootstrap.ingest import TriggerManager
    from winchester_core.config import Settings
    from winchester_core.telemetry.heartbeat import Heartbeat


def monitor(
    settings: Settings, manager: TriggerManager | PipelineManager, heartbeat: Heartbeat
) -> Monitor:
    """How a process that runs on is watched from outside, with the metrics that both kinds have."""
    store, clock = manager.store, manager.current_time
    program = Origin.WORKER if isinstance(manager, PipelineManager) else Origin.INGEST
    return Monitor(
        settings.metrics_listen,
        Health(heartbeat, Cached(store.check)),
        [
            ProcessProbe(program, manager.counters, heartbeat, lambda: manager.names),
            TablesProbe(
                Cached(lambda: store.statistics(clock()), costly=True), lambda: manager.names
            ),
        ],
    )
