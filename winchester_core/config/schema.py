"""Schema of `winchester.yaml`: every setting with its validator, default and description."""

from __future__ import annotations

from typing import Any

from voluptuous import Any as AnyOf
from voluptuous import Optional, Required, Schema

from winchester_core.config.errors import UnexpectedValue
from winchester_core.config.values import (
    boolean,
    database_url,
    duration,
    http_url,
    listen_address,
    log_file,
    log_level,
    off_or,
    one_of,
    optional,
    seconds,
    text,
    text_list,
    time_expression,
    whole_number,
)
from winchester_core.interfaces.json_schema import definition_reference, json_schema


def file_or_content(kind: type, content: str, definition: str) -> Any:
    """Return a validator for the name of a file, or its content of type `kind` in place.

    `definition` is the name of the content's schema in `winchester_core.schemas`.
    """

    @json_schema(
        anyOf=[{"type": ["string", "null"], "minLength": 1}, definition_reference(definition)],
        title="file, or its content",
    )
    def check_file_or_content(value: Any) -> Any:
        if value is None or isinstance(value, kind) or (isinstance(value, str) and value):
            return value
        raise UnexpectedValue(f"expected the name of a file, or {content}")

    return check_file_or_content


@json_schema(AnyOf({text: text}, None))
def alias_map(value: Any) -> dict[str, str]:
    """Check a mapping from local names to names of entry points."""
    if value is None:
        return {}
    if isinstance(value, dict):
        aliases: dict[str, str] = Schema({text: text})(value)
        return aliases
    raise UnexpectedValue("expected a mapping of names to names of entry points")


SOURCE_SCHEMA = Schema(
    {
        Required("source", description="name of an entry point of winchester.event_sources"): text,
        Optional(
            "params", default=dict, description="parameters, defined by the source's schema"
        ): dict,
        Optional("batch_size", description="messages per transaction"): whole_number(1),
    }
)


@json_schema(
    type=["object", "null"],
    propertyNames={"minLength": 1},
    additionalProperties=definition_reference("event_source"),
    title="mapping of names to sources",
)
def source_map(value: Any) -> dict[str, Any]:
    """Check that the event sources are a mapping; each source is validated separately."""
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(name, str) and name for name in value):
        return value
    raise UnexpectedValue("expected a mapping of names to event sources")


DATABASE_SCHEMA = Schema(
    {
        Required("url", description="SQLAlchemy URL of the database"): database_url,
        Optional(
            "transaction_pooling",
            default=False,
            description="connections are pooled by transaction, as PgBouncer does",
        ): boolean,
    }
)


def setting(key: str, default: Any, description: str) -> Optional:
    """Return the schema key of a setting, with its default and description."""
    return Optional(key, default=default, description=description)


SETTINGS_SCHEMA = Schema(
    {
        setting("config_path", ".", "directories of the other files"): text_list,
        Optional("database", description="database of events and streams"): DATABASE_SCHEMA,
        # Notifications to events.
        setting("distiller_config", None, "event definitions, file or list"): file_or_content(
            list, "a list of event definitions", "event_definitions"
        ),
        setting("distiller_trait_plugins", dict, "local names of trait plugins"): alias_map,
        setting(
            "catch_all_notifications", False, "store notifications that no definition covers"
        ): boolean,
        # Events to streams.
        setting("trigger_definitions", None, "triggers, file or list"): file_or_content(
            list, "a list of triggers", "triggers"
        ),
        setting("event_sources", dict, "sources of messages for ingest"): source_map,
        setting("ingest_batch_size", 1000, "messages per transaction"): whole_number(1),
        setting("ingest_batch_delay", 0.02, "time for a busy source to fill a batch"): seconds(),
        # Streams to pipelines.
        setting("pipeline_config", None, "pipelines, file or mapping"): file_or_content(
            dict, "a mapping of pipelines", "pipelines"
        ),
        setting("pipeline_handlers", dict, "local names of handlers"): alias_map,
        setting("pipeline_worker_batch_size", 1000, "streams per claim"): whole_number(1),
        setting("pipeline_worker_delay", 10, "polling interval of an idle worker"): seconds(),
        setting("pipeline_timeout", None, "maximum duration of a pipeline run"): off_or(
            seconds(positive=True)
        ),
        setting("worker_name", None, "name of the worker; default: the host's name"): optional(
            text
        ),
        setting("lease_seconds", 60, "duration of a claim unless renewed"): seconds(positive=True),
        setting("max_attempts", 5, "runs before a stream is in error"): whole_number(1),
        setting("retry_delay", 10, "delay before the second attempt"): seconds(),
        setting("retry_delay_max", 3600, "maximum delay between attempts"): seconds(),
        setting("outbox_batch_size", 100, "effects per call of a handler's deliver"): whole_number(
            1
        ),
        setting(
            "outbox_max_age", "7d", "age at which an undelivered effect is marked dead"
        ): duration(positive=True),
        setting("purge_completed_streams", True, "delete completed streams"): boolean,
        setting("trim_events", False, "delete old events"): boolean,
        setting("trim_events_age", "$timestamp - 14d", "events before this are old"): (
            time_expression("timestamp")
        ),
        setting("trim_events_batch_size", 100, "events deleted per transaction"): whole_number(1),
        # Shutdown.
        setting("shutdown_timeout", 30, "time to finish the work in progress at shutdown"): (
            seconds()
        ),
        # Time.
        setting("clock", None, "clock of stream time"): optional(
            one_of("system", "event", "time_sync")
        ),
        setting("event_clock_max_jump", "1d", "maximum advance of the clock by one event"): off_or(
            duration(positive=True)
        ),
        setting("time_sync_endpoint", None, "the service of the time_sync clock"): optional(
            http_url
        ),
        # Metrics and logging.
        setting("metrics_listen", None, "listen address of metrics and health"): off_or(
            listen_address
        ),
        setting("statistics_period", 10, "time between statistics records"): seconds(positive=True),
        setting("log_level", "info", "minimum level of log records"): log_level,
        setting("log_format", "text", "format of log records"): one_of("text", "json"),
        setting("log_file", None, "log file; default: standard error"): optional(log_file),
        setting("logging_config", None, "a logging.config file"): optional(text),
    }
)
