"""Limits of requests in progress, and the security and caching headers of their responses."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders

from winchester_core.console.identity import HEALTH_PATHS
from winchester_core.console.problems import Problem
from winchester_core.console.responses import (
    SECURITY_HEADERS,
    STATIC_PATH,
    route_path,
    send_problem,
)
from winchester_core.console.static_files import VERSION_PARAMETER, static_version

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_REQUESTS: Final = 32
MAX_RUNNING: Final = 4
"""Requests that run at once: the number of connections to the database."""
PAUSE_RATIO: Final = 3.0
"""Time that a place stays empty after a request, as a multiple of the time of the request."""
MAX_PAUSE_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1
IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATED: Final = "no-cache"
CACHEABLE_STATUSES: Final = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.PARTIAL_CONTENT)


class RequestLimit:
    """Middleware that refuses requests with status 503 while 32 are in progress.

    Four of them run, as many as there are connections to the database; the others wait. If any
    wait, a place stays empty after a request for three times the request's duration. So a
    console with many clients leaves the database server to ingest and the workers.

    Health checks are not refused: a busy console must not look like a broken one. A response is
    sent when it is complete, and the request is not in progress any more. So clients that read
    slowly do not block other clients; the server limits their number and time.
    """

    def __init__(self, app: ASGIApp, max_requests: int = MAX_REQUESTS) -> None:
        self._app, self._max_requests = app, max_requests
        self._in_progress = 0
        self._places = asyncio.Semaphore(MAX_RUNNING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or route_path(scope) in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        if self._in_progress >= self._max_requests:
            detail = f"{self._in_progress} requests are in progress; try again"
            headers = {"retry-after": str(RETRY_SECONDS)}
            problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)
            await send_problem(problem, scope, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        self._in_progress += 1
        try:
            if route_path(scope).startswith(STATIC_PATH):
                await self._app(scope, receive, keep)
            else:
                await self._run_in_turn(scope, receive, keep)
        except Exception:
            if not messages:
                raise  # otherwise the application has logged it, and made a response
        finally:
            self._in_progress -= 1
        for message in messages:
            await send(message)

    async def _run_in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            await self._app(scope, receive, send)
        finally:
            if self._in_progress > MAX_RUNNING:
                pause = PAUSE_RATIO * (loop.time() - started)
                loop.call_later(min(pause, MAX_PAUSE_SECONDS), self._places.release)
            else:
                self._places.release()


class ResponseHeaders:
    """Middleware that sets the security headers, and which responses browsers may keep.

    Browsers may keep a static file if its address has its version, and no other response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if route_path(scope).startswith(STATIC_PATH):
                    headers["cache-control"] = _static_caching(scope, message["status"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _static_caching(scope: Scope, status: int) -> str:
    if status not in CACHEABLE_STATUSES:
        return SECURITY_HEADERS["cache-control"]
    query = parse_qs(bytes(scope["query_string"]).decode("latin-1"))
    is_current = query.get(VERSION_PARAMETER) == [static_version()]
    return IMMUTABLE if is_current else REVALIDATED
