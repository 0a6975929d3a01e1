"""Composition root: creates objects from settings.

Names are imported on first use. So a command that only reads the database does not import ingest
and workers, and a command that only checks files does not import the database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from winchester_core.bootstrap.definitions import (
        distiller,
        mapping_set,
        pipelines,
        trigger_definitions,
        worker_options,
    )
    from winchester_core.bootstrap.ingest import TriggerManager, ingest_configuration, make_ingester
    from winchester_core.bootstrap.loading import load_settings
    from winchester_core.bootstrap.stores import (
        open_database,
        open_store,
        replay_clock,
        stream_clock,
    )
    from winchester_core.bootstrap.telemetry import telemetry_server
    from winchester_core.bootstrap.worker import PipelineManager, make_worker, worker_configuration

__all__ = [
    "PipelineManager",
    "TriggerManager",
    "distiller",
    "ingest_configuration",
    "load_settings",
    "make_ingester",
    "make_worker",
    "mapping_set",
    "open_database",
    "open_store",
    "pipelines",
    "replay_clock",
    "stream_clock",
    "telemetry_server",
    "trigger_definitions",
    "worker_configuration",
    "worker_options",
]

_MODULES = {
    "ingest": ("TriggerManager", "make_ingester", "ingest_configuration"),
    "telemetry": ("telemetry_server",),
    "definitions": (
        "distiller",
        "mapping_set",
        "pipelines",
        "trigger_definitions",
        "worker_options",
    ),
    "loading": ("load_settings",),
    "stores": ("open_database", "open_store", "replay_clock", "stream_clock"),
    "worker": ("PipelineManager", "make_worker", "worker_configuration"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
