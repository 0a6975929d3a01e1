"""Events and notifications for tests: complete with what the test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from winchester_core.model.event import clean_event
from winchester_core.testing.clock import DEFAULT_START

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.event import Event

MINUTE = timedelta(minutes=1)


def make_event(
    event_type: str = "test.event",
    /,
    *,
    message_id: str | None = None,
    timestamp: datetime = DEFAULT_START,
    **traits: Any,
) -> Event:
    """An event as handlers and conditions are given it: cleaned, times aware UTC.

    Without a `message_id` it gets a new one: two calls make two events. A naive `timestamp` is
    UTC. Raises `InvalidEvent` for an event that would not be stored, `ValueError` for a trait
    that would be dropped.
    """
    raw = {
        "message_id": str(uuid4()) if message_id is None else message_id,
        "event_type": event_type,
        "timestamp": timestamp,
        **traits,
    }
    clean = clean_event(raw)
    for drop in clean.drops:
        raise ValueError(f"trait {drop.trait!r} would be dropped: {drop.reason}")
    return clean.event


def make_stream_events(
    *event_types: str,
    start: datetime = DEFAULT_START,
    step: timedelta = MINUTE,
    **traits: Any,
) -> list[Event]:
    """The events of a stream in their order: one of each type, `step` apart, from `start` on.

    All have `traits`, among them what distinguishes the stream. Raises as `make_event`.
    """
    return [
        make_event(event_type, timestamp=start + number * step, **traits)
        for number, event_type in enumerate(event_types)
    ]


def make_notification(
    event_type: str = "test.event",
    /,
    payload: Mapping[str, Any] | None = None,
    *,
    message_id: str | None = None,
    timestamp: datetime = DEFAULT_START,
    **more: Any,
) -> dict[str, Any]:
    """A notification as OpenStack's services send it, without oslo.messaging's envelope.

    `timestamp` (a naive one is UTC) becomes text, as there. `more` are further keys, such as
    `_context_request_id`, or others than the usual `publisher_id` and `priority`.
    """
    utc = timestamp.replace(tzinfo=timestamp.tzinfo or UTC).astimezone(UTC)
    return {
        "message_id": str(uuid4()) if message_id is None else message_id,
        "event_type": event_type,
        "timestamp": f"{utc.replace(tzinfo=None).isoformat(' ', 'microseconds')}",
        "publisher_id": "test.host",
        "priority": "INFO",
        "payload": dict(payload or {}),
        **more,
    }
