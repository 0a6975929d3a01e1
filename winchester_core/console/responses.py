"""Security headers of all responses, and the responses to refused requests."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

    from starlette.types import Scope, Send

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; "
        "object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every response. Only versioned static files have another `cache-control`."""

PROBLEM: Final = "application/problem+json"
API_PATH: Final = "/api/"

PAGE: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>{title}</h1><p>{detail}</p><p><a href="{prefix}/">Overview</a></p></main></body>
</html>
"""


class Refusal(Exception):  # noqa: N818 - a response, not a failure
    """A request is refused with this status."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        super().__init__(detail)


def route_path(scope: Scope) -> str:
    """Return the path of a request below the prefix of the public URL."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def is_api(scope: Scope) -> bool:
    """Return whether a request is one to the API, which gets problem documents."""
    return route_path(scope).startswith(API_PATH)


async def send_refusal(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Send a problem document (RFC 9457) for the API, otherwise a short page."""
    status, title = refusal.status.value, refusal.status.phrase
    if is_api(scope):
        content_type = PROBLEM
        body = orjson.dumps({"title": title, "status": status, "detail": refusal.detail})
    else:
        content_type = "text/html; charset=utf-8"
        prefix = str(scope.get("root_path", ""))
        page = PAGE.format(title=title, detail=escape(refusal.detail), prefix=escape(prefix))
        body = page.encode()
    headers = {
        **SECURITY_HEADERS,
        "content-type": content_type,
        "content-length": str(len(body)),
        **refusal.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
