"""Decoding of messages into events, and rejection of messages that cannot be decoded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.clock import SystemClock
from winchester_core.distill import notification_time, open_envelope
from winchester_core.errors import ConfigurationError, InvalidEvent
from winchester_core.mapping import MappingSet
from winchester_core.masking import is_secret_header
from winchester_core.model.event import CleanEvent, clean_event, parse_timestamp, to_utc
from winchester_core.model.json import read_event, read_object
from winchester_core.model.message import Message, MessageKind
from winchester_core.pipelines import error_text
from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.clock import Clock
    from winchester_core.distill import Distiller
    from winchester_core.model.event import TraitDrop
    from winchester_core.storage.records import RejectedMessage


NO_DEFINITIONS = (
    "no event definitions are configured for notifications; if these are other messages, give "
    "their source a mapping or format: event"
)


class NoDefinition(Exception):  # noqa: N818 - an outcome, not an error
    """No event definition matches the notification, so it is dropped."""

    def __init__(self, event_type: str, message_id: str | None) -> None:
        self.event_type, self.message_id = event_type, message_id
        super().__init__(f"no event definition covers {event_type!r}")


class Decoder:
    """Decodes messages and notifications. Safe to share between threads.

    `clock` gives the time of arrival to mappings that use it.
    """

    def __init__(
        self,
        distiller: Distiller | None,
        mappings: MappingSet | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._distiller = distiller
        self._mappings = mappings or MappingSet({}, {})
        self._clock = clock or SystemClock()

    def mapped_message(self, message: Message) -> Sequence[CleanEvent]:
        """Return the events that a message's mappings make, at least one.

        Raises `InvalidEvent` if the message or one of its events is invalid, or `MessageDropped`.
        """
        if message.fault is not None:
            raise InvalidEvent("", message.fault)
        return self._mappings.convert(message, self._clock.now).events

    def message(self, message: Message) -> CleanEvent:
        """Return the event of a source's message without mappings.

        Raises `InvalidEvent`, or `NoDefinition` if no definition matches the notification.
        """
        if message.fault is not None:
            raise InvalidEvent("", message.fault)
        if message.kind is MessageKind.NOTIFICATION:
            if self._distiller is None:
                raise InvalidEvent("", NO_DEFINITIONS)
            return self.notification(message.body)
        document = read_object(message.body)
        event, drops = read_event(document, message.datetime_traits)
        return _add_drops(clean_event(event), drops)

    def notification(self, body: bytes | Mapping[str, Any]) -> CleanEvent:
        """Return the event of a notification, which may be in an oslo.messaging envelope.

        Raises `InvalidEvent`, `NoDefinition`.
        """
        notification = open_envelope(body)
        distilled = self.distiller.distill(notification)
        if distilled.event is None:
            message_id = notification.get("message_id")
            raise NoDefinition(
                str(notification.get("event_type")),
                message_id if isinstance(message_id, str) else None,
            )
        return _add_drops(clean_event(distilled.event), distilled.drops)

    def rejection_context(self, message: Message) -> str | None:
        """Return the context of a rejected message, as JSON; None for a message without mappings.

        It has what a later conversion needs besides the body: the mappings, and the headers and
        properties that they read. Values that look like a credential are left out, also in a header
        that is a table, and so are long ones.
        """
        if not message.mappings:
            return None
        headers, properties = self._mappings.used_values(message)
        context = {
            "mappings": list(message.mappings),
            "headers": _stored_values(headers),
            "properties": _stored_values(properties),
        }
        return json.dumps(context, sort_keys=True)

    def keep_removed_mappings(self, earlier: Decoder) -> None:
        """Keep the mappings of an earlier decoder that this one lacks; see `MappingSet`."""
        self._mappings.keep_removed(earlier._mappings)

    @property
    def distiller(self) -> Distiller:
        """The distiller. Raises `ConfigurationError` if there are no event definitions."""
        if self._distiller is None:
            raise ConfigurationError([f"distiller_config: {NO_DEFINITIONS}"])
        return self._distiller

    def message_time(self, message: Message) -> datetime | None:
        """Return the timestamp of a message, whether or not a definition matches it.

        With mappings, it is the latest timestamp of the message's events. None when it has no valid
        timestamp.
        """
        try:
            if message.mappings:
                events = self._mappings.convert(message, _no_time).events
                latest: datetime = max(each.event["timestamp"] for each in events)
                return latest
            if message.kind is MessageKind.NOTIFICATION:
                return notification_time(open_envelope(message.body))
            timestamp = read_object(message.body).get("timestamp")
            if isinstance(timestamp, datetime):
                return to_utc(timestamp)
            return parse_timestamp(timestamp) if isinstance(timestamp, str) else None
        except Exception:  # noqa: BLE001 - the decoding of the message reports it
            return None


def _no_time() -> datetime:
    """Refuse the time of arrival, which is no timestamp of the message itself."""
    raise InvalidEvent("timestamp", "is missing")


def _add_drops(clean: CleanEvent, drops: Sequence[TraitDrop]) -> CleanEvent:
    """Return the event with the traits that were dropped before cleaning."""
    return CleanEvent(clean.event, (*drops, *clean.drops)) if drops else clean


MAX_BODY_BYTES = 1024 * 1024

MAX_VALUE_BYTES = 16 * 1024
"""Maximum size of a header or property that is stored with a rejected message, as JSON."""

MAX_VALUES_BYTES = 256 * 1024
"""Maximum size of all headers, and of all properties, of a rejected message."""


def _stored_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers or properties to store, as values of JSON; the first ones if too many."""
    stored = {}
    size = 0
    for name, value in values.items():
        text = _to_json(value)
        if len(text) <= MAX_VALUE_BYTES:
            size += len(_to_json(name)) + len(text)
            if size > MAX_VALUES_BYTES:
                break
            stored[name] = json.loads(text)
    public: dict[str, Any] = _without_secrets(stored)
    return public


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_secrets(each)
            for name, each in value.items()
            if not is_secret_header(name)
        }
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def restored_message(rejected: RejectedMessage, datetime_traits: Sequence[str] = ()) -> Message:
    """Return the message of a rejection, to convert it again; its body must be complete."""
    context = {} if rejected.context is None else json.loads(rejected.context)
    return Message(
        rejected.body,
        MessageKind(rejected.kind),
        redelivered=True,
        datetime_traits=tuple(datetime_traits),
        headers=context.get("headers", {}),
        properties=context.get("properties", {}),
        mappings=tuple(context.get("mappings", ())),
    )


def make_rejection(
    source: str, message: Message, reason: str, context: str | None = None
) -> Rejection:
    """Return the rejection of an invalid message: up to 1 MiB of the body, length and SHA-256.

    `context` is that of `Decoder.rejection_context`.
    """
    body = _body_bytes(message)
    identity = body if context is None else b"\0".join((body, context.encode()))
    return Rejection(
        source=source,
        kind=message.kind.value,
        reason=error_text(_origin(message) + reason),
        body=body[:MAX_BODY_BYTES],
        body_length=len(body),
        digest=hashlib.sha256(identity).digest(),
        context=context,
    )


def _body_bytes(message: Message) -> bytes:
    return message.body if isinstance(message.body, bytes) else _to_json(message.body)


def _to_json(value: Any) -> bytes:
    """Return JSON with sorted keys, for any value that a source puts into a message."""
    try:
        return orjson.dumps(
            value, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS
        )
    except Exception:  # noqa: BLE001 - integers beyond 64 bits, surrogates, `repr` of a plugin's value
        return json.dumps(_writable(value)).encode()


MAX_DEPTH = 100
"""Maximum nesting of a stored value; deeper values are removed."""


def _writable(value: Any, depth: int = 0) -> Any:
    """Return a value that `json.dumps` can write, for any value that a source puts into a body."""
    match value:
        case None | bool() | float() | str():
            return value
        case int() if abs(value) < 2**1000:
            return value
        case int():  # `str` refuses integers of more than 4,300 digits
            return hex(value)
    try:
        if depth < MAX_DEPTH and isinstance(value, Mapping):
            items = value.items()
            return {str(_writable(key, depth)): _writable(each, depth + 1) for key, each in items}
        if depth < MAX_DEPTH and isinstance(value, list | tuple):
            return [_writable(each, depth + 1) for each in value]
        return repr(value)
    except Exception:  # noqa: BLE001 - methods of a plugin's value may raise
        return f"({type(value).__name__} that cannot be shown)"


def _origin(message: Message) -> str:
    return f"{message.received_from}: " if message.received_from else ""
