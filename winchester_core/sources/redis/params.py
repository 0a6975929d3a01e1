"""Parameters of the `redis` source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from voluptuous import All, In, Invalid, Length, Optional, Required

from winchester_core.interfaces.params import (
    NAME,
    TEXT,
    CheckedSchema,
    one_or_more,
    optional,
    seconds,
    tls,
    url,
)
from winchester_core.sources.params import MESSAGE_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_URL = "redis://localhost:6379/0"
DATABASE = re.compile(r"(?:/[0-9]{0,9})?", re.ASCII)
"""Path of a URL. The client would ignore any other path, and use the database 0."""
STARTS = ("first", "new")
KEY = All(str, Length(min=1, max=1024))
MAX_SECONDS = 3600


def check(params: Mapping[str, Any]) -> None:
    """Raise `Invalid` for parameters that exclude each other."""
    if params["user"] is not None and params["password"] is None:
        raise Invalid("user needs a password", ["user"])
    if not DATABASE.fullmatch(urlsplit(params["url"]).path):
        raise Invalid("expected the number of a database after the host, as in /0", ["url"])
    streams = params["stream"]
    if isinstance(streams, list) and len(set(streams)) < len(streams):
        raise Invalid("a stream is repeated", ["stream"])


REDIS_SCHEMA = CheckedSchema(
    {
        Required("stream", description="key of a stream, or a list of keys"): one_or_more(KEY),
        Required(
            "group",
            description=(
                "consumer group; ingesters with the same group share the entries. A missing group "
                "or stream is created"
            ),
        ): NAME,
        Optional(
            "consumer",
            default=None,
            description=(
                "name of this consumer in the group, different for each process. A process that "
                "starts with the name of one that has died receives its entries immediately "
                "(default: host name, process id and a random part)"
            ),
        ): optional(NAME),
        Optional(
            "start",
            default="first",
            description=(
                "where a new group starts: at the `first` entry of the stream, or with `new` "
                "entries"
            ),
        ): In(STARTS),
        Optional(
            "claim_idle_seconds",
            default=60,
            description=(
                "time after which entries of other consumers that have died are received. While a "
                "process waits for its database, it keeps its entries"
            ),
        ): seconds(1, 86_400),
        Optional(
            "field",
            default="data",
            description=(
                "field of an entry that has the message, as JSON; the other fields are its "
                "headers. If null, a mapping of all fields is the message"
            ),
        ): optional(TEXT),
        Optional(
            "delete_acknowledged",
            default=False,
            description=(
                "whether to delete acknowledged entries from the stream; only if no other group "
                "reads it"
            ),
        ): bool,
        Optional(
            "url",
            default=LOCAL_URL,
            description="URL of the server, with the number of the database; `rediss://` for TLS",
        ): url("redis", "rediss"),
        Optional("user", default=None, description="overrides the user in `url`"): optional(TEXT),
        Optional("password", default=None, description="overrides the password in `url`"): optional(
            TEXT
        ),
        Optional(
            "tls", default=None, description="true, or a mapping; certificates are always verified"
        ): tls(),
        Optional(
            "timeout_seconds", default=10, description="timeout for connecting, and for each reply"
        ): seconds(1, MAX_SECONDS),
        **MESSAGE_PARAMETERS,
    },
    check,
)
