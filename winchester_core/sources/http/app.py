"""ASGI application: authentication, limits, and the wait for the results of messages."""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from winchester_core.sources import content
from winchester_core.sources.http.authentication import BearerToken, NotAuthenticated, Refusal
from winchester_core.sources.http.inbox import PendingRequest, RequestItem
from winchester_core.sources.http.openapi import openapi_document
from winchester_core.sources.http.parsers import (
    CONTENT_TYPES,
    JSON_TYPE,
    HttpRequest,
    announced_bytes,
    check_content_type,
    content_coding,
    decompress_body,
    parse_request,
    read_body,
    receive_body,
)
from winchester_core.sources.http.paths import LIVE, OPENAPI, READY
from winchester_core.sources.http.refusals import Refusals
from winchester_core.sources.http.responses import (
    BUSY_RETRY_SECONDS,
    EMPTY_TYPE,
    CircuitBreaker,
    JsonResponse,
    RequestRejected,
    make_response,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from winchester_core.model import Message
    from winchester_core.sources.http.inbox import Inbox
    from winchester_core.sources.http.params import RequestLimits
    from winchester_core.sources.http.responses import ItemResult, WebhookPermission
    from winchester_core.sources.http.webhooks import WebhookPath

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

Result = TypeVar("Result")

TOKEN_REQUIRED: Final = "a token is required: 'Authorization: Bearer TOKEN'"  # noqa: S105 - a text
SIGNATURE_REQUIRED: Final = "a valid signature is required"
MAX_BLOCKING_BYTES: Final = 256 * 1024
"""Maximum size of a webhook's body that is verified and parsed in the event loop."""
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
        paths: Sequence[WebhookPath] = (),
        refusals: Refusals | None = None,
    ) -> None:
        self._inbox = inbox
        self._limits = limits
        self._token = None if token is None else BearerToken(token)
        self._webhook_paths = {each.path: each for each in paths}
        self._refusals = Refusals() if refusals is None else refusals
        self._webhooks = webhooks
        self._datetime_traits = datetime_traits
        posting = ("POST", "OPTIONS") if webhooks.is_enabled else ("POST",)
        self._methods = {
            **dict.fromkeys(CONTENT_TYPES, posting),
            **dict.fromkeys((LIVE, READY, OPENAPI), ("GET", "HEAD")),
            **dict.fromkeys(self._webhook_paths, ("GET", "HEAD", *posting)),
        }
        """Allowed methods by path; the server omits the body of a response to HEAD."""
        self._description = JsonResponse(
            HTTPStatus.OK, openapi_document(limits, webhooks, paths, has_token=token is not None)
        )
        self._circuit_breaker = CircuitBreaker()
        self._requests_in_progress = 0
        self._bytes_in_progress = 0
        self._max_bytes = max(
            limits.max_requests * limits.max_body_bytes,
            limits.max_decompressed_bytes,
            *(each.limits.max_body_bytes + each.limits.max_decompressed_bytes for each in paths),
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
        if method == "POST":
            return await self._receive(scope, receive)
        if path == OPENAPI:
            return self._description
        if path == READY and not (self._inbox.is_open and self._circuit_breaker.is_closed):
            raise unavailable("not ready: database unavailable, or shutting down")
        return JsonResponse(HTTPStatus.OK, {"status": "ok"})

    async def _receive(self, scope: Scope, receive: Receive) -> JsonResponse:
        headers = _headers(scope)
        webhook = self._webhook_paths.get(scope["path"])
        verifier = self._token if webhook is None else webhook
        if verifier is not None:
            with self._refusing(scope):
                verifier.check_headers(headers)
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
            if webhook is not None:
                return await self._store_webhook(webhook, scope, headers, receive)
            return await self._store(scope, headers, receive)
        finally:
            self._requests_in_progress -= 1

    @contextmanager
    def _refusing(self, scope: Scope) -> Iterator[None]:
        """Refuse a request that is not authenticated. The response does not reveal more."""
        try:
            yield
        except NotAuthenticated as error:
            self._refusals.add(scope["path"], error.refusal, _client(scope))
            if error.refusal is Refusal.TOKEN:
                message, challenge = TOKEN_REQUIRED, "Bearer"
            else:
                message, challenge = SIGNATURE_REQUIRED, "Signature"
            raise RequestRejected(
                HTTPStatus.UNAUTHORIZED, message, www_authenticate=challenge
            ) from None

    async def _store(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> JsonResponse:
        check_content_type(scope["path"], headers)
        body = await read_body(receive, headers, self._limits, self._decompressing)
        with self._holding(len(body)):
            request = HttpRequest(scope["path"], headers, body, _client(scope))
            messages = parse_request(request, self._datetime_traits, self._limits.max_items)
            results = await self._wait_until_settled(messages)
        self._circuit_breaker.record(results)
        return make_response(results)

    async def _store_webhook(
        self, webhook: WebhookPath, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> JsonResponse:
        """Store the messages of a webhook. Its signature is checked before anything is parsed.

        Its body counts as held before it is received, because its size may exceed that of other
        paths, and its sender is not authenticated yet.
        """
        limits = webhook.limits
        webhook.check_content_type(content.media_type(headers.get("content-type", "")))
        coding = content_coding(headers)
        announced = announced_bytes(headers)
        maximum = limits.max_body_bytes
        with self._holding(maximum if announced is None else min(announced, maximum)):
            received = await receive_body(receive, headers, limits)
            with self._refusing(scope):
                await _run_by_size(len(received), webhook.check_body, headers, received)
            body = await decompress_body(received, coding, limits, self._decompressing)
            with self._holding(len(body) if body is not received else 0):
                request = HttpRequest(webhook.path, headers, body, _client(scope))
                handshake = webhook.handshake(request)
                if handshake is not None:
                    return handshake
                query = scope["query_string"].decode("latin-1")
                messages = await _run_by_size(len(body), webhook.messages, request, query)
                results = await self._wait_until_settled(messages)
        self._circuit_breaker.record(results)
        return webhook.response(request, results)

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


async def _run_by_size(size: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function; for a large body in another thread, so that other requests proceed."""
    if size <= MAX_BLOCKING_BYTES:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def _client(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


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
    if response.document is None:
        body, media_type = b"", EMPTY_TYPE
    else:
        body, media_type = orjson.dumps(response.document), JSON_TYPE
    headers = {"content-type": media_type, "content-length": str(len(body))}
    raw = [(n.encode(), v.encode()) for n, v in (headers | dict(response.headers)).items()]
    await send({"type": "http.response.start", "status": int(response.status), "headers": raw})
    await send({"type": "http.response.body", "body": body})
