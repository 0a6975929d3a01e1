"""The one place that wires settings into objects that work."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winchester_core import ingest, worker
from winchester_core.clock import SystemClock, TimeSyncClock
from winchester_core.config import Settings
from winchester_core.config import load_settings as load_settings_with
from winchester_core.distill import Distiller, validate_definitions
from winchester_core.ingest.decoding import Decoder
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.plugins import CONDITIONS, TRAIT_PLUGINS, Registry
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.revision import check_revision
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.stream_clock import ClockKind, StreamClock
from winchester_core.telemetry.cached import Cached
from winchester_core.telemetry.counters import Counters
from winchester_core.telemetry.health import Health
from winchester_core.telemetry.metrics import Origin
from winchester_core.telemetry.metrics.process import ProcessProbe
from winchester_core.telemetry.metrics.tables import TablesProbe
from winchester_core.telemetry.monitor import Monitor
from winchester_core.timex import parse
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from winchester_core.clock import Clock
    from winchester_core.interfaces import Condition
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.heartbeat import Heartbeat

load_settings = functools.partial(load_settings_with, validate_definitions=validate_definitions)
"""Read and check a configuration; see `winchester_core.config.load_settings`."""


class TriggerManager(ingest.TriggerManager):
    """A trigger manager as `settings` say: a file, a mapping with its content, or `Settings`.

    Raises `ConfigurationError`; `SchemaMismatch` when the database is not at the program's
    revision. See `winchester_core.ingest.TriggerManager` for what it does.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        known = _settings(settings, needs=("database",), ignores=("pipelines", "sources"))
        counters = Counters()
        store = open_store(known, counters)
        super().__init__(**ingest_parts(known, store, counters=counters))


class PipelineManager(worker.PipelineManager):
    """A worker as `settings` say: a file, a mapping with its content, or `Settings`.

    Raises as `TriggerManager`. See `winchester_core.worker.PipelineManager` for what it does.
    """

    def __init__(
        self,
        settings: Settings | Mapping[str, Any] | str | Path,
        *,
        name: str | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        needs = ("database", "triggers", "pipelines")
        known = _settings(settings, needs=needs, ignores=("distiller", "sources"))
        counters = Counters()
        store = open_store(known, counters)
        parts = worker_parts(known, store, name=name, counters=counters)
        super().__init__(**parts, heartbeat=heartbeat)


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
    database = open_database(_settings(settings, ignores=parts), counters)
    try:
        check_revision(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


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


def ingest_parts(
    settings: Settings,
    store: Store,
    *,
    clock: StreamClock | None = None,
    counters: Counters | None = None,
) -> dict[str, Any]:
    """The arguments of `winchester_core.ingest.TriggerManager`."""
    clock = clock or stream_clock(settings, store)
    return {
        "store": store,
        "stream_clock": clock,
        "conditions": _conditions(),
        "counters": counters or Counters(),
        "debug_period_seconds": settings.statistics_period,
        **ingest_rules(settings, clock),
    }


def ingest_rules(settings: Settings, clock: StreamClock) -> dict[str, Any]:
    """The arguments of `TriggerManager.change`: what follows the configuration while it works."""
    return {
        "definitions": trigger_definitions(settings, _conditions()),
        "decoder": Decoder(distiller(settings, _StreamNow(clock))),
    }


def worker_parts(
    settings: Settings,
    store: Store,
    *,
    clock: StreamClock | None = None,
    name: str | None = None,
    counters: Counters | None = None,
) -> dict[str, Any]:
    """The arguments of `winchester_core.worker.PipelineManager`."""
    return {
        "store": store,
        "stream_clock": clock or stream_clock(settings, store),
        "name": name or settings.worker_name,
        "counters": counters or Counters(),
        **worker_rules(settings),
    }


def worker_rules(settings: Settings) -> dict[str, Any]:
    """The arguments of `PipelineManager.change`: what follows the configuration while it works."""
    return {
        "definitions": trigger_definitions(settings, _conditions()),
        "pipelines": pipelines(settings),
        "options": worker_options(settings),
    }


def trigger_definitions(
    settings: Settings, conditions: Mapping[str, type[Condition]]
) -> list[TriggerDefinition]:
    """The compiled triggers, in the order of their file."""
    return [
        TriggerDefinition.from_config(config, conditions) for config in settings.trigger_definitions
    ]


def pipelines(settings: Settings) -> dict[str, PipelineDefinition]:
    """The pipelines by name."""
    return {
        name: PipelineDefinition(
            name,
            tuple(HandlerSpec(each.name, each.handler_class, each.params) for each in entries),
        )
        for name, entries in settings.pipelines.items()
    }


def distiller(settings: Settings, clock: Clock | None = None) -> Distiller | None:
    """The distiller; None when no event definitions are configured.

    `clock` (default: the host's) dates the notifications that do not say when they were sent.
    """
    if settings.event_definitions is None:
        return None
    return Distiller(
        list(settings.event_definitions.definitions),
        Registry(TRAIT_PLUGINS, settings.trait_plugin_aliases),
        catch_all=settings.catch_all_notifications,
        clock=clock,
    )


class _StreamNow:
    """Stream time as a plain clock; the host's while the event clock has never been set."""

    def __init__(self, clock: StreamClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() or SystemClock().now()


def worker_options(settings: Settings) -> worker.WorkerOptions:
    """How workers work."""
    return worker.WorkerOptions(
        batch_size=settings.pipeline_worker_batch_size,
        idle_delay_seconds=settings.pipeline_worker_delay,
        lease=timedelta(seconds=settings.lease_seconds),
        pipeline_timeout_seconds=settings.pipeline_timeout,
        max_attempts=settings.max_attempts,
        retry_delay=timedelta(seconds=settings.retry_delay),
        retry_delay_max=timedelta(seconds=settings.retry_delay_max),
        outbox_batch_size=settings.outbox_batch_size,
        outbox_max_age=settings.outbox_max_age,
        purge_completed=settings.purge_completed_streams,
        trim_age=parse(settings.trim_events_age) if settings.trim_events else None,
        trim_batch_size=settings.trim_events_batch_size,
        statistics_period_seconds=settings.statistics_period,
    )


def _conditions() -> Registry:
    return Registry(CONDITIONS)


def _settings(source: Settings | Mapping[str, Any] | str | Path, **choices: Any) -> Settings:
    return source if isinstance(source, Settings) else load_settings(source, **choices)
