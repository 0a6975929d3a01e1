"""Progress of a stream of a plain trigger towards firing or expiring, and the times of any stream.

Pure: the current time is a parameter. All times are aware UTC stream time. A trigger is plain if
the numbers of events are the whole progress; see `counting` for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.stream import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.details import ProgressDetails


@dataclass(slots=True)
class StreamProgress:
    """The state that determines when a stream fires or expires.

    `counts` contains the number of matching events for each fire criterion in order, up to the
    number that it needs. `fire_timestamp` is set when all criteria are met. Only an event that
    cancels changes it afterwards. `fingerprint` identifies the trigger definition that was used for
    counting. `details` replaces `counts` for triggers that are not plain (see `counting`).
    """

    first_event: datetime
    last_event: datetime
    expire_timestamp: datetime
    fire_timestamp: datetime | None
    event_count: int
    counts: list[int]
    fingerprint: str
    details: ProgressDetails | None = None


def start(definition: TriggerDefinition, event: Mapping[str, Any], now: datetime) -> StreamProgress:
    """Return the progress of a stream that opens with `event`."""
    timestamp = event["timestamp"]
    stream = StreamProgress(
        first_event=timestamp,
        last_event=timestamp,
        expire_timestamp=timestamp,
        fire_timestamp=None,
        event_count=0,
        counts=[0] * len(definition.fire_criteria),
        fingerprint=definition.fingerprint,
    )
    add_event(definition, stream, event, now)
    return stream


def add_event(
    definition: TriggerDefinition, stream: StreamProgress, event: Mapping[str, Any], now: datetime
) -> None:
    """Update the progress for one more event, in constant time."""
    timestamp = event["timestamp"]
    stream.event_count += 1
    if timestamp < stream.first_event:
        stream.first_event = timestamp
    if timestamp > stream.last_event:
        stream.last_event = timestamp
    stream.expire_timestamp = compute_expire_time(definition, stream, now)
    # most events match no fire criterion, so they cannot change the fire time
    if stream.fire_timestamp is None and count_event(definition, stream.counts, event):
        update_fire_time(definition, stream, now)


def count_event(definition: TriggerDefinition, counts: list[int], event: Mapping[str, Any]) -> bool:
    """Count `event` for each matching fire criterion that is not met yet.

    Return whether there was such a criterion.
    """
    counted = False
    for index, criterion in enumerate(definition.fire_criteria):
        if counts[index] < criterion.number and criterion.matches(event):
            counts[index] += 1
            counted = True
    return counted


def update_fire_time(definition: TriggerDefinition, stream: StreamProgress, now: datetime) -> None:
    """Set the fire time if all criteria are met and it is not set yet."""
    if stream.fire_timestamp is None and criteria_met(definition, stream.counts):
        stream.fire_timestamp = delayed(now, definition)


def criteria_met(definition: TriggerDefinition, counts: list[int]) -> bool:
    """Return whether there are fire criteria, and each has its number of events."""
    return bool(counts) and all(
        counted >= criterion.number
        for counted, criterion in zip(counts, definition.fire_criteria, strict=True)
    )


def compute_expire_time(
    definition: TriggerDefinition, stream: StreamProgress, now: datetime
) -> datetime:
    """Return the stream's expire time, clamped to the years 1000-9999."""
    variables = {"first": stream.first_event, "last": stream.last_event, "timestamp": now}
    try:
        return definition.expiration.begin(variables)
    except TimeEvaluationError as error:
        if error.clamp is None:
            raise
        return error.clamp


def accepts_events(definition: TriggerDefinition, stream: StreamProgress, now: datetime) -> bool:
    """Return whether an open stream accepts an event that arrives `now`.

    If events can cancel it, it does so until its fire time, also after its expire time.
    """
    return now < stream.expire_timestamp or (
        bool(definition.cancel_criteria)
        and stream.fire_timestamp is not None
        and now < stream.fire_timestamp
    )


def due_reason(stream: StreamProgress, now: datetime) -> Reason | None:
    """Return the reason why an active stream is due at `now`, or None."""
    if stream.fire_timestamp is not None:
        return Reason.FIRE if stream.fire_timestamp <= now else None
    return Reason.EXPIRE if stream.expire_timestamp <= now else None


def delayed(now: datetime, definition: TriggerDefinition) -> datetime:
    """Return the fire time of a stream whose criteria are met `now`, at most the year 9999."""
    try:
        return now + definition.fire_delay
    except OverflowError:
        return now.max.replace(tzinfo=now.tzinfo)
