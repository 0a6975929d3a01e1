"""Parsing of request bodies into messages: events, notifications, CloudEvents."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from winchester_core.errors import InvalidEvent
from winchester_core.model import Message, MessageKind
from winchester_core.model.json import read_json
from winchester_core.sources.http.responses import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator


async def read_body(
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    headers: Mapping[str, str],
    max_bytes: int,
    timeout_seconds: float,
) -> bytes:
    """Read and return the body.

    Raises `RequestRejected` when it is too large, incomplete or late.
    """
    content_length = headers.get("content-length", "0")
    if content_length.isdecimal() and int(content_length) > max_bytes:
        raise _body_too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read_parts(receive, max_bytes)
    except TimeoutError:
        raise RequestRejected(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body was not received within {timeout_seconds:g} seconds",
            connection="close",
        ) from None


async def _read_parts(receive: Callable[[], Awaitable[Mapping[str, Any]]], max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise RequestRejected(HTTPStatus.BAD_REQUEST, "the body is incomplete")
        body += part.get("body", b"")
        if len(body) > max_bytes:
            raise _body_too_large(max_bytes)
        if not part.get("more_body", False):
            return bytes(body)


def _body_too_large(max_bytes: int) -> RequestRejected:
    return RequestRejected(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {max_bytes} bytes"
    )


# Conversion of CloudEvents (CloudEvents 1.0.2) into events.
#
# `source` and `id` together identify a CloudEvent, and form the `message_id`; `type` becomes the
# `event_type`, `time` the `timestamp`. Every other attribute, and every member of `data`, becomes a
# trait of the same name, prefixed with `attribute.` or `data.` if that name exists. Values that
# cannot be traits are dropped, as in any event.

CLOUDEVENT_TYPE: Final = "application/cloudevents+json"
CLOUDEVENT_BATCH_TYPE: Final = "application/cloudevents-batch+json"
CLOUDEVENT_HEADER_PREFIX: Final = "ce-"
CLOUDEVENTS_VERSION: Final = "1.0"

MAX_ID_LENGTH: Final = 255
NON_TRAIT_ATTRIBUTES: Final = frozenset(("id", "type", "time", "specversion", "data"))


def cloudevent_to_event(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a CloudEvent in its JSON format. Raises `InvalidEvent`."""
    if envelope.get("specversion") != CLOUDEVENTS_VERSION:
        raise InvalidEvent("specversion", f"must be {CLOUDEVENTS_VERSION!r}")
    event: dict[str, Any] = {
        "message_id": cloudevent_message_id(
            _required_text(envelope, "source"), _required_text(envelope, "id")
        ),
        "event_type": _required_text(envelope, "type"),
        "timestamp": _required_text(envelope, "time"),
    }
    attributes = (
        (name, value) for name, value in envelope.items() if name not in NON_TRAIT_ATTRIBUTES
    )
    _add_traits(event, "attribute", attributes)
    _add_traits(event, "data", _data_traits(envelope.get("data")))
    return event


def cloudevent_message_id(source: str, event_id: str) -> str:
    """Return the message id of a CloudEvent: source and id, or their SHA-256 if that is too long.

    They are separated by a blank, which a source, being a URI reference, cannot contain.
    """
    if " " in source:
        raise InvalidEvent("source", "must be a URI reference, without blanks")
    joined = f"{source} {event_id}"
    if len(joined) <= MAX_ID_LENGTH:
        return joined
    return "sha256:" + hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def read_binary_mode(headers: Mapping[str, str], media_type: str, body: bytes) -> dict[str, Any]:
    """Convert a CloudEvent in binary mode to its JSON format.

    Attributes are headers and become strings; `data` is the body. Raises `InvalidEvent` for an
    invalid header, `ValueError` for a body that is invalid or in an unknown charset.
    """
    attributes: dict[str, Any] = {
        name.removeprefix(CLOUDEVENT_HEADER_PREFIX): _attribute_value(name, value)
        for name, value in headers.items()
        if name.startswith(CLOUDEVENT_HEADER_PREFIX)
    }
    if not body:
        return attributes
    if media_type:
        attributes["datacontenttype"] = media_type
    if is_json_type(media_type):
        return attributes | {"data": parse_json(body)}
    if media_type.startswith("text/"):
        return attributes | {"data": _decode_text(body, headers.get("content-type", ""))}
    return attributes | {"data_base64": base64.b64encode(body).decode()}


def _attribute_value(name: str, value: str) -> str:
    """Decode a header: quoted strings, then percent-encoding, in UTF-8 (HTTP binding, 3.1.3.2)."""
    value = value.strip(" \t")
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])  # RFC 7230, 3.2.6
    try:
        return unquote(value.encode("latin-1").decode(), errors="strict")
    except UnicodeError:
        raise InvalidEvent(name, "is not UTF-8") from None


def _decode_text(body: bytes, content_type: str) -> str:
    """Decode text by the charset of its content type, UTF-8 by default."""
    message = EmailMessage()
    message["content-type"] = content_type or "text/plain"
    charset = message.get_content_charset("utf-8")
    try:
        return body.decode(charset)
    except LookupError:
        raise ValueError(f"has an unknown charset: {charset[:40]!r}") from None
    except UnicodeError:
        raise ValueError(f"is not text in {charset}") from None


def is_json_type(media_type: str) -> bool:
    """Return whether a body of this type is JSON, as is one without a type (JSON format, 3.1)."""
    return media_type in ("", "application/json") or media_type.endswith("+json")


def _add_traits(event: dict[str, Any], origin: str, traits: Iterable[tuple[str, Any]]) -> None:
    for name, value in traits:
        event[f"{origin}.{name}" if name in event else name] = value


def _data_traits(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        yield from data.items()
    elif data is not None:
        yield "data", data


def _required_text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if value is None:
        raise InvalidEvent(name, "is missing")
    if not isinstance(value, str) or not value:
        raise InvalidEvent(name, "must be a non-empty string")
    return value


EVENTS: Final = "/v1/events"
NOTIFICATIONS: Final = "/v1/notifications"
CLOUDEVENTS: Final = "/v1/cloudevents"
JSON_TYPE: Final = "application/json"


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
        return _media_type(self.headers)


def check_content_type(path: str, headers: Mapping[str, str]) -> None:
    """Raise `RequestRejected` for a content type that `path` does not accept.

    Requiring `application/json` also prevents cross-site requests by web pages.
    """
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RequestRejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not supported"
        )
    if path == CLOUDEVENTS and _is_binary_mode(headers):
        return
    allowed = CONTENT_TYPES[path]
    if _media_type(headers) not in allowed:
        raise RequestRejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {' or '.join(allowed)}"
        )


def parse_request(
    request: HttpRequest, datetime_traits: tuple[str, ...], max_items: int
) -> list[Message]:
    """Return one message per item of a request; an invalid item's message has a `fault`.

    Raises `RequestRejected` when the body is invalid or has more than `max_items`.
    """
    items = _items(request)
    if len(items) > max_items:
        raise RequestRejected(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(items)} items; at most {max_items} are accepted in one request",
        )
    read, kind = ITEM_READERS[request.path]
    return [
        _message(
            item, read, kind, f"{request.sender} {request.path} item {number}", datetime_traits
        )
        for number, item in enumerate(items, 1)
    ]


def _items(request: HttpRequest) -> list[Any]:
    try:
        if request.path == CLOUDEVENTS and _is_binary_mode(request.headers):
            return [_binary_mode_item(request)]
        document = parse_json(request.body)
    except ValueError as error:
        raise RequestRejected(HTTPStatus.BAD_REQUEST, f"the body {error}") from None
    if request.path != CLOUDEVENTS:
        return document if isinstance(document, list) else [document]
    if request.media_type == CLOUDEVENT_TYPE:
        return [document]
    if isinstance(document, list):
        return document
    raise RequestRejected(HTTPStatus.BAD_REQUEST, "the body must be an array of CloudEvents")


def _binary_mode_item(request: HttpRequest) -> Mapping[str, Any] | InvalidEvent:
    try:
        return read_binary_mode(request.headers, request.media_type, request.body)
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
        if not isinstance(item, Mapping):
            raise InvalidEvent("item", f"must be a JSON object, not {type(item).__name__}")
        body = read(item)
    except InvalidEvent as invalid:
        fault = str(invalid)
    return Message(
        body=body,
        kind=kind,
        received_from=received_from,
        datetime_traits=datetime_traits,
        fault=fault,
    )


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_binary_mode(headers: Mapping[str, str]) -> bool:
    """Return whether a CloudEvent is in binary mode, by the rules of the HTTP binding (3)."""
    return f"{CLOUDEVENT_HEADER_PREFIX}specversion" in headers and not headers.get(
        "content-type", ""
    ).lower().startswith("application/cloudevents")


def _unchanged(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item


CONTENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    EVENTS: (JSON_TYPE,),
    NOTIFICATIONS: (JSON_TYPE,),
    CLOUDEVENTS: (CLOUDEVENT_TYPE, CLOUDEVENT_BATCH_TYPE),
}
"""Accepted content types by path; CloudEvents in binary mode may have any."""

ITEM_READERS: Final = {
    EVENTS: (_unchanged, MessageKind.EVENT),
    NOTIFICATIONS: (_unchanged, MessageKind.NOTIFICATION),
    CLOUDEVENTS: (cloudevent_to_event, MessageKind.EVENT),
}


def parse_json(text: bytes) -> Any:
    """Parse JSON in UTF-8, as `read_json`. Raises `ValueError`, which never quotes the text."""
    try:
        return read_json(text, "body")
    except InvalidEvent as error:
        raise ValueError(error.reason) from None
