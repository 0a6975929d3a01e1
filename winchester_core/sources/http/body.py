"""Reading of request bodies: their size, time limit and content coding."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.sources.compression import TooLarge, decompress
from winchester_core.sources.http.responses import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from winchester_core.sources.http.params import RequestLimits

    Receive = Callable[[], Awaitable[Mapping[str, Any]]]

IDENTITY: Final = "identity"
CONTENT_CODINGS: Final = ("gzip", "x-gzip", "deflate", IDENTITY)
ACCEPT_ENCODING: Final = "gzip, deflate, identity"


def content_coding(headers: Mapping[str, str]) -> str:
    """Return the coding of the body, one of `CONTENT_CODINGS`. Raises `RequestRejected`."""
    coding = headers.get("content-encoding", IDENTITY).strip().lower()
    if coding not in CONTENT_CODINGS:
        raise RequestRejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-encoding must be one of: {ACCEPT_ENCODING}",
            accept_encoding=ACCEPT_ENCODING,
        )
    return coding


async def read_body(receive: Receive, headers: Mapping[str, str], limits: RequestLimits) -> bytes:
    """Read and decompress the body.

    Raises `RequestRejected` if its coding is unknown, or if it is too large, incomplete, late or
    damaged.
    """
    coding = content_coding(headers)
    content_length = headers.get("content-length", "0")
    # float: int refuses more than 4,300 digits
    if content_length.isdecimal() and float(content_length) > limits.max_body_bytes:
        raise _too_large(f"has more than {limits.max_body_bytes} bytes")
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            body = await _read_parts(receive, limits.max_body_bytes)
    except TimeoutError:
        raise RequestRejected(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body was not received within {limits.timeout_seconds:g} seconds",
            connection="close",
        ) from None
    if coding == IDENTITY:
        return body
    try:
        return await asyncio.to_thread(decompress, body, coding, limits.max_decompressed_bytes)
    except TooLarge as error:
        raise _too_large(str(error)) from None
    except ValueError as error:
        raise RequestRejected(HTTPStatus.BAD_REQUEST, f"the body {error}") from None


async def _read_parts(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise RequestRejected(HTTPStatus.BAD_REQUEST, "the body is incomplete")
        body += part.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(f"has more than {max_bytes} bytes")
        if not part.get("more_body", False):
            return bytes(body)


def _too_large(reason: str) -> RequestRejected:
    return RequestRejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body {reason}")
