"""Parameters of the `notabene` handler."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from voluptuous import All, In, Invalid, Length, Optional, Range, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import event_types, json_schema

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")

TEXT = All(str, Length(min=1))
NAME = All(str, Length(min=1, max=255))


@json_schema(type="string", pattern=r"^amqps?://\S+$", title="URL")
def broker_url(value: Any) -> str:
    """Validate the URL of a broker. Errors do not show it, since it may contain a password."""
    if isinstance(value, str) and re.fullmatch(r"amqps?://\S+", value):
        return value
    raise Invalid("expected a URL that begins with amqp:// or amqps://, without blanks")


@json_schema(type="string", minLength=1, title="path of a file that exists")
def readable_file(value: Any) -> str:
    """Validate the path of an existing file."""
    if isinstance(value, str) and Path(value).is_file():
        return value
    raise Invalid("expected the path of a file that exists")


@json_schema(type="integer", minimum=1, maximum=65535)
def port(value: Any) -> int:
    """Validate a port number."""
    if type(value) is int and 0 < value < 65536:
        return value
    raise Invalid("expected the number of a port: 1 to 65535")


TLS_SCHEMA = Schema(
    {
        Optional(
            "ca_file",
            default=None,
            description="CA certificates to trust instead of the default ones",
        ): AnyOf(None, readable_file),
        Optional("cert_file", default=None, description="client certificate"): AnyOf(
            None, readable_file
        ),
        Optional("key_file", default=None, description="private key of `cert_file`"): AnyOf(
            None, readable_file
        ),
        Optional(
            "server_name",
            default=None,
            description="the name in the broker's certificate (default: the host)",
        ): AnyOf(None, TEXT),
    }
)


@json_schema(AnyOf(bool, TLS_SCHEMA, None))
def tls(value: Any) -> dict[str, Any] | None:
    """Return TLS options for true or a mapping; None (plain TCP) for false or null."""
    if value in (None, False):
        return None
    found: dict[str, Any] = TLS_SCHEMA({} if value is True else value)
    if found["key_file"] and not found["cert_file"]:
        raise Invalid("key_file needs a cert_file")
    return found


NOTABENE_SCHEMA = Schema(
    {
        Optional("host", default="localhost", description="host of the broker"): TEXT,
        Optional("port", default=5672, description="port of the broker"): port,
        Optional("user", default="guest", description="user name"): TEXT,
        Optional("password", default="guest", description="password of the user"): str,
        Optional("vhost", default="/", description="the broker's virtual host"): TEXT,
        Optional(
            "url",
            default=None,
            description="URL that replaces the five parameters above; `amqps://` means TLS",
        ): AnyOf(None, broker_url),
        Required("exchange", description="exchange to publish to; declared durable"): NAME,
        Optional("exchange_type", default="topic", description="type of the exchange"): In(
            EXCHANGE_TYPES
        ),
        Required(
            "queue_name",
            description=("queue to declare durable and bind to the exchange; also the routing key"),
        ): NAME,
        Optional(
            "env_keys",
            default=list,
            description=(
                "keys of `env` under which earlier handlers put lists of notifications to publish, "
                "such as the verdicts of `usage` under `usage_notifications`"
            ),
        ): [TEXT],
        Optional(
            "event_types",
            default=None,
            description=(
                "events to publish, too: a glob or a list of globs of event types, `!glob` "
                "excludes; default: no events"
            ),
        ): AnyOf(None, event_types),
        Optional(
            "tls", default=None, description="true, or a mapping; certificates are always verified"
        ): tls,
        Optional(
            "timeout",
            default=30,
            description="timeout in seconds, for connecting and for each reply and confirm",
        ): All(AnyOf(int, float), Range(min=0, min_included=False, max=3600)),
        Optional(
            "library",
            default=None,
            description="accepted for compatibility with older files; has no effect",
        ): object,
    }
)
