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

    `body` is the raw bytes (JSON) or a mapping; `token` belongs to the source, which receives it
    again in `ack`, `release` and `reject`; `headers` are the broker's. `received_from` is the
    origin for logs and errors (file and line, queue).

    `datetime_traits` names the traits of an event whose ISO 8601 texts are datetimes. `fault` is
    set by a source that finds the message invalid: the reason for which it is rejected.
    """

    body: bytes | Mapping[str, Any]
    kind: MessageKind
    token: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    received_from: str = ""
    datetime_traits: tuple[str, ...] = ()
    fault: str | None = None


class EventStatus(StrEnum):
    """Status of an ingested event, notification or message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """Outcome of an event, notification or message.

    `reason` is why it was not stored; `message_id` is None if unknown.
    """

    status: EventStatus
    message_id: str | None = None
    reason: str | None = None
