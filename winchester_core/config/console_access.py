"""Settings of access to the console: tokens, public URL, and names of hosts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from voluptuous import All, Invalid, Length, Match, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.config.validators import one_of
from winchester_core.interfaces.json_schema import json_schema
from winchester_core.interfaces.params import BEARER_TOKEN, UnexpectedValue, expected
from winchester_core.masking import MASK, MIN_TOKEN_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Role = Literal["viewer", "operator"]
"""A viewer may read; an operator may also act."""

MAX_TOKEN_LENGTH: Final = 256
MAX_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class ConsoleToken:
    """Token of a person or program, with the name under which its actions are recorded."""

    name: str
    role: Role
    token: str

    def __repr__(self) -> str:
        return f"ConsoleToken(name={self.name!r}, role={self.role!r}, token={MASK!r})"


@json_schema(type="string", minLength=MIN_TOKEN_LENGTH, maxLength=MAX_TOKEN_LENGTH, title="token")
def console_token(value: Any) -> str:
    """Check a token. Messages do not quote it."""
    if (
        isinstance(value, str)
        and MIN_TOKEN_LENGTH <= len(value) <= MAX_TOKEN_LENGTH
        and BEARER_TOKEN.fullmatch(value)
    ):
        return value
    raise Invalid(
        f"expected a token of {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} letters, digits and "
        ". _ ~ + / -, as from 'openssl rand -hex 32'"
    )


TOKEN_NAME = expected(
    f"a name of at most {MAX_NAME_LENGTH} letters, digits and . _ @ -",
    All(str, Length(min=1, max=MAX_NAME_LENGTH), Match(r"[A-Za-z0-9._@-]+\Z")),
)

TOKEN_SCHEMA: Final = Schema(
    {
        Required("name", description="name of the person or program; shown with its actions"): (
            TOKEN_NAME
        ),
        Required("role", description="`viewer` (reads) or `operator` (also acts)"): one_of(
            "viewer", "operator"
        ),
        Required("token", description="the token, normally from a variable"): console_token,
    }
)


@json_schema(AnyOf([TOKEN_SCHEMA], None))
def console_tokens(value: Any) -> tuple[ConsoleToken, ...]:
    """Check a list of tokens. `duplicate_tokens` finds duplicates."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnexpectedValue("expected a list of tokens, each with name, role and token")
    return tuple(ConsoleToken(**entry) for entry in Schema([TOKEN_SCHEMA])(value))


def duplicate_tokens(
    tokens: tuple[ConsoleToken, ...],
) -> list[tuple[tuple[Hashable, ...], str]]:
    """Return the path, from the section, and the problem of each repeated name or token."""
    problems: list[tuple[tuple[Hashable, ...], str]] = []
    for index, each in enumerate(tokens):
        earlier = tokens[:index]
        if each.name in {other.name for other in earlier}:
            message = f"another token has the name {each.name!r}; each name must be unique"
            problems.append((("tokens", index, "name"), message))
        for other in earlier:
            if other.token == each.token:
                message = f"equals the token of {other.name!r}; each token must be unique"
                problems.append((("tokens", index, "token"), message))
                break
    return problems


class HostPort(NamedTuple):
    """A host, in lower case (IPv6 in brackets), and its port; None: the scheme's default."""

    host: str
    port: int | None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


HOST_PATTERN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"
PORT_PATTERN: Final = r"[1-9][0-9]{0,4}"
AUTHORITY: Final = re.compile(rf"(?P<host>{HOST_PATTERN})(?::(?P<port>{PORT_PATTERN}))?", re.ASCII)
PATH_PATTERN: Final = r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
"""Path of plain segments: it becomes the path of cookies, and none is `.` or `..`."""
PUBLIC_URL: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)(?P<prefix>{PATH_PATTERN})/?"
)


def parse_authority(text: str) -> HostPort | None:
    """Return the parts of `host[:port]`, as in a header `Host`; None if it is invalid."""
    match = AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host, port = match["host"].lower(), None if match["port"] is None else int(match["port"])
    if port is not None and port > 65535:
        return None
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    return HostPort(host, port)


class PublicUrl(NamedTuple):
    """The URL under which browsers reach the console. `prefix` is its path, or empty."""

    scheme: str
    host: HostPort
    prefix: str

    @property
    def root(self) -> str:
        """The URL without a slash at the end, to which the paths of pages are appended."""
        return f"{self.scheme}://{self.host}{self.prefix}"


def parse_public_url(text: str) -> PublicUrl | None:
    """Return the parts of a public URL; None if it is invalid."""
    match = PUBLIC_URL.fullmatch(text)
    host = None if match is None else parse_authority(match["authority"])
    return None if match is None or host is None else PublicUrl(match["scheme"], host, match[3])


@json_schema(
    type=["string", "null"],
    pattern=rf"^https?://[^/?#@\s]+{PATH_PATTERN}/?$",
    title="URL",
    examples=["https://winchester.example.org/console"],
)
def public_url(value: Any) -> str | None:
    """Check the public URL: http or https, a host, and possibly a port and a path."""
    if value is None or (isinstance(value, str) and parse_public_url(value) is not None):
        return value
    raise Invalid(
        "expected a URL such as https://winchester.example.org/console: http or https, a host, "
        "possibly a port and a path of letters, digits and . _ ~ -; no user, query or fragment"
    )


@json_schema(type="string", pattern=rf"^(?:{HOST_PATTERN})(?::{PORT_PATTERN})?$", title="host")
def host_name(value: Any) -> str:
    """Check `host` or `host:port`, as browsers send it in the header `Host`."""
    host = parse_authority(value) if isinstance(value, str) else None
    if host is None:
        raise UnexpectedValue(
            "expected HOST or HOST:PORT, as in winchester.example.org:8100 or [fd00::1]:8100"
        )
    return str(host)


_hosts: Callable[[Any], Any] = Schema([host_name])


@json_schema(AnyOf([host_name], None))
def host_list(value: Any) -> tuple[str, ...]:
    """Check a list of hosts."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnexpectedValue("expected a list of hosts, as in [winchester.example.org:8100]")
    return tuple(_hosts(value))
