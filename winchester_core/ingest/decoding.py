"""From the message of a source to an event, clean and ready to be matched."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.distill import notification_time, open_envelope
from winchester_core.errors import ConfigurationError, InvalidEvent
from winchester_core.model.event import CleanEvent, clean_event, parse_timestamp, to_utc
from winchester_core.model.json import read_event, read_object
from winchester_core.model.message import MessageKind
from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.distill import Distiller
    from winchester_core.model.event import TraitDrop
    from winchester_core.model.message import Message


class NoDefinition(Exception):  # noqa: N818 - an outcome, not a fault
    """No definition covers this notification: it is dropped."""

    def __init__(self, event_type: str, message_id: str | None) -> None:
        self.event_type, self.message_id = event_type, message_id
        super().__init__(f"no event definition covers {event_type!r}")


class Decoder:
    """Reads messages, notifications and events. Safe to share between threads."""

    def __init__(self, distiller: Distiller | None) -> None:
        self._distiller = distiller

    def message(self, message: Message) -> CleanEvent:
        """The event of a source's message.

        Raises `InvalidEvent`; `NoDefinition` for a notification that no definition covers.
        """
        if message.fault is not None:
            raise InvalidEvent("", message.fault)
        if message.kind is MessageKind.NOTIFICATION:
            return self.notification(message.body)
        document = read_object(message.body)
        event, drops = read_event(document, message.datetime_traits)
        return _add_drops(clean_event(event), drops)

    def notification(self, body: bytes | Mapping[str, Any]) -> CleanEvent:
        """The event of a notification, bare or in its envelope.

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

    @property
    def has_definitions(self) -> bool:
        """Whether notifications can be read."""
        return self._distiller is not None

    @property
    def distiller(self) -> Distiller:
        """The distiller. Raises `ConfigurationError` when none is configured."""
        if self._distiller is None:
            raise ConfigurationError(
                ["distiller_config: no event definitions are configured for notifications"]
            )
        return self._distiller

    def message_time(self, message: Message) -> datetime | None:
        """When a message says it happened, covered by a definition or not; None if it does not."""
        try:
            if message.kind is MessageKind.NOTIFICATION:
                return notification_time(open_envelope(message.body))
            moment = read_object(message.body).get("timestamp")
            if isinstance(moment, datetime):
                return to_utc(moment)
            return parse_timestamp(moment) if isinstance(moment, str) else None
        except (InvalidEvent, ValueError):
            return None


def _add_drops(clean: CleanEvent, drops: Sequence[TraitDrop]) -> CleanEvent:
    """The event, with what it had lost before it was cleaned."""
    return CleanEvent(clean.event, (*drops, *clean.drops)) if drops else clean


# What is kept of a message that could not become an event.


MAX_BODY_BYTES = 1024 * 1024


def make_rejection(source: str, message: Message, reason: str) -> Rejection:
    """The record of a bad message: at most 1 MiB of its body, full length and SHA-256."""
    body = _body_bytes(message)
    return Rejection(
        source=source,
        kind=message.kind.value,
        reason=_origin(message) + reason,
        body=body[:MAX_BODY_BYTES],
        body_length=len(body),
        digest=hashlib.sha256(body).digest(),
    )


def _body_bytes(message: Message) -> bytes:
    if isinstance(message.body, bytes):
        return message.body
    try:
        return orjson.dumps(
            message.body, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS
        )
    except TypeError:  # an integer beyond 64 bits, a lone surrogate: JSON, but not to orjson
        return json.dumps(message.body, default=repr).encode()


def _origin(message: Message) -> str:
    return f"{message.received_from}: " if message.received_from else ""
