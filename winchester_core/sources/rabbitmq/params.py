"""Parameters of the `rabbitmq` source."""

from __future__ import annotations

from typing import Any

from voluptuous import All, In, Invalid, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import (
    NAME,
    PORT,
    TEXT,
    one_or_more,
    optional,
    seconds,
    tls,
    url,
    whole_number,
)
from winchester_core.sources.params import MESSAGE_PARAMETERS

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")
QUEUE_TYPES = ("classic", "quorum")
STREAMS_UNSUPPORTED = (
    "a queue of type stream is not supported: messages published while ingest is down would never"
    " be read"
)
MAX_SECONDS = 3600
PREFETCH = whole_number(1, 65535)
LOCAL_URL = "amqp://guest:guest@localhost:5672//"


QUEUE_MAPPING = Schema(
    {
        Required("name", description="name of the queue"): NAME,
        Optional(
            "exchange", default="", description="exchange to bind the queue to (default: none)"
        ): All(str, Length(max=255)),
        Optional("exchange_type", default="topic", description="type of the exchange"): In(
            EXCHANGE_TYPES
        ),
        Optional(
            "routing_keys",
            default=list,
            description="routing keys of the bindings (default: the queue's name)",
        ): [All(str, Length(max=255))],
        Optional(
            "durable",
            default=True,
            description="whether the queue survives a restart of the broker",
        ): bool,
        Optional(
            "auto_delete",
            default=False,
            description="whether the broker deletes the queue after its last consumer disconnects",
        ): bool,
        Optional(
            "queue_type", default=None, description="type of the queue (default: the broker's)"
        ): optional(In(QUEUE_TYPES)),
        Optional("arguments", default=dict, description="further arguments of the queue"): {
            NAME: object
        },
    }
)


@json_schema(AnyOf(NAME, QUEUE_MAPPING))
def queue(value: Any) -> dict[str, Any]:
    """Validate a queue: its name, or a mapping."""
    checked: dict[str, Any] = QUEUE_MAPPING({"name": value} if isinstance(value, str) else value)
    if checked["queue_type"] == "quorum" and not checked["durable"]:
        raise Invalid("a quorum queue is always durable")
    if checked["queue_type"] == "quorum" and checked["auto_delete"]:
        raise Invalid("a quorum queue is never deleted automatically")
    if "stream" in (checked["queue_type"], checked["arguments"].get("x-queue-type")):
        raise Invalid(STREAMS_UNSUPPORTED)
    if checked["routing_keys"] and not checked["exchange"]:
        raise Invalid("routing_keys need an exchange to bind the queue to")
    return checked


CONNECTION_PARAMETERS: dict[Any, Any] = {
    Optional(
        "url",
        default=LOCAL_URL,
        description=(
            "URL of the broker, or a list of URLs for a cluster; the first one that responds is "
            "used; `amqps://` for TLS"
        ),
    ): one_or_more(url("amqp", "amqps")),
    Optional("host", default=None, description="overrides the host in `url`"): optional(TEXT),
    Optional("port", default=None, description="overrides the port in `url`"): optional(PORT),
    Optional("user", default=None, description="overrides the user in `url`"): optional(TEXT),
    Optional("password", default=None, description="overrides the password in `url`"): optional(
        str
    ),
    Optional(
        "virtual_host", default=None, description="overrides the virtual host in `url`"
    ): optional(TEXT),
    Optional("tls", default=None, description="true for the defaults, or a mapping"): tls(
        {
            Optional(
                "server_name",
                default=None,
                description="name in the broker's certificate (default: the host)",
            ): optional(TEXT),
            Optional(
                "verify", default=True, description="whether the certificate is verified"
            ): bool,
        },
        file=TEXT,
    ),
    Optional(
        "heartbeat_seconds",
        default=60,
        description=(
            "heartbeat interval; broker and source consider each other dead after about two "
            "intervals without a heartbeat. Heartbeats continue while the database is slow or "
            "unavailable"
        ),
    ): whole_number(1, 3600),
    Optional(
        "timeout_seconds", default=10, description="timeout for connecting, and for each reply"
    ): seconds(1, MAX_SECONDS),
}

CONSUMING_PARAMETERS: dict[Any, Any] = {
    Optional(
        "prefetch",
        default=2000,
        description=(
            "maximum number of unacknowledged messages per queue; also limits the batch size. The "
            "next batch is received while the database stores this one if `prefetch` is at least "
            "twice `batch_size`"
        ),
    ): PREFETCH,
    Optional(
        "batch_seconds",
        default=0.1,
        description="how long to wait to fill a batch after its first message",
    ): seconds(0, MAX_SECONDS),
    Optional(
        "declare",
        default=True,
        description=(
            "whether to declare missing queues, exchanges and bindings; existing ones are used "
            "unchanged. If false, nothing is declared or bound, and a missing queue or exchange is "
            "a failure that is retried"
        ),
    ): bool,
    **MESSAGE_PARAMETERS,
}

RABBITMQ_SCHEMA = Schema(
    {
        Required("queues", description="queues to consume, each a name or a mapping"): All(
            [queue], Length(min=1)
        ),
        **CONNECTION_PARAMETERS,
        **CONSUMING_PARAMETERS,
    }
)
