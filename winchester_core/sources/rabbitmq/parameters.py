"""What the `rabbitmq` source takes in its `params`."""

from __future__ import annotations

import re
from typing import Any

from voluptuous import All, In, Invalid, Length, Match, Optional, Required, Schema

from winchester_core.model.message import MessageKind

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")
QUEUE_TYPES = ("classic", "quorum")
LOCAL_URL = "amqp://guest:guest@localhost:5672//"

TEXT = All(str, Length(min=1))
NAME = All(str, Length(min=1, max=255))
URL = All(
    str, Match(re.compile(r"amqps?://"), msg="expected a URL that begins amqp:// or amqps://")
)


def optional(check: Any) -> Any:
    """What `check` takes, or nothing."""
    schema = Schema(check)

    def check_optional(value: Any) -> Any:
        return None if value is None else schema(value)

    return check_optional


def one_or_more(check: Any) -> Any:
    """What `check` takes, or a list of it."""
    one, several = Schema(check), Schema(All([check], Length(min=1)))

    def check_one_or_more(value: Any) -> Any:
        return several(value) if isinstance(value, list) else one(value)

    return check_one_or_more


def whole_number(minimum: int, maximum: int) -> Any:
    """A whole number within these bounds."""

    def check_whole_number(value: Any) -> int:
        if type(value) is int and minimum <= value <= maximum:
            return value
        raise Invalid(f"expected a whole number of {minimum} to {maximum}")

    return check_whole_number


def seconds(minimum: float) -> Any:
    """A number of seconds."""

    def check_seconds(value: Any) -> float:
        if type(value) in (int, float) and minimum <= value <= 3600:
            return float(value)
        raise Invalid(f"expected seconds: a number of {minimum:g} to 3600")

    return check_seconds


QUEUE_MAPPING = Schema(
    {
        Required("name"): NAME,
        Optional("exchange", default=""): All(str, Length(max=255)),
        Optional("exchange_type", default="topic"): In(EXCHANGE_TYPES),
        Optional("routing_keys", default=list): [All(str, Length(max=255))],
        Optional("durable", default=True): bool,
        Optional("auto_delete", default=False): bool,
        Optional("queue_type", default=None): optional(In(QUEUE_TYPES)),
        Optional("arguments", default=dict): {NAME: object},
    }
)


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
        Optional("ca_file", default=None): optional(TEXT),
        Optional("cert_file", default=None): optional(TEXT),
        Optional("key_file", default=None): optional(TEXT),
        Optional("server_name", default=None): optional(TEXT),
        Optional("verify", default=True): bool,
    }
)


def tls(value: Any) -> dict[str, Any] | None:
    """How TLS is spoken: true for the defaults, a mapping, or nothing for plain TCP."""
    if value in (None, False):
        return None
    found: dict[str, Any] = TLS_MAPPING({} if value is True else value)
    if found["key_file"] and not found["cert_file"]:
        raise Invalid("key_file needs a cert_file")
    return found


CONNECTION_PARAMETERS: dict[Any, Any] = {
    Optional("url", default=LOCAL_URL): one_or_more(URL),
    Optional("host", default=None): optional(TEXT),
    Optional("port", default=None): optional(whole_number(1, 65535)),
    Optional("user", default=None): optional(TEXT),
    Optional("password", default=None): optional(str),
    Optional("virtual_host", default=None): optional(TEXT),
    Optional("tls", default=None): tls,
    Optional("heartbeat_seconds", default=60): whole_number(1, 3600),
    Optional("timeout_seconds", default=10): seconds(1),
}

CONSUMING_PARAMETERS: dict[Any, Any] = {
    Optional("prefetch", default=1000): whole_number(1, 65535),
    Optional("batch_seconds", default=0.1): seconds(0),
    Optional("declare", default=True): bool,
    Optional("format", default="notification"): In([kind.value for kind in MessageKind]),
    Optional("datetime_traits", default=list): [NAME],
}

RABBITMQ_SCHEMA = Schema(
    {
        Required("queues"): All([queue], Length(min=1)),
        **CONNECTION_PARAMETERS,
        **CONSUMING_PARAMETERS,
    }
)
