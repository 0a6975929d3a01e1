"""From a CloudEvent (CloudEvents 1.0.2) to an event.

`source` and `id` together are a CloudEvent's identity, hence both make the `message_id`; `type`
is the `event_type`, `time` the `timestamp`. Every other attribute, and every member of `data`,
is a trait of the same name; where the name is taken, `attribute.` or `data.` stands before it.
What cannot be a trait is dropped as in any event.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from winchester_core.errors import InvalidEvent
from winchester_core.sources.http.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
HEADER_PREFIX: Final = "ce-"
SPEC_VERSION: Final = "1.0"

MAX_ID_LENGTH: Final = 255
NO_TRAITS: Final = frozenset(("id", "type", "time", "specversion", "data"))


def event_of(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a CloudEvent in its JSON format. Raises `InvalidEvent`."""
    if envelope.get("specversion") != SPEC_VERSION:
        raise InvalidEvent("specversion", f"must be {SPEC_VERSION!r}")
    event: dict[str, Any] = {
        "message_id": message_id_of(_text(envelope, "source"), _text(envelope, "id")),
        "event_type": _text(envelope, "type"),
        "timestamp": _text(envelope, "time"),
    }
    attributes = ((name, value) for name, value in envelope.items() if name not in NO_TRAITS)
    _add(event, "attribute", attributes)
    _add(event, "data", _members(envelope.get("data")))
    return event


def message_id_of(source: str, event_id: str) -> str:
    """The id of a CloudEvent as one text; of a long one the SHA-256.

    A blank parts the two, since a source, which is a URI reference, has none.
    """
    if " " in source:
        raise InvalidEvent("source", "must be a URI reference, without blanks")
    joined = f"{source} {event_id}"
    if len(joined) <= MAX_ID_LENGTH:
        return joined
    return "sha256:" + hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def envelope_of(headers: Mapping[str, str], media_type: str, body: bytes) -> dict[str, Any]:
    """Return the JSON format of a CloudEvent that came in binary mode.

    Attributes stand in headers, percent-encoded (HTTP binding, 3.1.3.2), as texts; `data` is the
    body. Raises `ValueError` for JSON that is none.
    """
    attributes: dict[str, Any] = {
        name.removeprefix(HEADER_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(HEADER_PREFIX)
    }
    if not body:
        return attributes
    if media_type:
        attributes["datacontenttype"] = media_type
    if is_json(media_type):
        return attributes | {"data": read_json(body)}
    if media_type.startswith("text/"):
        return attributes | {"data": body.decode("utf-8", "replace")}
    return attributes | {"data_base64": base64.b64encode(body).decode()}


def is_json(media_type: str) -> bool:
    """Tell whether a body of this type is JSON; one without a type is (JSON format, 3.1)."""
    return media_type in ("", "application/json") or media_type.endswith("+json")


def _add(event: dict[str, Any], origin: str, traits: Iterable[tuple[str, Any]]) -> None:
    for name, value in traits:
        event[f"{origin}.{name}" if name in event else name] = value


def _members(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        yield from data.items()
    elif data is not None:
        yield "data", data


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    if value is None:
        raise InvalidEvent(name, "is missing")
    if not isinstance(value, str) or not value:
        raise InvalidEvent(name, "must be text that is not empty")
    return value
