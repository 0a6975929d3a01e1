"""Reading the body of a request within its bounds of size and time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from winchester_core.sources.http.answer import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


async def read_body(
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    headers: Mapping[str, str],
    max_bytes: int,
    timeout_seconds: float,
) -> bytes:
    """Return the body; what is too long is not gathered.

    Raises `Refusal`: too long, or not sent in time or to its end.
    """
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_long(max_bytes)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _gather(receive, max_bytes)
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body did not come within {timeout_seconds:g} seconds",
            connection="close",
        ) from None


async def _gather(receive: Callable[[], Awaitable[Mapping[str, Any]]], max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body has no end")
        body += part.get("body", b"")
        if len(body) > max_bytes:
            raise _too_long(max_bytes)
        if not part.get("more_body", False):
            return bytes(body)


def _too_long(max_bytes: int) -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {max_bytes} bytes")
