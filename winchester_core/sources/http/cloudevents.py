"""Conversion of CloudEvents 1.0.2 into events.

`source` and `id` together identify a CloudEvent, and form the `message_id`; `type` becomes the
`event_type`, `time` the `timestamp`. Every other attribute, and every member of `data`, becomes a
trait with the same name. If that name exists already, it gets the prefix `attribute.` or `data.`.
Values that cannot be traits are dropped, as in any event.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from winchester_core.errors import InvalidEvent
from winchester_core.model import MAX_NAME_LENGTH
from winchester_core.model.json import read_json
from winchester_core.sources.content import (
    declared_charset,
    decode_text,
    is_json_type,
    media_type,
    to_utf8,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CLOUDEVENT_TYPE: Final = "application/cloudevents+json"
CLOUDEVENT_BATCH_TYPE: Final = "application/cloudevents-batch+json"
CLOUDEVENT_HEADER_PREFIX: Final = "ce-"
CLOUDEVENTS_VERSION: Final = "1.0"

NON_TRAIT_ATTRIBUTES: Final = frozenset(("id", "type", "time", "specversion", "data"))

NON_HEADER_ATTRIBUTES: Final = frozenset(("", "data", "data_base64", "datacontenttype"))
"""Names that are not allowed as headers in binary mode, because they mean the body."""


def is_binary_mode(headers: Mapping[str, str]) -> bool:
    """Return whether a CloudEvent is in binary mode, by section 3 of the HTTP binding."""
    return f"{CLOUDEVENT_HEADER_PREFIX}specversion" in headers and not headers.get(
        "content-type", ""
    ).lower().startswith("application/cloudevents")


def cloudevent_to_event(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a CloudEvent in its JSON format. Raises `InvalidEvent`."""
    if envelope.get("specversion") != CLOUDEVENTS_VERSION:
        raise InvalidEvent("specversion", f"must be {CLOUDEVENTS_VERSION!r}")
    if envelope.get("data") is not None and envelope.get("data_base64") is not None:
        raise InvalidEvent("data_base64", "must not be present beside data")
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
    """Return the message id of a CloudEvent: source and id, or their SHA-256 if they are too long.

    They are separated by a space. A source is a URI reference, so it contains no space.
    """
    if " " in source:
        raise InvalidEvent("source", "must be a URI reference, without spaces")
    joined = f"{source} {event_id}"
    if len(joined) <= MAX_NAME_LENGTH:
        return joined
    return "sha256:" + hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def read_binary_mode(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Convert a CloudEvent in binary mode to its JSON format.

    Attributes are headers and become strings; `data` is the body. Raises `InvalidEvent` if a header
    is invalid, or `ValueError` if the body is invalid or its charset is unknown.
    """
    attributes: dict[str, Any] = {
        name.removeprefix(CLOUDEVENT_HEADER_PREFIX): _attribute_value(name, value)
        for name, value in headers.items()
        if name.startswith(CLOUDEVENT_HEADER_PREFIX)
    }
    if misplaced := NON_HEADER_ATTRIBUTES & attributes.keys():
        raise InvalidEvent(
            CLOUDEVENT_HEADER_PREFIX + min(misplaced), "is not allowed as a header in binary mode"
        )
    content_type = headers.get("content-type", "").strip()
    if content_type:
        attributes["datacontenttype"] = content_type
    if not body:
        return attributes
    kind, charset = media_type(content_type), declared_charset(content_type)
    if is_json_type(kind):
        return attributes | {"data": _parse_json(to_utf8(body, charset))}
    if kind.startswith("text/"):
        return attributes | {"data": decode_text(body, charset)}
    return attributes | {"data_base64": base64.b64encode(body).decode()}


def _parse_json(text: bytes) -> Any:
    """Parse JSON in UTF-8, as `read_json`. Raises `ValueError`, which never quotes the text."""
    try:
        return read_json(text, "body")
    except InvalidEvent as error:
        raise ValueError(error.reason) from None


def _attribute_value(name: str, value: str) -> str:
    """Decode a header: quoted strings, then percent-encoding, in UTF-8 (HTTP binding 3.1.3.2)."""
    value = value.strip(" \t")
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])  # RFC 7230, 3.2.6
    try:
        return unquote(value.encode("latin-1").decode(), errors="strict")
    except UnicodeError:
        raise InvalidEvent(name, "is not UTF-8") from None


def _add_traits(event: dict[str, Any], origin: str, traits: Iterable[tuple[str, Any]]) -> None:
    for name, value in traits:
        while name in event:
            name = f"{origin}.{name}"
        event[name] = value


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
