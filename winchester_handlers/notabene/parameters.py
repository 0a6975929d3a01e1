"""What the `notabene` handler takes in its `params`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from voluptuous import All, In, Invalid, Length, Optional, Range, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import event_types

EXCHANGE_TYPES = ("topic", "direct", "fanout", "headers")

TEXT = All(str, Length(min=1))
NAME = All(str, Length(min=1, max=255))


def broker_url(value: Any) -> str:
    """The URL of a broker. The message does not show it: it may hold a password."""
    if isinstance(value, str) and re.fullmatch(r"amqps?://\S+", value):
        return value
    raise Invalid("expected a URL that begins with amqp:// or amqps://, without blanks")


def readable_file(value: Any) -> str:
    """The path of a file that is there."""
    if isinstance(value, str) and Path(value).is_file():
        return value
    raise Invalid("expected the path of a file that exists")


def port(value: Any) -> int:
    """The number of a port."""
    if type(value) is int and 0 < value < 65536:
        return value
    raise Invalid("expected the number of a port: 1 to 65535")


TLS_SCHEMA = Schema(
    {
        Optional("ca_file", default=None): AnyOf(None, readable_file),
        Optional("cert_file", default=None): AnyOf(None, readable_file),
        Optional("key_file", default=None): AnyOf(None, readable_file),
        Optional("server_name", default=None): AnyOf(None, TEXT),
    }
)


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
        Optional("host", default="localhost"): TEXT,
        Optional("port", default=5672): port,
        Optional("user", default="guest"): TEXT,
        Optional("password", default="guest"): str,
        Optional("vhost", default="/"): TEXT,
        Optional("url", default=None): AnyOf(None, broker_url),
        Required("exchange"): NAME,
        Optional("exchange_type", default="topic"): In(EXCHANGE_TYPES),
        Required("queue_name"): NAME,
        Optional("env_keys", default=list): [TEXT],
        Optional("event_types", default=None): AnyOf(None, event_types),
        Optional("tls", default=None): tls,
        Optional("timeout", default=30): All(
            AnyOf(int, float), Range(min=0, min_included=False, max=3600)
        ),
        Optional("library", default=None): object,
    }
)
