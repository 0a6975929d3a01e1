"""Names and attributes of the console's cookies, and reading of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.datastructures import Headers

    from winchester_core.console.options import ConsoleOptions

MAX_COOKIE_LENGTH: Final = 1024
"""Maximum length of a cookie's value; longer ones are ignored."""
MAX_EQUAL_COOKIES: Final = 4
"""Maximum number of cookies of one name that are tried."""


class Cookie:
    """A cookie of this console, sent by browsers only to it, and not shown to scripts.

    With HTTPS, a prefix of its name keeps other hosts and pages without HTTPS from setting it.
    Without HTTPS, browsers send a cookie to all ports of a host, so the port is in the name.
    """

    def __init__(self, name: str, options: ConsoleOptions) -> None:
        self._path = options.prefix or "/"
        self._is_secure = options.is_secure
        if not options.is_secure:
            self.name = f"{name}_{options.public_port}"
        elif options.prefix:
            self.name = f"__Secure-{name}"
        else:
            self.name = f"__Host-{name}"  # requires the path "/"

    def values(self, headers: Headers) -> Iterator[str]:
        """Yield the values of the cookie in a request: another path may set a second one."""
        found = 0
        for header in headers.getlist("cookie"):
            for part in header.split(";"):
                name, _, value = part.strip(" \t").partition("=")
                if name == self.name and len(value) <= MAX_COOKIE_LENGTH:
                    found += 1
                    if found <= MAX_EQUAL_COOKIES:
                        yield value

    def header(self, value: str, max_age_seconds: int | None = None) -> str:
        """Return the header `Set-Cookie`; without a maximum age, until the browser closes."""
        parts = [f"{self.name}={value}", f"Path={self._path}", "HttpOnly", "SameSite=Strict"]
        if self._is_secure:
            parts.append("Secure")
        if max_age_seconds is not None:
            parts.append(f"Max-Age={max_age_seconds}")
        return "; ".join(parts)

    def deletion(self) -> str:
        """Return the header `Set-Cookie` that deletes the cookie."""
        return self.header("", 0)
