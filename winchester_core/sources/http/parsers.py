"""Request bodies: reading, decompression, and parsing into messages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from winchester_core.errors import InvalidEvent
from winchester_core.model import Message, MessageKind
from winchester_core.model.json import as_object, read_json
from winchester_core.sources.compression import TooLarge, decompress
from winchester_core.sources.content import DEFAULT_CHARSET, declared_charset, media_type, to_utf8
from winchester_core.sources.http.cloudevents import (
    CLOUDEVENT_BATCH_TYPE,
    CLOUDEVENT_TYPE,
    cloudevent_to_event,
    is_binary_mode,
    read_binary_mode,
)
from winchester_core.sources.http.paths import CLOUDEVENTS, EVENTS, NOTIFICATIONS
from winchester_core.sources.http.responses import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from winchester_core.sources.http.params import RequestLimits

    Receive = Callable[[], Awaitable[Mapping[str, Any]]]


JSON_TYPE: Final = "application/json"
NDJSON_TYPE: Final = "application/x-ndjson"


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


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    limits: RequestLimits,
    decompressing: asyncio.Semaphore,
) -> bytes:
    """Read the body, and decompress it while it holds `decompressing`.

    Raises `RequestRejected` if its coding is unknown, or if it is too large, incomplete, late or
    damaged.
    """
    coding = content_coding(headers)
    body = await receive_body(receive, headers, limits)
    return await decompress_body(body, coding, limits, decompressing)


def announced_bytes(headers: Mapping[str, str]) -> int | None:
    """Return the length of the body according to its header, at most 10**15; None if unknown."""
    content_length = headers.get("content-length", "")
    # float: int refuses more than 4,300 digits
    return int(min(float(content_length), 1e15)) if content_length.isdecimal() else None


async def receive_body(
    receive: Receive, headers: Mapping[str, str], limits: RequestLimits
) -> bytes:
    """Read the body. Raises `RequestRejected` if it is too large, incomplete or late."""
    if (announced_bytes(headers) or 0) > limits.max_body_bytes:
        raise _too_large(f"has more than {limits.max_body_bytes} bytes")
    try:
        async with asyncio.timeout(limits.timeout_seconds):
            return await _read_parts(receive, limits.max_body_bytes)
    except TimeoutError:
        raise RequestRejected(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body was not received within {limits.timeout_seconds:g} seconds",
            connection="close",
        ) from None


async def decompress_body(
    body: bytes, coding: str, limits: RequestLimits, decompressing: asyncio.Semaphore
) -> bytes:
    """Decompress a body in one of `CONTENT_CODINGS`, while it holds `decompressing`.

    Raises `RequestRejected` if the result is too large, or the body is damaged.
    """
    if coding == IDENTITY:
        return body
    try:
        async with decompressing:
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


# --- parsing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A received request; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    sender: str = ""

    @property
    def media_type(self) -> str:
        """Media type of the body without parameters; empty if none is given."""
        return media_type(self.headers.get("content-type", ""))


def check_content_type(path: str, headers: Mapping[str, str]) -> None:
    """Raise `RequestRejected` for a content type that `path` does not accept.

    Requiring one of JSON also prevents cross-site requests by web pages.
    """
    if path == CLOUDEVENTS and is_binary_mode(headers):
        return
    allowed = CONTENT_TYPES[path]
    if media_type(headers.get("content-type", "")) not in allowed:
        raise RequestRejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {' or '.join(allowed)}"
        )


def parse_request(
    request: HttpRequest, datetime_traits: tuple[str, ...], max_items: int
) -> list[Message]:
    """Return one message per item of a request. If the item is invalid, the message has a `fault`.

    Raises `RequestRejected` if the body is invalid or has more than `max_items`.
    """
    items = _items(request, max_items)
    _check_number(len(items), max_items)
    read, kind = ITEM_READERS[request.path]
    return [
        _message(
            item, read, kind, f"{request.sender} {request.path} item {number}", datetime_traits
        )
        for number, item in enumerate(items, 1)
    ]


def _check_number(items: int, max_items: int) -> None:
    if items > max_items:
        raise RequestRejected(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{items} items; at most {max_items} are accepted in one request",
        )


def _items(request: HttpRequest, max_items: int) -> list[Any]:
    try:
        if request.path == CLOUDEVENTS and is_binary_mode(request.headers):
            return [_item_or_error(read_binary_mode, request.headers, request.body)]
        charset = declared_charset(request.headers.get("content-type", ""))
        body = request.body if charset == DEFAULT_CHARSET else to_utf8(request.body, charset)
        if request.media_type == NDJSON_TYPE:
            lines = [line for line in body.split(b"\n") if line.strip()]
            _check_number(len(lines), max_items)  # parsing too many would block the event loop
            return [_item_or_error(read_json, line, "item") for line in lines]
        document = read_json(body, "body")
    except (ValueError, InvalidEvent) as error:
        reason = error.reason if isinstance(error, InvalidEvent) else error
        raise RequestRejected(HTTPStatus.BAD_REQUEST, f"the body {reason}") from None
    if request.path != CLOUDEVENTS:
        return document if isinstance(document, list) else [document]
    if request.media_type == CLOUDEVENT_TYPE:
        return [document]
    if isinstance(document, list):
        return document
    raise RequestRejected(HTTPStatus.BAD_REQUEST, "the body must be an array of CloudEvents")


def _item_or_error(read: Callable[..., Any], *content: Any) -> Any:
    try:
        return read(*content)
    except InvalidEvent as invalid:
        return invalid


def _message(
    item: Any,
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    kind: MessageKind,
    received_from: str,
    datetime_traits: tuple[str, ...],
) -> Message:
    body: Mapping[str, Any] = {}
    fault = None
    try:
        if isinstance(item, InvalidEvent):
            raise item
        body = read(as_object(item, "item"))
    except InvalidEvent as invalid:
        fault = str(invalid)
    return Message(
        body=body,
        kind=kind,
        received_from=received_from,
        datetime_traits=datetime_traits,
        fault=fault,
    )


def _unchanged(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item


CONTENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    EVENTS: (JSON_TYPE, NDJSON_TYPE),
    NOTIFICATIONS: (JSON_TYPE, NDJSON_TYPE),
    CLOUDEVENTS: (CLOUDEVENT_TYPE, CLOUDEVENT_BATCH_TYPE),
}
"""Accepted content types by path; CloudEvents in binary mode may have any."""

ITEM_READERS: Final = {
    EVENTS: (_unchanged, MessageKind.EVENT),
    NOTIFICATIONS: (_unchanged, MessageKind.NOTIFICATION),
    CLOUDEVENTS: (cloudevent_to_event, MessageKind.EVENT),
}
