"""Records of the validated configuration, typed and with defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from winchester_core.masking import mask_url, masked
from winchester_core.plugins import TRAIT_PLUGINS, PluginRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from pathlib import Path

    from winchester_core.interfaces import EventSource, PipelineHandler

LogFormat = Literal["text", "json"]
ClockName = Literal["system", "event", "time_sync"]


@dataclass(frozen=True, slots=True, repr=False)
class HandlerEntry:
    """Handler of a pipeline: its local name, entry point, class and params.

    `params` are those returned by the handler's schema, with defaults.
    """

    name: str
    plugin_name: str
    handler_class: type[PipelineHandler]
    params: Mapping[str, Any]

    def __repr__(self) -> str:
        return _masked_repr(self)


@dataclass(frozen=True, slots=True, repr=False)
class SourceEntry:
    """Entry of `event_sources`; `batch_size` is the number of messages per transaction."""

    name: str
    plugin_name: str
    source_class: type[EventSource]
    params: Mapping[str, Any]
    batch_size: int

    def __repr__(self) -> str:
        return _masked_repr(self)


@dataclass(frozen=True, slots=True, repr=False)
class EventDefinitions:
    """Definitions that convert notifications to events, from the file `name`."""

    name: str
    definitions: tuple[Mapping[str, Any], ...]

    def __repr__(self) -> str:
        return f"EventDefinitions({self.name!r}, {len(self.definitions)} definitions)"


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Content of `winchester.yaml` and the files it names.

    Fields are named like the keys of `winchester.yaml`; docs/reference/settings.md describes each.
    Durations that are floats are in seconds. Parts that are not configured, or not read, are empty.
    `repr` masks passwords.
    """

    name: str
    """The file, or `<dict>`."""
    database_url: str
    """SQLAlchemy URL with its password; for output, use `masked_database_url`. Empty if none."""
    transaction_pooling: bool
    """`database.transaction_pooling`."""

    config_path: tuple[Path, ...]
    event_definitions: EventDefinitions | None
    trait_plugin_aliases: Mapping[str, str]
    """`distiller_trait_plugins`: mapping from local names to names of entry points."""
    catch_all_notifications: bool

    trigger_definitions: tuple[Mapping[str, Any], ...]
    event_sources: Mapping[str, SourceEntry]
    ingest_batch_size: int
    ingest_batch_delay: float

    pipelines: Mapping[str, tuple[HandlerEntry, ...]]
    pipeline_worker_batch_size: int
    pipeline_worker_delay: float
    pipeline_timeout: float | None
    worker_name: str | None
    lease_seconds: float
    max_attempts: int
    retry_delay: float
    retry_delay_max: float
    outbox_batch_size: int
    outbox_max_age: timedelta
    purge_completed_streams: bool
    trim_events: bool
    trim_events_age: str
    trim_events_batch_size: int

    shutdown_timeout: float

    clock: ClockName
    event_clock_max_jump: timedelta | None
    time_sync_endpoint: str | None

    metrics_listen: tuple[str, int] | None
    """Host and port; port 0 selects a free one."""
    statistics_period: float
    log_level: str
    """Name of a level of `logging`, in upper case."""
    log_format: LogFormat
    log_file: str | None
    logging_config: Path | None

    warnings: tuple[str, ...] = ()
    """Warnings about the configuration, logged when it was loaded."""

    @property
    def trait_plugins(self) -> Mapping[str, Any]:
        """Trait plugins by entry-point and local name, each imported on lookup."""
        return PluginRegistry(TRAIT_PLUGINS, self.trait_plugin_aliases)

    @property
    def masked_database_url(self) -> str:
        """URL of the database with its password masked."""
        return mask_url(self.database_url)

    def __repr__(self) -> str:
        return _masked_repr(self)


def _masked_repr(entry: Any) -> str:
    parts = (f"{field.name}={masked(getattr(entry, field.name))!r}" for field in fields(entry))
    return f"{type(entry).__name__}({', '.join(parts)})"
