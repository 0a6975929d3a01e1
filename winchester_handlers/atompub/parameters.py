"""What the `atompub` handler takes in its `params`."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

import httpx
from voluptuous import All, In, Invalid, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import event_types

JSON, CUF_XML = "json", "cuf_xml"
OWN_TRAITS = ("message_id", "event_type", "timestamp")
HTTP_URL = re.compile(r"https?://[^/\s?#]\S*")


def http_url(value: Any) -> str:
    """The URL of a server. The message does not show it: it may hold a password."""
    if isinstance(value, str) and HTTP_URL.fullmatch(value) and _is_url(value):
        return value
    raise Invalid("expected a URL that begins with http:// or https://, without blanks")


def _is_url(text: str) -> bool:
    try:
        return bool(httpx.URL(text).host)
    except (httpx.InvalidURL, ValueError):
        return False


def seconds(*, positive: bool = False) -> Any:
    """A number of seconds."""
    least = "over 0" if positive else "of at least 0"

    def check_seconds(value: Any) -> float:
        is_number = type(value) in (int, float) and isfinite(value)
        if is_number and (value > 0 or (value == 0 and not positive)):
            return float(value)
        raise Invalid(f"expected seconds: a number {least}")

    return check_seconds


def extra_info(value: Any) -> dict[str, Any]:
    """Traits that every event gets when it is published."""
    if not isinstance(value, dict):
        raise Invalid("expected a mapping of a trait to its value")
    for name, trait in value.items():
        if not isinstance(name, str) or name in OWN_TRAITS:
            own = ", ".join(OWN_TRAITS)
            raise Invalid(f"expected the name of a trait other than {own}", [name])
        is_number = isinstance(trait, (int, float)) and isfinite(trait)
        if not (is_number or isinstance(trait, str)):
            raise Invalid("expected text, a number, true or false", [name])
    return value


ATOMPUB_SCHEMA = Schema(
    {
        Required("url"): http_url,
        Optional("event_types", default=lambda: ["*"]): event_types,
        Optional("extra_info", default=dict): extra_info,
        Optional("content_format", default=JSON): In((JSON, CUF_XML)),
        Optional("title", default=None): AnyOf(None, All(str, Length(min=1))),
        Optional("categories", default=list): [All(str, Length(min=1))],
        Optional("auth_user", default=""): str,
        Optional("auth_key", default=""): str,
        Optional("auth_server", default=None): AnyOf(None, http_url),
        Optional("wait_interval", default=30): seconds(),
        Optional("max_wait", default=600): seconds(),
        Optional("http_timeout", default=120): seconds(positive=True),
    }
)
