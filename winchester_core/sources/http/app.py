"""The ASGI application: who may send, how much, and the wait for what became of it."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

from winchester_core.sources.http.answer import (
    BUSY_SECONDS,
    Answer,
    Refusal,
    answer_for,
    unavailable,
)
from winchester_core.sources.http.availability import Availability
from winchester_core.sources.http.body import read_body
from winchester_core.sources.http.openapi import LIVE, OPENAPI, READY, describe
from winchester_core.sources.http.posts import TYPES, Post, check_type, messages_of
from winchester_core.sources.http.submission import Submission, Ticket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from winchester_core.model import Message
    from winchester_core.sources.http.inbox import Inbox
    from winchester_core.sources.http.submission import ItemResult

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

NO_TOKEN: Final = "a token is wanted: 'Authorization: Bearer TOKEN'"  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a request, and how many are in hand at once."""

    max_body_bytes: int
    max_items: int
    max_requests: int
    timeout_seconds: float


class Application:
    """Puts what is sent into the inbox and answers when all of it is settled.

    All its state belongs to the server's loop.
    """

    def __init__(
        self, inbox: Inbox, limits: Limits, token: str | None, datetime_traits: tuple[str, ...]
    ) -> None:
        self._inbox = inbox
        self._limits = limits
        self._token = None if token is None else token.encode()
        self._datetime_traits = datetime_traits
        self._description = Answer(HTTPStatus.OK, describe(limits, has_token=token is not None))
        self._availability = Availability()
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            answer = refusal.answer
        await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path in TYPES:
            _check_method(method, "POST")
            return await self._take(scope, receive)
        if path not in (LIVE, READY, OPENAPI):
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no such path; see {OPENAPI}")
        _check_method(method, "GET")
        if path == OPENAPI:
            return self._description
        if path == READY and not (self._inbox.is_open and self._availability.is_there):
            raise unavailable("not ready: the database is away, or the process ends")
        return Answer(HTTPStatus.OK, {"status": "ok"})

    async def _take(self, scope: Scope, receive: Receive) -> Answer:
        headers = _headers(scope)
        self._check_token(headers)
        if not self._inbox.is_open:
            raise unavailable("the process ends")
        if self._in_hand >= self._limits.max_requests:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._in_hand} requests are in hand; send it again later",
                retry_after=str(BUSY_SECONDS),
            )
        self._in_hand += 1
        try:
            return await self._store(scope, headers, receive)
        finally:
            self._in_hand -= 1

    async def _store(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        results = await self._settled(await self._read(scope, headers, receive))
        self._availability.learn(results)
        return answer_for(results)

    async def _read(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive
    ) -> list[Message]:
        path, limits = scope["path"], self._limits
        check_type(path, headers)
        body = await read_body(receive, headers, limits.max_body_bytes, limits.timeout_seconds)
        sender = (scope.get("client") or ("",))[0]
        post = Post(path, headers, body, sender)
        return messages_of(post, self._datetime_traits, limits.max_items)

    async def _settled(self, messages: Sequence[Message]) -> list[ItemResult]:
        """Hand the messages over; return what became of them within the time there is."""
        if not messages:
            return []
        loop, settled = asyncio.get_running_loop(), asyncio.Event()
        submission = Submission(len(messages), lambda: _wake(loop, settled))
        ticketed = [
            replace(message, token=Ticket(submission, position))
            for position, message in enumerate(messages)
        ]
        if not self._inbox.put(ticketed):
            raise unavailable("the process ends")
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                await settled.wait()
        except TimeoutError:
            self._inbox.withdraw(submission)
        return submission.results()

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if self._token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), self._token)
        if scheme.lower() != "bearer" or not is_right:
            raise Refusal(HTTPStatus.UNAUTHORIZED, NO_TOKEN, www_authenticate="Bearer")


def _check_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"only {wanted} is allowed", allow=wanted)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _wake(loop: asyncio.AbstractEventLoop, settled: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the server has ended, and with it whoever waited
        loop.call_soon_threadsafe(settled.set)


async def _send(answer: Answer, send: Send) -> None:
    body = orjson.dumps(answer.document)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    raw = [(n.encode(), v.encode()) for n, v in (headers | dict(answer.headers)).items()]
    await send({"type": "http.response.start", "status": int(answer.status), "headers": raw})
    await send({"type": "http.response.body", "body": body})
