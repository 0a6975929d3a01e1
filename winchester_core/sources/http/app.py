"""ASGI application: authentication, limits, and the wait for the results of messages."""

from __future__ import annotations

import asyncio
import hmac
import re
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from winchester_core.sources.http.openapi import LIVE, OPENAPI, READY, openapi_document
from winchester_core.sources.http.parsers import (
    CONTENT_TYPES,
    HttpRequest,
    check_content_type,
    parse_request,
    read_body,
)
from winchester_core.sources.http.responses import (
    BUSY_RETRY_SECONDS,
    CircuitBreaker,
    ItemResult,
    ItemState,
    JsonResponse,
    RequestRejected,
    make_response,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from winchester_core.model import Message
    from winchester_core.sources.http.params import RequestLimits
    from winchester_core.sources.http.responses import WebhookPermission

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

TOKEN_REQUIRED: Final = "a token is required: 'Authorization: Bearer TOKEN'"  # noqa: S105 - a text
SHUTTING_DOWN: Final = "shutting down"
MAX_DECOMPRESSING: Final = 4
"""Maximum number of bodies that are decompressed at once."""

ABSOLUTE_FORM: Final = re.compile(r"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)
"""Absolute form of a request target, without its query (RFC 9112, 3.2.2)."""


class Application:
    """Puts the messages of a request into the inbox, and responds when all are settled.

    Not thread-safe. Used only in the event loop of the server.
    """

    def __init__(
        self,
        inbox: Inbox,
        limits: RequestLimits,
        token: str | None,
        webhooks: WebhookPermission,
        datetime_traits: tuple[str, ...],
    ) -> None:
        self._inbox = inbox
        self._limits = limits
        self._token = None if token is None else token.encode()
        self._webhooks = webhooks
        self._datetime_traits = datetime_traits
        posting = ("POST", "OPTIONS") if webhooks.is_enabled else ("POST",)
        self._methods = {
            **dict.fromkeys(CONTENT_TYPES, posting),
            **dict.fromkeys((LIVE, READY, OPENAPI), ("GET", "HEAD")),
        }
        """Allowed methods by path; the server omits the body of a response to HEAD."""
        self._description = JsonResponse(
            HTTPStatus.OK, openapi_document(limits, webhooks, has_token=token is not None)
        )
        self._circuit_breaker = CircuitBreaker()
        self._requests_in_progress = 0
        self._bytes_in_progress = 0
        self._max_bytes = max(
            limits.max_requests * limits.max_body_bytes, limits.max_decompressed_bytes
        )
        self._decompressing = asyncio.Semaphore(MAX_DECOMPRESSING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if absolute := ABSOLUTE_FORM.fullmatch(scope["path"]):
            scope = {**scope, "path": absolute[1] or "/"}
        try:
            response = await self._respond(scope, receive)
        except RequestRejected as rejected:
            response = rejected.response
        await _send(response, send)

    async def _respond(self, scope: Scope, receive: Receive) -> JsonResponse:
        path, method = scope["path"], scope["method"]
        if path not in self._methods:
            raise RequestRejected(HTTPStatus.NOT_FOUND, f"unknown path; see {OPENAPI}")
        allowed = ", ".join(self._methods[path])
        if method not in self._methods[path]:
            error = f"allowed methods: {allowed}"
            raise RequestRejected(HTTPStatus.METHOD_NOT_ALLOWED, error, allow=allowed)
        if method == "OPTIONS":
            return self._webhooks.respond(_headers(scope), allowed)
        if path in CONTENT_TYPES:
            return await self._receive(scope, receive)
        if path == OPENAPI:
            return self._description
        if path == READY and not (self._inbox.is_open and self._circuit_breaker.is_closed):
            raise unavailable("not ready: database unavailable, or shutting down")
        return JsonResponse(HTTPStatus.OK, {"status": "ok"})

    async def _receive(self, scope: Scope, receive: Receive) -> JsonResponse:
        headers = _headers(scope)
        self._check_token(headers)
        if not self._inbox.is_open:
            raise unavailable(SHUTTING_DOWN)
        if self._requests_in_progress >= self._limits.max_requests:
            raise RequestRejected(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._requests_in_progress} requests are in progress; try again later",
                retry_after=str(BUSY_RETRY_SECONDS),
            )
        self._requests_in_progress += 1
        try:
            return await self._store(scope, headers, receive)
        finally:
            self._requests_in_progress -= 1

    async def _store(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> JsonResponse:
        check_content_type(scope["path"], headers)
        body = await read_body(receive, headers, self._limits, self._decompressing)
        with self._holding(len(body)):
            sender = (scope.get("client") or ("",))[0]
            request = HttpRequest(scope["path"], headers, body, sender)
            messages = parse_request(request, self._datetime_traits, self._limits.max_items)
            results = await self._wait_until_settled(messages)
        self._circuit_breaker.record(results)
        return make_response(results)

    @contextmanager
    def _holding(self, size: int) -> Iterator[None]:
        """Count the bytes of a decompressed body; refuse it if there are too many in progress."""
        if self._bytes_in_progress + size > self._max_bytes:
            raise unavailable(f"{self._bytes_in_progress} bytes are in progress; try again later")
        self._bytes_in_progress += size
        try:
            yield
        finally:
            self._bytes_in_progress -= size

    async def _wait_until_settled(self, messages: Sequence[Message]) -> list[ItemResult]:
        """Put the messages into the inbox; return their results, incomplete after a timeout."""
        if not messages:
            return []
        loop, settled = asyncio.get_running_loop(), asyncio.Event()
        request = PendingRequest(len(messages), lambda: _wake(loop, settled))
        items = [
            replace(message, token=RequestItem(request, position))
            for position, message in enumerate(messages)
        ]
        if not self._inbox.put(items):
            raise unavailable(SHUTTING_DOWN)
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                await settled.wait()
        except TimeoutError:
            self._inbox.withdraw(request)
        return request.results()

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self._token is None:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        is_valid = hmac.compare_digest(token.strip().encode(), self._token)
        if scheme.lower() != "bearer" or not is_valid:
            raise RequestRejected(
                HTTPStatus.UNAUTHORIZED, TOKEN_REQUIRED, www_authenticate="Bearer"
            )


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by name in lower case; repeated headers become a list (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _wake(loop: asyncio.AbstractEventLoop, settled: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the event loop is closed, and no request is waiting
        loop.call_soon_threadsafe(settled.set)


async def _send(response: JsonResponse, send: Send) -> None:
    body = orjson.dumps(response.document)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    raw = [(n.encode(), v.encode()) for n, v in (headers | dict(response.headers)).items()]
    await send({"type": "http.response.start", "status": int(response.status), "headers": raw})
    await send({"type": "http.response.body", "body": body})


UNAVAILABLE_RESULT = ItemResult(
    ItemState.UNAVAILABLE, reason="not known to be stored; send it again with the same id"
)


class PendingRequest:
    """Results of the items of one request.

    The pump's thread settles the items one by one; the server's thread awaits them.
    """

    def __init__(self, number: int, on_settled: Callable[[], None]) -> None:
        """Expect `number` results; call `on_settled` when all are set."""
        self._results: list[ItemResult | None] = [None] * number
        self._unsettled = number
        self._on_settled = on_settled

    def settle(self, position: int, result: ItemResult) -> None:
        """Set the result of an item, unless it is set."""
        if self._results[position] is None:
            self._results[position] = result
            self._unsettled -= 1
            if not self._unsettled:
                self._on_settled()

    def results(self) -> list[ItemResult]:
        """Return the results in the order of the request; missing ones are `UNAVAILABLE_RESULT`."""
        return [UNAVAILABLE_RESULT if result is None else result for result in self._results]


class RequestItem(NamedTuple):
    """Token of a message: its request, and its position there."""

    request: PendingRequest
    position: int

    def settle(self, result: ItemResult) -> None:
        """Set the result of the item, unless it is set."""
        self.request.settle(self.position, result)


class Inbox:
    """Thread-safe queue of messages with `RequestItem` tokens, bounded by `max_requests`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Return whether messages are accepted."""
        return self._is_open

    def open(self) -> None:
        """Accept messages."""
        with self._changed:
            self._is_open = True

    def close(self) -> list[Message]:
        """Accept no more messages; remove and return the messages in the queue."""
        with self._changed:
            self._is_open = False
            waiting, self._waiting = self._waiting, deque()
            return list(waiting)

    def put(self, messages: Iterable[Message]) -> bool:
        """Add messages; return False when the inbox is closed."""
        with self._changed:
            if self._is_open:
                self._waiting.extend(messages)
                self._changed.notify()
            return self._is_open

    def take(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Remove and return up to `max_messages`; wait while there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_seconds)
            number = min(max_messages, len(self._waiting))
            return [self._waiting.popleft() for _ in range(number)]

    def withdraw(self, request: PendingRequest) -> None:
        """Remove the messages of a request that are still in the queue."""
        with self._changed:
            self._waiting = deque(
                each for each in self._waiting if each.token.request is not request
            )
