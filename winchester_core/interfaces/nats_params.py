"""Parameters of clients of NATS, shared by the source and the handler `nats`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from voluptuous import All, Invalid, Length, Optional

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.interfaces.params import (
    TEXT,
    CheckedSchema,
    one_or_more,
    optional,
    readable_file,
    tls,
    url,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OBJECT_NAME", "SUBJECT_FILTER", "SUBJECT_NAME", "connection_schema"]

LOCAL_URL = "nats://localhost:4222"

TOKEN_PATTERN = r"[^\s.*>/\\]+"  # noqa: S105 - a token of a subject
SUBJECT = re.compile(rf"{TOKEN_PATTERN}(\.{TOKEN_PATTERN})*")
FILTER = re.compile(rf"({TOKEN_PATTERN}|\*)(\.({TOKEN_PATTERN}|\*))*(\.>)?|>")


def _matching(pattern: re.Pattern[str], title: str, example: str) -> Any:
    @json_schema(type="string", pattern=f"^({pattern.pattern})$", title=title, examples=[example])
    def check(value: Any) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise Invalid(f"expected {title}, such as {example}")

    return check


OBJECT_NAME = All(
    _matching(
        re.compile(TOKEN_PATTERN), "a name without spaces, dots, wildcards and slashes", "ORDERS"
    ),
    Length(max=255),
)
"""Name of a stream or consumer."""
SUBJECT_NAME = _matching(SUBJECT, "a subject without wildcards", "orders.created")
SUBJECT_FILTER = _matching(FILTER, "a subject, with or without wildcards", "orders.>")

CONNECTION_PARAMETERS: dict[Any, Any] = {
    Optional(
        "url",
        default=LOCAL_URL,
        description=(
            "URL of the server, or a list of URLs for a cluster; the first one that responds is "
            "used; `tls://` for TLS"
        ),
    ): one_or_more(url("nats", "tls")),
    Optional("user", default=None, description="user (default: that of the URL)"): optional(TEXT),
    Optional("password", default=None, description="password of the user"): optional(str),
    Optional("token", default=None, description="token, instead of a user"): optional(TEXT),
    Optional(
        "nkey_file",
        default=None,
        description="file with the seed of an NKey, instead of a user; needs the package `nkeys`",
    ): optional(readable_file),
    Optional(
        "credentials_file",
        default=None,
        description="file with a JWT and the seed of its NKey (`.creds`), instead of a user; needs "
        "the package `nkeys`",
    ): optional(readable_file),
    Optional(
        "tls", default=None, description="true, or a mapping; certificates are always verified"
    ): tls(
        {
            Optional(
                "server_name",
                default=None,
                description="name in the server's certificate (default: the host)",
            ): optional(TEXT)
        }
    ),
    Optional(
        "domain", default=None, description="JetStream domain (default: that of the server)"
    ): optional(OBJECT_NAME),
}

IDENTITIES = ("user", "token", "nkey_file", "credentials_file")


def check_identity(params: Mapping[str, Any]) -> None:
    """Raise `Invalid` if `CONNECTION_PARAMETERS` name more than one identity."""
    given = [name for name in IDENTITIES if params[name] is not None]
    if len(given) > 1:
        raise Invalid(f"{given[1]} and {given[0]} exclude each other", [given[1]])
    if params["password"] is not None and params["user"] is None:
        raise Invalid("password needs a user", ["password"])


def connection_schema(keys: Mapping[Any, Any]) -> CheckedSchema:
    """Return the schema of `keys` and the parameters of a connection."""
    return CheckedSchema({**keys, **CONNECTION_PARAMETERS}, check_identity)
