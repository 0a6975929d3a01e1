"""What `deliver` of a handler is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect that is to be delivered.

    `id` is what `env["outbox"].put` returned, the same at every attempt: let the receiver refuse
    it a second time. `payload` is what was put, as a copy; datetimes are aware UTC. `stream_name`
    is the trigger's name, `handler` the entry's name in `pipelines.yaml`. `attempt` counts from 1.
    `created_at` is the database server's time, aware UTC.
    """

    id: str
    payload: Any
    stream_id: int
    stream_name: str
    pipeline: str
    handler: str
    attempt: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outside has it: the effect is forgotten."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Not now. `seconds` (default: the worker's own backoff) is the wait before the next try.

    Raises `TypeError` or `ValueError` when `seconds` is no finite number of at least 0, or
    `reason` is no text.
    """

    seconds: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.reason is not None:
            _check_text(self.reason)
        number = self.seconds
        if number is None:
            return
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"seconds must be a number, not {type(number).__name__}")
        if not isfinite(number) or number < 0:
            raise ValueError(f"seconds must be finite and at least 0, not {number}")


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: another try would be refused too. The effect becomes a dead letter.

    Raises `TypeError` when `reason` is no text.
    """

    reason: str

    def __post_init__(self) -> None:
        _check_text(self.reason)


def _check_text(reason: object) -> None:
    if not isinstance(reason, str):
        raise TypeError(f"reason must be text, not {type(reason).__name__}")


DeliveryOutcome: TypeAlias = Delivered | RetryAfter | Refused
"""What became of one effect."""
