"""Events and streams as messages to other systems: payloads of effects, JSON and CloudEvents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from voluptuous import In, Invalid, Optional

from winchester_core.interfaces import RetryAfter, event_types, json_schema
from winchester_core.interfaces.templates import range_to_mapping
from winchester_core.model import flat_event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winchester_core.interfaces import Effect, EventTypePatterns
    from winchester_core.model import Event

JSON = "application/json"
CLOUDEVENT = "application/cloudevents+json"
STREAM_TYPE_PREFIX = "winchester.stream."
"""Prefix of the type of a CloudEvent for a stream. `fire`, `expire` or `cancel` follows it."""

FORMATS = ("json", "cloudevent", "cloudevent_binary")
SENDS = ("event", "stream")
URI_REFERENCE = re.compile(r"[\x21-\x7e]+")
_PLAIN_IN_HEADERS = "".join(map(chr, set(range(0x21, 0x7F)) - set(b'"%')))


@json_schema(type="string", pattern=r"^[\x21-\x7e]+$", title="URI reference")
def uri_reference(value: Any) -> str:
    """Validate a URI reference of CloudEvents: printable ASCII."""
    if isinstance(value, str) and URI_REFERENCE.fullmatch(value):
        return value
    raise Invalid("expected a URI or a part of one, such as /winchester: ASCII without spaces")


def content_parameters(message: str) -> dict[Any, Any]:
    """Return parameters for `put_content` and the functions below; `message` is "request" or so."""
    return {
        Optional(
            "event_types",
            default=lambda: ["*"],
            description="which events: a glob or a list of globs of event types, `!glob` excludes",
        ): event_types,
        Optional(
            "send",
            default="event",
            description=(
                f"`event`: one {message} for each event; `stream`: one {message} for the stream, "
                "with `stream_id`, `stream_name`, `reason`, `distinguished_by` and the matching "
                f"`events` (no {message} if no event matches)"
            ),
        ): In(SENDS),
        Optional(
            "format",
            default="json",
            description=(
                "`json`: the event in the form of `winchester event list -f json`; `cloudevent`: "
                "CloudEvents 1.0, structured; `cloudevent_binary`: CloudEvents 1.0, with "
                "attributes as headers"
            ),
        ): In(FORMATS),
        Optional(
            "source", default="/winchester", description="the `source` of the CloudEvents"
        ): uri_reference,
    }


def payloads(
    events: list[Event], env: Mapping[str, Any], patterns: EventTypePatterns, send: str
) -> list[dict[str, Any]]:
    """Return a payload for each matching event (`event`), or one for the stream (`stream`)."""
    matching = [event for event in events if patterns.matches(event["event_type"])]
    if send == "event":
        return [{"event": event} for event in matching]
    return [{"stream": _stream(matching, env)}] if matching else []


def content(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event or the stream of a payload, for `to_json`."""
    if "event" in payload:
        return flat_event(payload["event"])
    stream: Mapping[str, Any] = payload["stream"]
    return {**stream, "events": [flat_event(event) for event in stream["events"]]}


def cloudevent_attributes(effect: Effect, source: str) -> dict[str, str]:
    """Return the attributes of a CloudEvent. They are the same at every attempt."""
    attributes = {"specversion": "1.0", "source": source}
    payload = effect.payload
    if "event" in payload:
        event = payload["event"]
        return attributes | {
            "id": event["message_id"],
            "type": event["event_type"],
            "time": event["timestamp"].isoformat(),
        }
    return attributes | {
        "id": effect.id,
        "type": STREAM_TYPE_PREFIX + payload["stream"]["reason"],
        "subject": effect.stream_name,
        "time": effect.created_at.isoformat(),
    }


def cloudevent_headers(effect: Effect, source: str) -> dict[str, str]:
    """Return the attributes of a CloudEvent as headers of HTTP or NATS.

    They are percent-encoded, as the HTTP binding of CloudEvents requires (section 3.1.3.2).
    """
    attributes = cloudevent_attributes(effect, source)
    return {f"ce-{name}": quote(text, safe=_PLAIN_IN_HEADERS) for name, text in attributes.items()}


def structured_cloudevent(effect: Effect, source: str) -> dict[str, Any]:
    """Return the CloudEvent of an effect, for `to_json`."""
    data = content(effect.payload)
    return {**cloudevent_attributes(effect, source), "datacontenttype": JSON, "data": data}


def no_message(error: Exception) -> RetryAfter:
    """Return the outcome of an effect of which no message can be made.

    For example, its payload is that of another handler, to which its entry belonged before.
    """
    return RetryAfter(reason=f"no message can be made of it: {type(error).__name__}: {error}")


def to_json(value: Any) -> bytes:
    """Return JSON. Datetimes are ISO 8601 texts with an offset."""
    return orjson.dumps(value, default=_iso, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _iso(value: datetime) -> str:
    return value.isoformat()


def _stream(events: list[Event], env: Mapping[str, Any]) -> dict[str, Any]:
    names = ("stream_id", "stream_name", "reason")
    distinguished_by = {
        name: range_to_mapping(value) for name, value in env["distinguished_by"].items()
    }
    fields = {name: env[name] for name in names}
    return {**fields, "distinguished_by": distinguished_by, "events": events}
