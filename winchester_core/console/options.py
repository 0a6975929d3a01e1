"""Options of the console, from the settings and the command line, with their checks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from winchester_core.config.console_access import HostPort, parse_authority, parse_public_url
from winchester_core.console.frame import SECTIONS
from winchester_core.errors import ConfigurationError
from winchester_core.sources.http.params import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.config import Settings
    from winchester_core.config.console_access import ConsoleToken, PublicUrl

logger = logging.getLogger(__name__)

DEFAULT_LISTEN: Final = ("127.0.0.1", 8100)
LOOPBACK_NAMES: Final = ("127.0.0.1", "[::1]", "localhost")
WILDCARDS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - addresses that are no name of the host
RESERVED_PATHS: Final = frozenset(
    {"api", "livez", "login", "logout", "readyz", "static"}
    | {section.path[1:] for section in SECTIONS} - {""}
)
"""First parts of the console's own paths: with one as prefix, a path would be ambiguous."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """Options of a console. `ConsoleOptions.of` makes and checks them.

    `listen` is the host (without brackets) and the port. Without `tokens`, the console only reads,
    unless `allow_actions`. `insecure` permits other addresses without tokens and HTTPS.
    """

    listen: tuple[str, int] = DEFAULT_LISTEN
    tokens: tuple[ConsoleToken, ...] = ()
    public_url: PublicUrl | None = None
    hosts: tuple[HostPort, ...] = ()
    allow_actions: bool = False
    insecure: bool = False

    @classmethod
    def of(
        cls,
        settings: Settings,
        listen: tuple[str, int] = DEFAULT_LISTEN,
        *,
        allow_actions: bool = False,
        insecure: bool = False,
    ) -> ConsoleOptions:
        """Return the options. Raises `ConfigurationError` with all problems."""
        url = settings.console_public_url
        parsed = (parse_authority(host) for host in settings.console_hosts)
        options = cls(
            listen=listen,
            tokens=settings.console_tokens,
            public_url=None if url is None else parse_public_url(url),
            hosts=tuple(host for host in parsed if host is not None),
            allow_actions=allow_actions,
            insecure=insecure,
        )
        if problems := list(options._problems()):
            raise ConfigurationError(
                [
                    f"{settings.name}: {each}" if each.startswith("console.") else each
                    for each in problems
                ]
            )
        return options

    @property
    def scheme(self) -> str:
        """Scheme of the console's URLs."""
        return "http" if self.public_url is None else self.public_url.scheme

    @property
    def is_secure(self) -> bool:
        """Return whether browsers use HTTPS."""
        return self.scheme == "https"

    @property
    def prefix(self) -> str:
        """Path of the public URL, or empty."""
        return "" if self.public_url is None else self.public_url.prefix

    @property
    def public_port(self) -> int:
        """Port to which browsers connect."""
        if self.public_url is None:
            return self.listen[1]
        return self.public_url.host.port or DEFAULT_PORTS[self.public_url.scheme]

    @property
    def is_local(self) -> bool:
        """Return whether only this host can reach the console, except through a proxy."""
        return is_loopback(self.listen[0])

    def allowed_hosts(self) -> frozenset[HostPort]:
        """Return the values of `Host` that are accepted; a default port may be omitted."""
        return frozenset(
            form
            for scheme, host in (*self._local_hosts(), *self._public_hosts())
            for form in _forms(scheme, host)
        )

    def allowed_origins(self) -> frozenset[str]:
        """Return the values of `Origin` that are accepted, without a default port."""
        origins = (*self._local_hosts(), *self._public_hosts())
        return frozenset(f"{scheme}://{_short_form(scheme, host)}" for scheme, host in origins)

    def log_warnings(self) -> None:
        """Log what the options permit that is unsafe. Call it when the console starts."""
        if self.allow_actions:
            logger.warning("actions need no token: every user of this host may act")
        if self.listen[0] in WILDCARDS and not (self.public_url or self.hosts):
            logger.warning(
                "only requests to loopback names are accepted: console.hosts and "
                "console.public_url add the names by which others reach the console"
            )
        if not self.is_local and not self.tokens:
            logger.warning("no tokens: everyone who reaches %s port %d may read", *self.listen)
        if not (self.is_local or self.is_secure):
            logger.warning("no HTTPS: tokens and pages are sent without encryption")

    def _local_hosts(self) -> Iterator[tuple[str, HostPort]]:
        host, port = self.listen
        names = LOOPBACK_NAMES if host in WILDCARDS else (*LOOPBACK_NAMES, _bracketed(host))
        for name in dict.fromkeys(names):
            yield "http", HostPort(name, port)

    def _public_hosts(self) -> Iterator[tuple[str, HostPort]]:
        if self.public_url is not None:
            yield self.scheme, self.public_url.host
        for host in self.hosts:
            yield self.scheme, host

    def _problems(self) -> Iterator[str]:
        if self.allow_actions and self.tokens:
            yield (
                "--allow-actions is for a console without tokens; with console.tokens, the role "
                "operator allows actions"
            )
        if self.allow_actions and not self.is_local:
            yield (
                f"--allow-actions needs a loopback address, such as 127.0.0.1, not "
                f"{self.listen[0]!r}; on other addresses, set console.tokens"
            )
        first = self.prefix.split("/")[1] if self.prefix else ""
        if first in RESERVED_PATHS:
            yield (
                f"console.public_url: the console itself has pages under /{first}; expected a path "
                f"that begins with none of {', '.join(sorted(RESERVED_PATHS))}"
            )
        if not self.insecure:
            yield from self._insecure_problems()

    def _insecure_problems(self) -> Iterator[str]:
        if not self.tokens and (published := self._published_by()):
            yield f"console.tokens: is missing, and needed with {published}"
        if self.public_url is None and not self.is_local:
            yield (
                f"console.public_url: is missing, and needed to listen on {self.listen[0]!r}: the "
                "https URL of the proxy (or --insecure, to send tokens without encryption)"
            )
        if not self.is_secure and self.public_url is not None:
            yield (
                "console.public_url: expected a URL that begins with https:// (or --insecure), not "
                f"one that begins with {self.scheme}://"
            )

    def _published_by(self) -> str | None:
        """Return the option by which others than users of this host reach the console."""
        if not self.is_local:
            return f"the listen address {self.listen[0]!r}, which other hosts can reach"
        if self.public_url is not None:
            return "console.public_url"
        for host in self.hosts:
            if not is_loopback(host.host.strip("[]")):
                return f"the name {str(host)!r} in console.hosts"
        return None


def _bracketed(host: str) -> str:
    """Return a host as in a URL."""
    parsed = parse_authority(f"[{host}]" if ":" in host else host)
    return host.lower() if parsed is None else parsed.host


def _forms(scheme: str, host: HostPort) -> Iterator[HostPort]:
    yield host
    if host.port is None:
        yield host._replace(port=DEFAULT_PORTS[scheme])
    elif host.port == DEFAULT_PORTS[scheme]:
        yield host._replace(port=None)


def _short_form(scheme: str, host: HostPort) -> HostPort:
    return host._replace(port=None) if host.port == DEFAULT_PORTS[scheme] else host
