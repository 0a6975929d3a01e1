"""What the `rabbitmq` source takes in its `params`."""

from __future__ import annotations

import re
from typing import Any

from voluptuous import All, In, Invalid, Length, Match, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import json_schema
from winchester_core.model import MessageKind

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")
QUEUE_TYPES = ("classic", "quorum")
MAX_SECONDS = 3600
LOCAL_URL = "amqp://guest:guest@localhost:5672//"

TEXT = All(str, Length(min=1))
NAME = All(str, Length(min=1, max=255))
URL = All(
    str, Match(re.compile(r"amqps?://"), msg="expected a URL that begins amqp:// or amqps://")
)


def optional(check: Any) -> Any:
    """What `check` takes, or nothing."""
    schema = Schema(check)

    @json_schema(AnyOf(check, None))
    def check_optional(value: Any) -> Any:
        return None if value is None else schema(value)

    return check_optional


def one_or_more(check: Any) -> Any:
    """What `check` takes, or a list of it."""
    one, several = Schema(check), Schema(All([check], Length(min=1)))

    @json_schema(AnyOf(check, several))
    def check_one_or_more(value: Any) -> Any:
        return several(value) if isinstance(value, list) else one(value)

    return check_one_or_more


def whole_number(minimum: int, maximum: int) -> Any:
    """A whole number within these bounds."""

    @json_schema(type="integer", minimum=minimum, maximum=maximum)
    def check_whole_number(value: Any) -> int:
        if type(value) is int and minimum <= value <= maximum:
            return value
        raise Invalid(f"expected a whole number of {minimum} to {maximum}")

    return check_whole_number


def seconds(minimum: float) -> Any:
    """A number of seconds."""

    @json_schema(type="number", minimum=minimum, maximum=MAX_SECONDS)
    def check_seconds(value: Any) -> float:
        if type(value) in (int, float) and minimum <= value <= MAX_SECONDS:
            return float(value)
        raise Invalid(f"expected seconds: a number of {minimum:g} to {MAX_SECONDS}")

    return check_seconds


QUEUE_MAPPING = Schema(
    {
        Required("name", description="of the queue"): NAME,
        Optional("exchange", default="", description="what it is bound to (default: nothing)"): All(
            str, Length(max=255)
        ),
        Optional("exchange_type", default="topic", description="of the exchange"): In(
            EXCHANGE_TYPES
        ),
        Optional(
            "routing_keys",
            default=list,
            description="by which it is bound (default: the queue's name)",
        ): [All(str, Length(max=255))],
        Optional(
            "durable", default=True, description="whether the queue outlives the broker"
        ): bool,
        Optional(
            "auto_delete",
            default=False,
            description="whether the broker deletes it after its last consumer",
        ): bool,
        Optional("queue_type", default=None, description="default: the broker's"): optional(
            In(QUEUE_TYPES)
        ),
        Optional("arguments", default=dict, description="further arguments of the queue"): {
            NAME: object
        },
    }
)


@json_schema(AnyOf(NAME, QUEUE_MAPPING))
def queue(value: Any) -> dict[str, Any]:
    """A queue: its name alone, or a mapping."""
    found: dict[str, Any] = QUEUE_MAPPING({"name": value} if isinstance(value, str) else value)
    if found["queue_type"] == "quorum" and not found["durable"]:
        raise Invalid("a quorum queue is always durable")
    if found["queue_type"] == "quorum" and found["auto_delete"]:
        raise Invalid("a quorum queue is never deleted automatically")
    if found["routing_keys"] and not found["exchange"]:
        raise Invalid("routing_keys need an exchange to bind the queue to")
    return found


TLS_MAPPING = Schema(
    {
        Optional(
            "ca_file", default=None, description="whom to trust in place of the usual authorities"
        ): optional(TEXT),
        Optional("cert_file", default=None, description="as whom to appear"): optional(TEXT),
        Optional("key_file", default=None, description="the key of `cert_file`"): optional(TEXT),
        Optional(
            "server_name",
            default=None,
            description="the name in the broker's certificate (default: the host)",
        ): optional(TEXT),
        Optional("verify", default=True, description="whether the certificate is verified"): bool,
    }
)


@json_schema(AnyOf(bool, TLS_MAPPING, None))
def tls(value: Any) -> dict[str, Any] | None:
    """How TLS is spoken: true for the defaults, a mapping, or nothing for plain TCP."""
    if value in (None, False):
        return None
    found: dict[str, Any] = TLS_MAPPING({} if value is True else value)
    if found["key_file"] and not found["cert_file"]:
        raise Invalid("key_file needs a cert_file")
    return found


CONNECTION_PARAMETERS: dict[Any, Any] = {
    Optional(
        "url",
        default=LOCAL_URL,
        description=(
            "where the broker is, or a list of URLs of one cluster, of which the first that "
            "answers is taken; `amqps://` for TLS"
        ),
    ): one_or_more(URL),
    Optional("host", default=None, description="goes before what `url` says"): optional(TEXT),
    Optional("port", default=None, description="goes before what `url` says"): optional(
        whole_number(1, 65535)
    ),
    Optional("user", default=None, description="goes before what `url` says"): optional(TEXT),
    Optional("password", default=None, description="goes before what `url` says"): optional(str),
    Optional("virtual_host", default=None, description="goes before what `url` says"): optional(
        TEXT
    ),
    Optional("tls", default=None, description="true, or a mapping"): tls,
    Optional(
        "heartbeat_seconds",
        default=60,
        description=(
            "the broker and the source each take the other for dead after about twice this "
            "silence; heartbeats go on while the database is slow or away"
        ),
    ): whole_number(1, 3600),
    Optional(
        "timeout_seconds", default=10, description="the longest wait for a connection or a reply"
    ): seconds(1),
}

CONSUMING_PARAMETERS: dict[Any, Any] = {
    Optional(
        "prefetch",
        default=1000,
        description=(
            "how many messages of a queue are on their way at once, at most; it bounds the batch, "
            "too"
        ),
    ): whole_number(1, 65535),
    Optional(
        "batch_seconds",
        default=0.1,
        description="how long a batch is gathered once there is a message",
    ): seconds(0),
    Optional(
        "declare",
        default=True,
        description=(
            "whether queues, exchanges and bindings that are absent are made; what exists is used "
            "as it is and never declared otherwise. With false nothing is made or bound: what is "
            "absent is a failure, tried again until it is there"
        ),
    ): bool,
    Optional(
        "format",
        default="notification",
        description=(
            "what the bodies are; a notification is bare or in the envelope of oslo.messaging"
        ),
    ): In([kind.value for kind in MessageKind]),
    Optional(
        "datetime_traits", default=list, description="the traits of events that are datetimes"
    ): [NAME],
}

RABBITMQ_SCHEMA = Schema(
    {
        Required("queues", description="each a name, or a mapping"): All([queue], Length(min=1)),
        **CONNECTION_PARAMETERS,
        **CONSUMING_PARAMETERS,
    }
)
