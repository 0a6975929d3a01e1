"""Workers, created from settings."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.bootstrap.definitions import conditions, trigger_definitions, worker_options
from winchester_core.bootstrap.definitions import pipelines as pipelines_of
from winchester_core.bootstrap.loading import resolve_settings
from winchester_core.bootstrap.stores import open_store, stream_clock
from winchester_core.config.triggers import add_definitions, delete_definition
from winchester_core.telemetry.counters import Counters
from winchester_core.worker.options import WorkerConfiguration
from winchester_core.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from winchester_core.clock import StreamClock
    from winchester_core.config import Settings
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.storage.interface import Store
    from winchester_core.telemetry.watchdog import Watchdog
    from winchester_core.worker.options import WorkerOptions


class PipelineManager(Worker):
    """A `Worker` configured by `settings`: a path, a mapping of its content, or `Settings`.

    `pipeline_handlers` are handlers of the program, as `load_settings` accepts them. Raises the
    same errors as `TriggerManager`.
    """

    def __init__(
        self,
        settings: Settings | Mapping[str, Any] | str | Path,
        *,
        pipeline_handlers: Mapping[str, Any] = MappingProxyType({}),
        name: str | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        resolved = resolve_settings(
            settings,
            needs=("database", "pipelines"),
            ignores=("distiller", "sources", "console"),
            pipeline_handlers=pipeline_handlers,
        )
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

    def add_trigger_definition(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Add triggers, given as entries of `triggers.yaml`; replace triggers of the same name.

        They apply from the next claim on. Any thread may call it. If any trigger is invalid, raises
        `ConfigurationError` with all problems and adds no trigger.
        """
        added = list(configs)
        self.change_configuration(
            lambda current: replace(
                current,
                definitions=add_definitions(
                    current.definitions, added, conditions(), current.pipelines
                ),
            )
        )

    def delete_trigger_definition(self, name: str) -> None:
        """Remove a trigger, but not its streams.

        Raises `ConfigurationError` for an unknown name.
        """
        self.change_configuration(
            lambda current: replace(
                current, definitions=delete_definition(current.definitions, name)
            )
        )


def make_worker(
    settings: Settings,
    store: Store,
    clock: StreamClock,
    *,
    pipelines: Mapping[str, PipelineDefinition] | None = None,
    options: WorkerOptions | None = None,
) -> Worker:
    """Return a worker with a given store and clock, instead of those in `settings`.

    `pipelines` and `options`, if given, replace the values in `settings`. Unless `options` say
    otherwise, it runs handlers in one thread, so that a replay always has the same order.
    """
    configuration = worker_configuration(replace(settings, worker_concurrency=1))
    if pipelines is not None:
        configuration = replace(configuration, pipelines=pipelines)
    if options is not None:
        configuration = replace(configuration, options=options)
    return Worker(
        store=store, stream_clock=clock, configuration=configuration, name=settings.worker_name
    )


def worker_configuration(settings: Settings) -> WorkerConfiguration:
    """Return the reloadable part of the configuration."""
    return WorkerConfiguration(
        trigger_definitions(settings),
        pipelines_of(settings),
        worker_options(settings),
    )
