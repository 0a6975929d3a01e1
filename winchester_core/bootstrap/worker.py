"""Workers, created from settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winchester_core.bootstrap.definitions import (
    conditions,
    trigger_definitions,
    worker_options,
)
from winchester_core.bootstrap.definitions import (
    pipelines as pipelines_of,
)
from winchester_core.bootstrap.loading import resolve_settings
from winchester_core.bootstrap.stores import open_store, stream_clock
from winchester_core.telemetry.counters import Counters
from winchester_core.worker.options import WorkerConfiguration
from winchester_core.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winchester_core.clock import StreamClock
    from winchester_core.config import Settings
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.watchdog import Watchdog


class PipelineManager(Worker):
    """A `Worker` configured by `settings`: a path, a mapping of its content, or `Settings`.

    Raises the same errors as `TriggerManager`.
    """

    def __init__(
        self,
        settings: Settings | Mapping[str, Any] | str | Path,
        *,
        name: str | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        needs = ("database", "triggers", "pipelines")
        resolved = resolve_settings(settings, needs=needs, ignores=("distiller", "sources"))
        counters = Counters()
        store = open_store(resolved, counters)
        super().__init__(
            store=store,
            stream_clock=stream_clock(resolved, store),
            configuration=worker_configuration(resolved),
            name=name or resolved.worker_name,
            counters=counters,
            watchdog=watchdog,
        )


def make_worker(
    settings: Settings,
    store: Store,
    clock: StreamClock,
    *,
    pipelines: Mapping[str, PipelineDefinition] | None = None,
) -> Worker:
    """Return a worker on another store and clock than those of `settings`.

    `pipelines` take the place of those of `settings`.
    """
    configuration = worker_configuration(settings)
    if pipelines is not None:
        configuration = replace(configuration, pipelines=pipelines)
    return Worker(
        store=store, stream_clock=clock, configuration=configuration, name=settings.worker_name
    )


def worker_configuration(settings: Settings) -> WorkerConfiguration:
    """Return the reloadable part of the configuration."""
    return WorkerConfiguration(
        trigger_definitions(settings, conditions()),
        pipelines_of(settings),
        worker_options(settings),
    )
