"""Parameters of the `http` source: schema, defaults, and checks across parameters."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Match, Optional

from winchester_core.interfaces.params import (
    NAME,
    TEXT,
    CheckedSchema,
    expected,
    optional,
    whole_number,
)
from winchester_core.sources.http.webhook_params import WEBHOOK_PATH, bearer_token, check_paths
from winchester_core.sources.params import DATETIME_TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

ORIGIN = expected(
    "an origin without spaces, such as eventgrid.azure.net, or *",
    All(NAME, Match(r"[\x21-\x7e]+\Z")),
)
MAX_SECONDS = 86_400


def check_access(params: Mapping[str, Any]) -> None:
    """Require a token unless `host` is a loopback address, and check `paths`.

    So each of `paths` without a signature has a token, too.
    """
    check_paths(params)
    if params["token"] is None and not is_loopback(params["host"]):
        raise Invalid(
            "other hosts can reach this address: set a token, or listen on 127.0.0.1", ["host"]
        )


def is_loopback(host: str) -> bool:
    """Return whether `host` is a loopback address."""
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
                "address to listen on. Only programs on this host can reach the default; if it is "
                "not a loopback address, a `token` is required"
            ),
        ): TEXT,
        Optional(
            "port", default=8700, description="0: any free port, which is logged"
        ): whole_number(0, 65535),
        Optional(
            "token",
            default=None,
            description=(
                "token that senders must send as `Authorization: Bearer TOKEN` (default: none)"
            ),
        ): bearer_token,
        Optional(
            "max_body_bytes",
            default=1024 * 1024,
            description="maximum size of a request body in bytes",
        ): whole_number(1),
        Optional(
            "max_decompressed_bytes",
            default=None,
            description=(
                "maximum size of a request body when decompressed (default: 16 times"
                " `max_body_bytes`)"
            ),
        ): optional(whole_number(1)),
        Optional(
            "max_items",
            default=1000,
            description="maximum number of events or notifications in a request",
        ): whole_number(1),
        Optional(
            "max_requests",
            default=256,
            description="maximum number of concurrent requests; further requests get status 429",
        ): whole_number(1),
        Optional(
            "max_connections",
            default=512,
            description=(
                "maximum number of open connections, at most half the limit of open files; at the "
                "maximum, the connection that has waited longest without a request is closed"
            ),
        ): whole_number(1),
        Optional(
            "header_timeout_seconds",
            default=10,
            description="time limit for receiving the headers of a request",
        ): whole_number(1, MAX_SECONDS),
        Optional(
            "timeout_seconds",
            default=30,
            description="time limit for receiving the body, and another one for storing its items",
        ): whole_number(1, MAX_SECONDS),
        Optional(
            "webhook_origins",
            default=list,
            description=(
                "origins that get permission to send in the handshake of CloudEvents' web hooks "
                "(OPTIONS); `*` for any origin (default: no handshake)"
            ),
        ): [ORIGIN],
        Optional(
            "webhook_rate",
            default=None,
            description=(
                "maximum number of requests per minute, as announced in the handshake; only the "
                "senders enforce it (default: no limit)"
            ),
        ): optional(whole_number(1)),
        Optional(
            "paths",
            default=list,
            description="further paths, for the webhooks of other services",
        ): [WEBHOOK_PATH],
        **DATETIME_TRAITS,
    },
    check_access,
)


MAX_GROWTH = 16
"""Default of `max_decompressed_bytes`, as a multiple of `max_body_bytes`."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Limits of a request, and of the number of concurrent requests."""

    max_body_bytes: int
    max_decompressed_bytes: int
    max_items: int
    max_requests: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of the connections of a server."""

    max_connections: int
    header_timeout_seconds: float
