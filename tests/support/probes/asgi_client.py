"""Client that calls an ASGI application directly, with any headers, as a server would."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote, urlencode

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """A response with its headers in lower case."""

    status: int
    headers: Pairs
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None."""
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for each, value in self.headers if each == name]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class AsgiClient:
    """A client with cookies, as a browser has them. `host` None sends no header `Host`."""

    app: Any
    host: str | None = "127.0.0.1:8100"
    address: tuple[str, int] | None = ("127.0.0.1", 50000)
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, target: str, headers: Pairs | None = None) -> Response:
        return self.request("GET", target, headers)

    def post(
        self,
        target: str,
        headers: Pairs | None = None,
        body: bytes = b"",
        **fields: str,
    ) -> Response:
        headers = list(headers or ())
        if fields:
            body = urlencode(fields).encode()
            headers.append(("content-type", "application/x-www-form-urlencoded"))
        return self.request("POST", target, headers, body)

    def request(
        self, method: str, target: str, headers: Pairs | None = None, body: bytes = b""
    ) -> Response:
        """Send a request and keep the cookies of the response."""
        return asyncio.run(self.send(method, target, headers, [body]))

    async def send(
        self,
        method: str,
        target: str,
        headers: Pairs | None = None,
        parts: list[bytes] | None = None,
    ) -> Response:
        """Send a request whose body arrives in these parts; after None, no more arrives."""
        path, _, query = target.partition("?")
        sent: Pairs = [] if self.host is None else [("host", self.host)]
        sent += headers or []
        if self.cookies:
            sent.append(("cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in sent],
            "client": self.address,
            "server": ("127.0.0.1", 8100),
        }
        waiting = list(parts or [b""])
        started: dict[str, Any] = {}
        body: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if not waiting or waiting[0] is None:
                await asyncio.Event().wait()
            part = waiting.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert not started
                started.update(message)
            else:
                body.append(message.get("body", b""))

        await self.app(scope, receive, send)
        pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in started["headers"]]
        response = Response(started["status"], pairs, b"".join(body))
        self._keep_cookies(response)
        return response

    def _keep_cookies(self, response: Response) -> None:
        for header in response.all("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
