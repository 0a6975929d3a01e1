"""Connection to a Redis server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

REDIS_ERRORS = (RedisError, OSError)
"""Errors if the server is unavailable or refuses a command."""

ADDRESS_NAMES = ("host", "port", "db", "username", "password")
"""Parts of a URL that are used; its query could change the client in other ways."""

STARTS = {"first": "0", "new": "$"}
"""Id of the entry after which a new group starts."""

GROUP_EXISTS = "BUSYGROUP"


def connect(params: Mapping[str, Any]) -> Redis:
    """Return a client, which connects with its first command. Thread-safe.

    It repeats no command: a repeated XREADGROUP would skip the entries of a lost reply.
    """
    parsed = parse_url(params["url"])
    address = {name: parsed[name] for name in ADDRESS_NAMES if name in parsed}
    overrides = {"username": params["user"], "password": params["password"]}
    return Redis(
        **address | {name: value for name, value in overrides.items() if value is not None},
        **_tls_options(params),
        socket_timeout=params["timeout_seconds"],
        socket_connect_timeout=params["timeout_seconds"],
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name=f"winchester-{os.getpid()}",
    )


def server_name(params: Mapping[str, Any]) -> str:
    """Return the name of the server for messages, without user and password."""
    parts = urlsplit(params["url"])
    return f"Redis at {parts.hostname}:{parts.port or 6379}"


def create_group(client: Redis, stream: str, params: Mapping[str, Any]) -> None:
    """Create the group and the stream unless they exist."""
    try:
        client.xgroup_create(stream, params["group"], id=STARTS[params["start"]], mkstream=True)
    except ResponseError as error:
        if not str(error).startswith(GROUP_EXISTS):
            raise


def _tls_options(params: Mapping[str, Any]) -> dict[str, Any]:
    tls = params["tls"]
    if tls is None and not params["url"].startswith("rediss:"):
        return {}
    tls = tls or {}
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": tls.get("ca_file"),
        "ssl_certfile": tls.get("cert_file"),
        "ssl_keyfile": tls.get("key_file"),
    }
