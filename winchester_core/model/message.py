"""Messages of event sources, and the outcome of ingesting one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class MessageKind(StrEnum):
    """Format of the body of a message."""

    EVENT = "event"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Message:
    """Message of a source.

    `body` is the raw bytes (JSON) or a mapping. `token` identifies the message for the source, in
    `ack`, `release` and `reject`. `headers` are the headers that the sender set, `properties` what
    the broker knows of the message, such as topic and key. `received_from` is the origin for logs
    and errors (file and line, queue).

    `mappings` names the mappings that make events of the body, in the order in which they are
    tried; without any, the body is an event or a notification, as `kind` says.

    `datetime_traits` names traits with ISO 8601 texts that are datetimes. If the source finds that
    the message is invalid, it sets `fault` to the reason, and the message is rejected.

    If `keep_invalid` is set, an invalid message is stored as a rejected message even if its source
    `replies_to_sender`, because this sender cannot correct it.
    """

    body: bytes | Mapping[str, Any]
    kind: MessageKind
    token: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    received_from: str = ""
    datetime_traits: tuple[str, ...] = ()
    fault: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    mappings: tuple[str, ...] = ()
    keep_invalid: bool = False


class EventStatus(StrEnum):
    """Status of an ingested event, notification or message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """Outcome of an event, notification or message.

    `reason` is why it was not stored. `message_id` is None if it is unknown.
    """

    status: EventStatus
    message_id: str | None = None
    reason: str | None = None
