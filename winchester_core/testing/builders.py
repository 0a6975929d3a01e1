"""Test data: events, notifications, effects, `env`, and a clock, with defaults for all values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from winchester_core.interfaces import Effect
from winchester_core.model.event import clean_event
from winchester_core.model.json import dump_payload, load_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.event import Event


DEFAULT_START = datetime(2024, 1, 1, tzinfo=UTC)


class FakeClock:
    """A `Clock` that a test controls. Its time is `start` (aware) until the test changes it."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        """Return the time that was last set, aware UTC."""
        return self._now

    def advance(self, step: timedelta) -> datetime:
        """Advance the time by `step`, which may be negative; return the new time."""
        self._now += step
        return self._now

    def set(self, moment: datetime) -> None:
        """Set the time to `moment`, an aware datetime."""
        self._now = _utc(moment)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a clock's time needs a time zone")
    return moment.astimezone(UTC)


MINUTE = timedelta(minutes=1)


def make_event(
    event_type: str = "test.event",
    /,
    *,
    message_id: str | None = None,
    timestamp: datetime = DEFAULT_START,
    **traits: Any,
) -> Event:
    """Return an event in the form that handlers and conditions get: cleaned, times in aware UTC.

    The default `message_id` is unique. A naive `timestamp` is in UTC. Raises `InvalidEvent` if the
    event would not be stored, or `ValueError` if a trait would be dropped.
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
    """Return the events of a stream in order: one of each type, `step` apart, beginning at `start`.

    All events have the traits `traits`, including the distinguishing traits. Raises the same errors
    as `make_event`.
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
    """Return a notification in the form of OpenStack services, without oslo.messaging's envelope.

    `timestamp` becomes text; if it is naive, it is in UTC. `more` contains further keys, such as
    `_context_request_id`, or replaces `publisher_id` and `priority`.
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


class RecordingOutbox:
    """An outbox that records payloads and the names of their receivers (or None) in order.

    `payloads` has the form that `deliver` would get.
    """

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self.receivers: list[str | None] = []

    def put(self, payload: Any, *, receiver: str | None = None) -> str:
        """Record a payload; return the effect's id. Raises `UnstorablePayload`."""
        self.payloads.append(load_payload(dump_payload(payload)))
        self.receivers.append(receiver)
        return str(uuid4())


def make_env(**changes: Any) -> dict[str, Any]:
    """Return the `env` of a first run, with a `RecordingOutbox`; `changes` replace or add keys."""
    return {
        "stream_id": 1,
        "stream_name": "test_trigger",
        "distinguished_by": {},
        "reason": "fire",
        "attempt": 1,
        "stream_time": DEFAULT_START,
        "stream_url": None,
        "outbox": RecordingOutbox(),
    } | changes


def make_effect(
    payload: Any,
    *,
    id: str | None = None,  # noqa: A002 - the field's name
    stream_id: int = 1,
    stream_name: str = "test_trigger",
    pipeline: str = "test_pipeline",
    handler: str = "test_handler",
    attempt: int = 1,
    created_at: datetime = DEFAULT_START,
) -> Effect:
    """Return an effect in the form that `deliver` gets. Raises `UnstorablePayload`."""
    return Effect(
        id=str(uuid4()) if id is None else id,
        payload=load_payload(dump_payload(payload)),
        stream_id=stream_id,
        stream_name=stream_name,
        pipeline=pipeline,
        handler=handler,
        attempt=attempt,
        created_at=created_at,
    )
