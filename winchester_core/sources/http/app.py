"""The ASGI application: who may send, how much, and the wait for what became of it."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

from winchester_core.sources.http.openapi import LIVE, OPENAPI, READY, openapi_document
from winchester_core.sources.http.parsers import (
    CONTENT_TYPES,
    HttpRequest,
    check_content_type,
    parse_request,
    read_body,
)
from winchester_core.sources.http.request import PendingRequest, RequestItem
from winchester_core.sources.http.responses import (
    BUSY_RETRY_SECONDS,
    CircuitBreaker,
    JsonResponse,
    RequestRejected,
    make_response,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from winchester_core.model import Message
    from winchester_core.sources.http.request import Inbox, ItemResult, RequestLimits

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

TOKEN_REQUIRED: Final = "a token is wanted: 'Authorization: Bearer TOKEN'"  # noqa: S105 - a sentence


class Application:
    """Puts what is sent into the inbox and answers when all of it is settled.

    All its state belongs to the server's loop.
    """

    def __init__(
        self,
        inbox: Inbox,
        limits: RequestLimits,
        token: str | None,
        datetime_traits: tuple[str, ...],
    ) -> None:
        self._inbox = inbox
        self._limits = limits
        self._token = None if token is None else token.encode()
        self._datetime_traits = datetime_traits
        self._description = JsonResponse(
            HTTPStatus.OK, openapi_document(limits, has_token=token is not None)
        )
        self._circuit_breaker = CircuitBreaker()
        self._requests_in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._respond(scope, receive)
        except RequestRejected as rejected:
            response = rejected.response
        await _send(response, send)

    async def _respond(self, scope: Scope, receive: Receive) -> JsonResponse:
        path, method = scope["path"], scope["method"]
        if path in CONTENT_TYPES:
            _check_method(method, "POST")
            return await self._receive(scope, receive)
        if path not in (LIVE, READY, OPENAPI):
            raise RequestRejected(HTTPStatus.NOT_FOUND, f"there is no such path; see {OPENAPI}")
        _check_method(method, "GET")
        if path == OPENAPI:
            return self._description
        if path == READY and not (self._inbox.is_open and self._circuit_breaker.is_closed):
            raise unavailable("not ready: the database is away, or the process ends")
        return JsonResponse(HTTPStatus.OK, {"status": "ok"})

    async def _receive(self, scope: Scope, receive: Receive) -> JsonResponse:
        headers = _headers(scope)
        self._check_token(headers)
        if not self._inbox.is_open:
            raise unavailable("the process ends")
        if self._requests_in_progress >= self._limits.max_requests:
            raise RequestRejected(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._requests_in_progress} requests are in hand; send it again later",
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
        results = await self._wait_until_settled(await self._read(scope, headers, receive))
        self._circuit_breaker.record(results)
        return make_response(results)

    async def _read(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> list[Message]:
        path, limits = scope["path"], self._limits
        check_content_type(path, headers)
        body = await read_body(receive, headers, limits.max_body_bytes, limits.timeout_seconds)
        sender = (scope.get("client") or ("",))[0]
        request = HttpRequest(path, headers, body, sender)
        return parse_request(request, self._datetime_traits, limits.max_items)

    async def _wait_until_settled(self, messages: Sequence[Message]) -> list[ItemResult]:
        """Hand the messages over; return what became of them within the time there is."""
        if not messages:
            return []
        loop, settled = asyncio.get_running_loop(), asyncio.Event()
        request = PendingRequest(len(messages), lambda: _wake(loop, settled))
        items = [
            replace(message, token=RequestItem(request, position))
            for position, message in enumerate(messages)
        ]
        if not self._inbox.put(items):
            raise unavailable("the process ends")
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                await settled.wait()
        except TimeoutError:
            self._inbox.withdraw(request)
        return request.results()

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self._token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), self._token)
        if scheme.lower() != "bearer" or not is_right:
            raise RequestRejected(
                HTTPStatus.UNAUTHORIZED, TOKEN_REQUIRED, www_authenticate="Bearer"
            )


def _check_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise RequestRejected(
            HTTPStatus.METHOD_NOT_ALLOWED, f"only {wanted} is allowed", allow=wanted
        )


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _wake(loop: asyncio.AbstractEventLoop, settled: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the server has ended, and with it whoever waited
        loop.call_soon_threadsafe(settled.set)


async def _send(response: JsonResponse, send: Send) -> None:
    body = orjson.dumps(response.document)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    raw = [(n.encode(), v.encode()) for n, v in (headers | dict(response.headers)).items()]
    await send({"type": "http.response.start", "status": int(response.status), "headers": raw})
    await send({"type": "http.response.body", "body": body})
