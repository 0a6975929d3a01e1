"""What a request says: its body, and the headers that tell what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from winchester_core.model import flat_event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winchester_core.interfaces import Effect

JSON = "application/json"
CLOUDEVENT = "application/cloudevents+json"
STREAM_TYPE = "winchester.stream."
"""What the type of a CloudEvent of a stream begins with; `fire` or `expire` follows."""

_PLAIN_IN_HEADERS = "".join(map(chr, set(range(0x21, 0x7F)) - set(b'"%')))


@dataclass(frozen=True, slots=True)
class Message:
    """The body of a request, and its headers."""

    body: bytes
    headers: Mapping[str, str]


def message(effect: Effect, form: str, source: str) -> Message:
    """The message of an effect, which holds an `event` or a `stream`, in one of `FORMATS`."""
    data = _data(effect.payload)
    if form == "json":
        return Message(_dumped(data), {"Content-Type": JSON})
    attributes = {"specversion": "1.0", "source": source, **_attributes(effect)}
    if form == "cloudevent":
        whole = {**attributes, "datacontenttype": JSON, "data": data}
        return Message(_dumped(whole), {"Content-Type": CLOUDEVENT})
    named = {f"ce-{name}": _header_text(value) for name, value in attributes.items()}
    return Message(_dumped(data), {"Content-Type": JSON, **named})


def _data(payload: Mapping[str, Any]) -> dict[str, Any]:
    if "event" in payload:
        return flat_event(payload["event"])
    stream: Mapping[str, Any] = payload["stream"]
    return {**stream, "events": [flat_event(event) for event in stream["events"]]}


def _attributes(effect: Effect) -> dict[str, str]:
    """The attributes of a CloudEvent; the same at every attempt."""
    payload = effect.payload
    if "event" in payload:
        event = payload["event"]
        return {
            "id": event["message_id"],
            "type": event["event_type"],
            "time": event["timestamp"].isoformat(),
        }
    return {
        "id": effect.id,
        "type": STREAM_TYPE + payload["stream"]["reason"],
        "subject": effect.stream_name,
        "time": effect.created_at.isoformat(),
    }


def _dumped(value: Any) -> bytes:
    return orjson.dumps(value, default=_iso, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _iso(value: datetime) -> str:
    return value.isoformat()


def _header_text(value: str) -> str:
    """Percent-encoded where CloudEvents over HTTP wants it (section 3.1.3.2)."""
    return quote(value, safe=_PLAIN_IN_HEADERS)
