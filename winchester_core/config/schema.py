"""The settings of `winchester.yaml`: every key with its check, its default and its meaning."""

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


def file_or_content(kind: type, what: str, definition: str) -> Any:
    """The name of a file, or its content given in place.

    `definition` is what `winchester_core.schemas` calls the schema of that content.
    """

    @json_schema(
        anyOf=[{"type": ["string", "null"], "minLength": 1}, definition_reference(definition)],
        title="file, or its content",
    )
    def check_file_or_content(value: Any) -> Any:
        if value is None or isinstance(value, kind) or (isinstance(value, str) and value):
            return value
        raise UnexpectedValue(f"expected the name of a file, or {what}")

    return check_file_or_content


@json_schema(AnyOf({text: text}, None))
def alias_map(value: Any) -> dict[str, str]:
    """Local names, each for the name of an entry point."""
    if value is None:
        return {}
    if isinstance(value, dict):
        pairs: dict[str, str] = Schema({text: text})(value)
        return pairs
    raise UnexpectedValue("expected a mapping of a name to the name of an entry point")


SOURCE_SCHEMA = Schema(
    {
        Required("source", description="name of an entry point of winchester.event_sources"): text,
        Optional("params", default=dict, description="what the source's own schema takes"): dict,
        Optional("batch_size", description="messages a transaction"): whole_number(1),
    }
)


@json_schema(
    type=["object", "null"],
    propertyNames={"minLength": 1},
    additionalProperties=definition_reference("event_source"),
    title="mapping of a name to a source",
)
def source_map(value: Any) -> dict[str, Any]:
    """The configured event sources by name; each is checked on its own later."""
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(name, str) and name for name in value):
        return value
    raise UnexpectedValue("expected a mapping of a name to an event source")


DATABASE_SCHEMA = Schema(
    {Required("url", description="SQLAlchemy URL of the database"): database_url}
)


def setting(key: str, default: Any, description: str) -> Optional:
    """A key of the file with its default and what it means."""
    return Optional(key, default=default, description=description)


SETTINGS_SCHEMA = Schema(
    {
        setting("config_path", ".", "where to look for the other files"): text_list,
        Optional("database", description="where events and streams are kept"): DATABASE_SCHEMA,
        # Notifications to events.
        setting("distiller_config", None, "event definitions, file or list"): file_or_content(
            list, "a list of event definitions", "event_definitions"
        ),
        setting("distiller_trait_plugins", dict, "local names of trait plugins"): alias_map,
        setting("catch_all_notifications", False, "keep what no definition covers"): boolean,
        # Events to streams.
        setting("trigger_definitions", None, "triggers, file or list"): file_or_content(
            list, "a list of triggers", "triggers"
        ),
        setting("event_sources", dict, "where ingest takes messages from"): source_map,
        setting("ingest_batch_size", 1000, "messages a transaction"): whole_number(1),
        setting("ingest_batch_delay", 0.02, "wait for a busy source to fill a batch"): seconds(),
        # Streams to pipelines.
        setting("pipeline_config", None, "pipelines, file or mapping"): file_or_content(
            dict, "a mapping of pipelines", "pipelines"
        ),
        setting("pipeline_handlers", dict, "local names of handlers"): alias_map,
        setting("pipeline_worker_batch_size", 1000, "streams a turn"): whole_number(1),
        setting("pipeline_worker_delay", 10, "sleep of an idle worker"): seconds(),
        setting("pipeline_timeout", None, "longest run of a pipeline"): off_or(
            seconds(positive=True)
        ),
        setting("worker_name", None, "name of the worker; the host's name"): optional(text),
        setting("lease_seconds", 60, "how long a claim holds unless renewed"): seconds(
            positive=True
        ),
        setting("max_attempts", 5, "runs before a stream is in error"): whole_number(1),
        setting("retry_delay", 10, "first wait before another attempt"): seconds(),
        setting("retry_delay_max", 3600, "longest wait before another attempt"): seconds(),
        setting("outbox_batch_size", 100, "effects a call of a handler's deliver"): whole_number(1),
        setting("outbox_max_age", "7d", "when an undelivered effect is given up"): duration(
            positive=True
        ),
        setting("purge_completed_streams", True, "remove completed streams"): boolean,
        setting("trim_events", False, "remove old events"): boolean,
        setting("trim_events_age", "$timestamp - 14d", "events before this are old"): (
            time_expression("timestamp")
        ),
        setting("trim_events_batch_size", 100, "events removed a turn"): whole_number(1),
        # The end of ingest and workers.
        setting("shutdown_timeout", 30, "time to finish what is in hand when told to end"): (
            seconds()
        ),
        # Time.
        setting("clock", None, "which clock drives streams"): optional(
            one_of("system", "event", "time_sync")
        ),
        setting("event_clock_max_jump", "1d", "how far one event moves the clock"): off_or(
            duration(positive=True)
        ),
        setting("time_sync_endpoint", None, "the service of the time_sync clock"): optional(
            http_url
        ),
        # What is told.
        setting("metrics_listen", None, "where metrics and health are told; nowhere"): off_or(
            listen_address
        ),
        setting("statistics_period", 10, "time between statistics records"): seconds(positive=True),
        setting("log_level", "info", "least level logged"): log_level,
        setting("log_format", "text", "how a log record is written"): one_of("text", "json"),
        setting("log_file", None, "file to log to; standard error"): optional(log_file),
        setting("logging_config", None, "a logging.config file"): optional(text),
    }
)
