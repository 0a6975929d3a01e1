"""The parameters of the source: each with its default, and what holds between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, Optional, Range

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.params import CheckedSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What can be sent as a bearer token (RFC 6750, 2.1)."""


@json_schema(type="integer")
def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Invalid("expected int")


def whole_number(minimum: int, maximum: int | None = None) -> Any:
    """A whole number within bounds; true and false are none."""
    return All(_integer, Range(min=minimum, max=maximum))


@json_schema(type=["string", "null"], pattern=f"^{BEARER_TOKEN.pattern}$")
def bearer_token(value: Any) -> str | None:
    """A token that a header can carry, or nothing."""
    if value is None or (isinstance(value, str) and BEARER_TOKEN.fullmatch(value)):
        return value
    raise Invalid(
        "expected a token of letters, digits and . _ ~ + / -, as of 'openssl rand -hex 32'"
    )


def require_token(params: Mapping[str, Any]) -> None:
    """Refuse to listen to other machines without a token."""
    if params["token"] is None and not is_loopback(params["host"]):
        raise Invalid(
            "other machines reach this address: give a token too, or listen at 127.0.0.1", ["host"]
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


SCHEMA = CheckedSchema(
    {
        Optional(
            "host",
            default="127.0.0.1",
            description=(
                "the address to listen at: this machine alone reaches the default; any other but a"
                " loopback address needs a `token`"
            ),
        ): All(str, Length(min=1)),
        Optional(
            "port", default=8700, description="0 means any free one, which is logged"
        ): whole_number(0, 65535),
        Optional(
            "token",
            default=None,
            description=(
                "what senders must give, as `Authorization: Bearer TOKEN` (default: nothing)"
            ),
        ): bearer_token,
        Optional(
            "max_body_bytes", default=1024 * 1024, description="how many bytes one request may hold"
        ): whole_number(1),
        Optional(
            "max_items",
            default=1000,
            description="how many events or notifications one request may hold",
        ): whole_number(1),
        Optional(
            "max_requests",
            default=256,
            description="how many requests are in hand at once; any more are answered 429",
        ): whole_number(1),
        Optional(
            "timeout_seconds",
            default=30,
            description="how long a sender waits, for its body to come and then for the database",
        ): whole_number(1),
        Optional(
            "datetime_traits",
            default=list,
            description=(
                "the traits of events that are datetimes; an event may also name them itself"
            ),
        ): [All(str, Length(min=1, max=255))],
    },
    require_token,
)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What bounds a request, and how many are in hand at once."""

    max_body_bytes: int
    max_items: int
    max_requests: int
    timeout_seconds: float
