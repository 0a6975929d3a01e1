"""What became of one event, notification or message that was handed in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
