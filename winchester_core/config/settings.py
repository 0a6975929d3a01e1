"""Settings of `winchester.yaml`: their declarations, schema, and validated records."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from voluptuous import UNDEFINED, Optional, Required, Schema

from winchester_core.config.console_access import (
    ConsoleToken,
    console_tokens,
    host_list,
    public_url,
)
from winchester_core.config.validators import (
    alias_map,
    boolean,
    database_url,
    file_or_content,
    listen_address,
    log_file,
    log_level,
    off_or,
    one_of,
    seconds,
    source_map,
    text,
    text_list,
    thread_limits,
    time_expression,
    whole_number,
)
from winchester_core.interfaces.params import duration, optional, url
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

    `params` is the result of the handler's schema, with defaults. `emitted_event_types` are the
    types of the new events that it may add, as far as they are known beforehand.
    """

    name: str
    plugin_name: str
    handler_class: type[PipelineHandler]
    params: Mapping[str, Any]
    emitted_event_types: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()

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


class Reload(NamedTuple):
    """Effect of a changed setting on running programs: reload, restart, or none (unused)."""

    worker: Literal["reload", "restart", "unused"]
    ingest: Literal["reload", "restart", "unused"]
    console: Literal["reload", "restart", "unused"] = "reload"
    """The console shows the settings of all programs."""


RESTART = Reload("restart", "restart", "restart")
RELOAD = Reload("reload", "reload")
DISTILLING = Reload("unused", "reload")
INGESTING = Reload("unused", "restart")
WORKING = Reload("reload", "unused")
COMPARED_ELSEWHERE = Reload("unused", "unused", "unused")
CONSOLE = Reload("unused", "unused", "restart")
PUBLIC_URL = Reload("reload", "unused", "restart")


class Declaration(NamedTuple):
    """A setting. If it is required, `default` is `UNDEFINED`. A dot in `key` separates keys."""

    default: Any
    description: str
    validator: Any
    reload: Reload
    key: str


def setting(default: Any, description: str, validator: Any, reload: Reload, key: str = "") -> Any:
    """Declare the setting of a field of `Settings`. Its default key is the name of the field."""
    declaration = Declaration(default, description, validator, reload, key)
    return field(metadata={"declaration": declaration})


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Content of `winchester.yaml` and the files that it names. Each setting is declared once.

    `SETTINGS_SCHEMA`, its JSON Schema, the reference and the rules of reloads are generated from
    these declarations. docs/reference/settings.md describes all settings. Durations of type float
    are in seconds. Parts that are not configured or not read are empty. `repr` masks passwords.
    """

    name: str
    """The file, or `<dict>`."""
    warnings: tuple[str, ...]
    """Warnings about the configuration, logged when it was loaded."""
    triggers_fingerprint: str | None
    """Fingerprint of the triggers; None if they were not read."""
    pipelines_fingerprint: str | None
    """Fingerprint of the pipelines and the aliases of handlers; None if they were not read."""

    config_path: tuple[Path, ...] = setting(
        ".", "directories of the other files", text_list, COMPARED_ELSEWHERE
    )
    database_url: str = setting(
        UNDEFINED, "SQLAlchemy URL of the database", database_url, RESTART, "database.url"
    )
    """SQLAlchemy URL with its password, or ""; use `masked_database_url` for output."""
    transaction_pooling: bool = setting(
        False,
        "connections are pooled by transaction, as by PgBouncer",
        boolean,
        RESTART,
        "database.transaction_pooling",
    )

    # Notifications to events.
    event_definitions: EventDefinitions | None = setting(
        None,
        "event definitions, file or list",
        file_or_content(list, "a list of event definitions", "event_definitions"),
        DISTILLING,
        "distiller_config",
    )
    trait_plugin_aliases: Mapping[str, str] = setting(
        dict, "local names of trait plugins", alias_map, DISTILLING, "distiller_trait_plugins"
    )
    """Mapping from local names to names of entry points, as `handler_aliases`."""
    catch_all_notifications: bool = setting(
        False, "store notifications that no definition covers", boolean, DISTILLING
    )

    mapping_definitions: Mapping[str, Any] = setting(
        None,
        "mappings, file or mapping",
        file_or_content(dict, "a mapping of mappings", "mappings"),
        DISTILLING,
    )
    """Rules by name of the mapping, without the ready mappings."""

    # Events to streams.
    trigger_definitions: tuple[Mapping[str, Any], ...] = setting(
        None,
        "triggers, file or list",
        file_or_content(list, "a list of triggers", "triggers"),
        RELOAD,
    )
    event_sources: Mapping[str, SourceEntry] = setting(
        dict, "sources of messages for ingest", source_map, INGESTING
    )
    ingest_batch_size: int = setting(1000, "messages per transaction", whole_number(1), INGESTING)
    ingest_batch_delay: float = setting(
        0.02, "time for a busy source to fill a batch", seconds(), INGESTING
    )

    # Streams to pipelines.
    pipelines: Mapping[str, tuple[HandlerEntry, ...]] = setting(
        None,
        "pipelines, file or mapping",
        file_or_content(dict, "a mapping of pipelines", "pipelines"),
        WORKING,
        "pipeline_config",
    )
    handler_aliases: Mapping[str, str] = setting(
        dict, "local names of handlers", alias_map, COMPARED_ELSEWHERE, "pipeline_handlers"
    )
    pipeline_worker_batch_size: int = setting(1000, "streams per claim", whole_number(1), WORKING)
    pipeline_worker_delay: float = setting(
        10, "polling interval of an idle worker", seconds(), WORKING
    )
    worker_concurrency: int = setting(
        1, "threads of a worker that run pipelines", whole_number(1), Reload("restart", "unused")
    )
    pipeline_concurrency: Mapping[str, int] = setting(
        dict, "maximum threads of a worker for single pipelines", thread_limits, WORKING
    )
    commit_batch: int = setting(100, "runs that are committed together", whole_number(1), WORKING)
    pipeline_timeout: float | None = setting(
        None, "maximum duration of a pipeline run", off_or(seconds(positive=True)), WORKING
    )
    worker_name: str | None = setting(
        None,
        "name of the worker; default: the host's name",
        optional(text),
        Reload("restart", "unused"),
    )
    lease_seconds: float = setting(
        60, "duration of a claim unless renewed", seconds(positive=True), WORKING
    )
    max_attempts: int = setting(5, "failures before a stream is in error", whole_number(1), WORKING)
    retry_delay: float = setting(10, "delay before the second attempt", seconds(), WORKING)
    retry_delay_max: float = setting(3600, "maximum delay between attempts", seconds(), WORKING)
    outbox_batch_size: int = setting(
        100, "effects per call of a handler's deliver", whole_number(1), WORKING
    )
    outbox_max_age: timedelta = setting(
        "7d",
        "age at which an undelivered effect is marked dead",
        duration(positive=True),
        WORKING,
    )
    purge_completed_streams: bool = setting(True, "delete completed streams", boolean, WORKING)
    trim_events: bool = setting(False, "delete old events", boolean, WORKING)
    trim_events_age: str = setting(
        "$timestamp - 14d", "events before this are old", time_expression("timestamp"), WORKING
    )
    trim_events_batch_size: int = setting(
        100, "events deleted per transaction", whole_number(1), WORKING
    )
    activity_days: int = setting(
        7, "days for which the activity of processes is kept", whole_number(1), WORKING
    )

    shutdown_timeout: float = setting(
        30, "time to finish the work in progress at shutdown", seconds(), RESTART
    )

    # Time.
    clock: ClockName = setting(
        None, "clock of stream time", optional(one_of("system", "event", "time_sync")), RESTART
    )
    event_clock_max_jump: timedelta | None = setting(
        "1d", "maximum advance of the clock by one event", off_or(duration(positive=True)), RESTART
    )
    time_sync_endpoint: str | None = setting(
        None, "the service of the time_sync clock", optional(url("http", "https")), RESTART
    )

    # Metrics and logging.
    metrics_listen: tuple[str, int] | None = setting(
        None, "listen address of metrics and health", off_or(listen_address), RESTART
    )
    """Host and port; port 0 selects a free port."""
    statistics_period: float = setting(
        10, "time between statistics records", seconds(positive=True), Reload("reload", "restart")
    )
    log_level: str = setting("info", "minimum level of log records", log_level, RELOAD)
    """Name of a level of `logging`, in upper case."""
    log_format: LogFormat = setting("text", "format of log records", one_of("text", "json"), RELOAD)
    log_file: str | None = setting(
        None, "log file; default: standard error", optional(log_file), RELOAD
    )
    logging_config: Path | None = setting(None, "a logging.config file", optional(text), RELOAD)

    # Console.
    console_tokens: tuple[ConsoleToken, ...] = setting(
        list, "tokens of people and programs", console_tokens, CONSOLE, "console.tokens"
    )
    console_public_url: str | None = setting(
        None,
        "URL under which browsers reach the console",
        public_url,
        PUBLIC_URL,
        "console.public_url",
    )
    console_hosts: tuple[str, ...] = setting(
        list, "further names of the console's host", host_list, CONSOLE, "console.hosts"
    )

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


DECLARATIONS: Final[dict[str, Declaration]] = {
    each.name: declaration._replace(key=declaration.key or each.name)
    for each in fields(Settings)
    if (declaration := each.metadata.get("declaration")) is not None
}
"""Declarations of the settings by field of `Settings`."""

SETTING_KEYS: Final = {name: each.key for name, each in DECLARATIONS.items()}


SECTIONS: Final = {
    "database": "database of events and streams",
    "console": "access to the console",
}
"""Descriptions of the settings that are mappings of other settings."""


def _schema(section: str) -> dict[Any, Any]:
    """Return the schema of the keys in `section`, in the order of their declaration."""
    keys: dict[Any, Any] = {}
    for each in DECLARATIONS.values():
        parent, _, key = each.key.rpartition(".")
        if parent == section:
            marker = Required if each.default is UNDEFINED else Optional
            keys[marker(key, default=each.default, description=each.description)] = each.validator
        elif not section:
            keys[_section_key(parent)] = SECTION_SCHEMAS[parent]
    return keys


def _section_key(section: str) -> Optional:
    """Return the key of a section. Unless it contains a required setting, it has a default."""
    is_required = any(isinstance(key, Required) for key in SECTION_SCHEMAS[section].schema)
    default = UNDEFINED if is_required else dict
    return Optional(section, default=default, description=SECTIONS[section])


SECTION_SCHEMAS: Final = {section: Schema(_schema(section)) for section in SECTIONS}
SETTINGS_SCHEMA: Final = Schema(_schema(""))

SOURCE_SCHEMA = Schema(
    {
        Required("source", description="name of an entry point of winchester.event_sources"): text,
        Optional(
            "params", default=dict, description="parameters, defined by the source's schema"
        ): dict,
        Optional("batch_size", description="messages per transaction"): whole_number(1),
    }
)


def _masked_repr(entry: Any) -> str:
    parts = (f"{field.name}={masked(getattr(entry, field.name))!r}" for field in fields(entry))
    return f"{type(entry).__name__}({', '.join(parts)})"
