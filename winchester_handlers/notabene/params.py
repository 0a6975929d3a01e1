"""What the `notabene` handler takes in its `params`."""

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
    """The URL of a broker. The message does not show it: it may hold a password."""
    if isinstance(value, str) and re.fullmatch(r"amqps?://\S+", value):
        return value
    raise Invalid("expected a URL that begins with amqp:// or amqps://, without blanks")


@json_schema(type="string", minLength=1, title="path of a file that exists")
def readable_file(value: Any) -> str:
    """The path of a file that is there."""
    if isinstance(value, str) and Path(value).is_file():
        return value
    raise Invalid("expected the path of a file that exists")


@json_schema(type="integer", minimum=1, maximum=65535)
def port(value: Any) -> int:
    """The number of a port."""
    if type(value) is int and 0 < value < 65536:
        return value
    raise Invalid("expected the number of a port: 1 to 65535")


TLS_SCHEMA = Schema(
    {
        Optional(
            "ca_file", default=None, description="whom to trust in place of the usual authorities"
        ): AnyOf(None, readable_file),
        Optional("cert_file", default=None, description="as whom to appear"): AnyOf(
            None, readable_file
        ),
        Optional("key_file", default=None, description="the key of `cert_file`"): AnyOf(
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
    """How TLS is spoken: true for the defaults, a mapping, or nothing for plain TCP."""
    if value in (None, False):
        return None
    found: dict[str, Any] = TLS_SCHEMA({} if value is True else value)
    if found["key_file"] and not found["cert_file"]:
        raise Invalid("key_file needs a cert_file")
    return found


NOTABENE_SCHEMA = Schema(
    {
        Optional("host", default="localhost", description="of the broker"): TEXT,
        Optional("port", default=5672, description="of the broker"): port,
        Optional("user", default="guest", description="as whom to log in"): TEXT,
        Optional("password", default="guest", description="of the user"): str,
        Optional("vhost", default="/", description="the broker's virtual host"): TEXT,
        Optional(
            "url",
            default=None,
            description="the broker, in place of the five before it; `amqps://` means TLS",
        ): AnyOf(None, broker_url),
        Required("exchange", description="where messages are published; declared durable"): NAME,
        Optional("exchange_type", default="topic", description="of the exchange"): In(
            EXCHANGE_TYPES
        ),
        Required(
            "queue_name",
            description=(
                "declared durable and bound to the exchange; its name is the routing key, too"
            ),
        ): NAME,
        Optional(
            "env_keys",
            default=list,
            description=(
                "names under which handlers before this one have put lists of notifications into "
                "`env`, as `usage` does with its verdicts under `usage_notifications`; all are "
                "published"
            ),
        ): [TEXT],
        Optional(
            "event_types",
            default=None,
            description=(
                "which events are published, too: a glob or a list of globs of event types, "
                "`!glob` excludes. None by default"
            ),
        ): AnyOf(None, event_types),
        Optional(
            "tls", default=None, description="true, or a mapping; certificates are always verified"
        ): tls,
        Optional(
            "timeout",
            default=30,
            description="seconds; for connecting, and for each reply and confirm of the broker",
        ): All(AnyOf(int, float), Range(min=0, min_included=False, max=3600)),
        Optional(
            "library",
            default=None,
            description="accepted for the files of the older system; has no effect",
        ): object,
    }
)
