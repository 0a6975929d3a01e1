"""What an event source hands over, and what becomes of it when it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class MessageKind(StrEnum):
    """How the body of a message is to be read."""

    EVENT = "event"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a source.

    `body` is the raw bytes (JSON) or a mapping already read; `token` is the source's own, and
    comes back to it in `ack`, `release` and `reject`; `headers` are those of the broker.
    `received_from` tells a person where the message lay (file and line, queue).

    `datetime_traits` names the traits of an event whose ISO 8601 texts are datetimes. A `fault`
    is what the source itself found wrong with the message, in words: it is rejected for that.
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
    """The four ways it can go."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of one; `reason` says why it was not stored, `message_id` is None if unknown."""

    status: EventStatus
    message_id: str | None = None
    reason: str | None = None
