"""Host check: requests to another host get status 421; scheme and prefix of the public URL."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from winchester_core.config.console_access import parse_authority
from winchester_core.console.problems import Problem
from winchester_core.console.responses import send_problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from winchester_core.console.options import ConsoleOptions

ABSOLUTE_FORM: Final = re.compile(
    r"https?://(?P<authority>[^/]*)(?P<path>/.*)?", re.IGNORECASE | re.DOTALL
)
"""Absolute form of a request target, without its query (RFC 9112, 3.2.2)."""

FORWARDED: Final = re.compile(rb"forwarded|x-forwarded-.*|x-real-ip|x-original-.*|x-rewrite-.*")
"""Names of headers by which proxies report the original request. Such headers have no effect."""

MISDIRECTED: Final = (
    "this console is not responsible for the host of this request; console.public_url and "
    "console.hosts in the configuration name its hosts"
)


class HostCheck:
    """Middleware that refuses requests to unknown hosts before anything else.

    It protects browsers against pages of other sites whose name resolves to this host. The
    scheme and the path's prefix come from the public URL; a proxy may keep or remove the prefix.
    """

    def __init__(self, app: ASGIApp, options: ConsoleOptions) -> None:
        self._app = app
        self._allowed = options.allowed_hosts()
        self._scheme, self._prefix = options.scheme, options.prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with status 421."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = self._allowed_path(scope)
        if path is None:
            problem = Problem(HTTPStatus.MISDIRECTED_REQUEST, MISDIRECTED)
            await send_problem(problem, {**scope, "root_path": self._prefix}, send)
            return
        await self._app(self._public_scope(scope, path), receive, send)

    def _allowed_path(self, scope: Scope) -> str | None:
        """Return the path of a request to an allowed host; None if it must be refused."""
        path = str(scope["path"])
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return None
        if absolute := ABSOLUTE_FORM.fullmatch(path):
            named.append(absolute["authority"])
            path = absolute["path"] or "/"
        is_allowed = all(parse_authority(host) in self._allowed for host in named)
        return path if is_allowed and path.startswith("/") else None

    def _public_scope(self, scope: Scope, path: str) -> Scope:
        # the path before decoding, because a segment may contain an encoded slash
        sent: bytes = scope.get("raw_path") or b""
        raw_path = sent if path == scope["path"] and sent else quote(path).encode()
        if path == self._prefix:
            path, raw_path = f"{path}/", raw_path + b"/"
        elif not path.startswith(f"{self._prefix}/"):
            path, raw_path = self._prefix + path, self._prefix.encode() + raw_path
        return {
            **scope,
            "scheme": self._scheme,
            "root_path": self._prefix,
            "path": path,
            "raw_path": raw_path,
            "headers": [each for each in scope["headers"] if not FORWARDED.fullmatch(each[0])],
        }
