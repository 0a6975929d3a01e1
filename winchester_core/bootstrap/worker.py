"""Workers, created from settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core import worker
from winchester_core.bootstrap.definitions import (
    conditions,
    pipelines,
    trigger_definitions,
    worker_options,
)
from winchester_core.bootstrap.settings import resolve_settings
from winchester_core.bootstrap.stores import open_store, stream_clock
from winchester_core.telemetry.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winchester_core.config import Settings
    from winchester_core.storage.interface import Store
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.telemetry.watchdog import Watchdog


class PipelineManager(worker.Worker):
    """A `Worker` with `settings`: a file, a mapping with its content, or `Settings`.

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
        parts = worker_parts(resolved, store, name=name, counters=counters)
        super().__init__(**parts, watchdog=watchdog)


def worker_parts(
    settings: Settings,
    store: Store,
    *,
    clock: StreamClock | None = None,
    name: str | None = None,
    counters: Counters | None = None,
) -> dict[str, Any]:
    """Return the arguments of `winchester_core.worker.Worker`."""
    return {
        "store": store,
        "stream_clock": clock or stream_clock(settings, store),
        "name": name or settings.worker_name,
        "counters": counters or Counters(),
        **worker_configuration(settings),
    }


def worker_configuration(settings: Settings) -> dict[str, Any]:
    """Return the arguments of `Worker.reload`: the reloadable part of the configuration."""
    return {
        "definitions": trigger_definitions(settings, conditions()),
        "pipelines": pipelines(settings),
        "options": worker_options(settings),
    }
