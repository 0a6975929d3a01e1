"""Progress of a stream towards firing or expiring. Pure: the current time is a parameter.

All times are aware UTC stream time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.stream import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(slots=True)
class StreamProgress:
    """The state that determines when a stream fires or expires.

    `counts` contains the number of matching events for each fire criterion in order, up to the
    number that it needs. `fire_timestamp` is set when all criteria are met, and never changes.
    `fingerprint` identifies the trigger definition that was used for counting.
    """

    first_event: datetime
    last_event: datetime
    expire_timestamp: datetime
    fire_timestamp: datetime | None
    event_count: int
    counts: list[int]
    fingerprint: str


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
    if stream.fire_timestamp is None and (
        count_event(definition, stream.counts, event) or not stream.counts
    ):
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
        stream.fire_timestamp = _delayed(now, definition)


def criteria_met(definition: TriggerDefinition, counts: list[int]) -> bool:
    """Return whether every fire criterion has its number of events."""
    return all(
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


def accepts_events(stream: StreamProgress, now: datetime) -> bool:
    """Return whether an open stream accepts an event that arrives `now`."""
    return now < stream.expire_timestamp


def due_reason(stream: StreamProgress, now: datetime) -> Reason | None:
    """Return the reason why an active stream is due at `now`, or None."""
    if stream.fire_timestamp is not None:
        return Reason.FIRE if stream.fire_timestamp <= now else None
    return Reason.EXPIRE if stream.expire_timestamp <= now else None


def recalculate(
    definition: TriggerDefinition,
    stream: StreamProgress,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Recalculate the progress for a changed definition. `events` are the stream's members.

    If the fire time is set, it does not change.
    """
    stream.counts = [0] * len(definition.fire_criteria)
    for event in events:
        count_event(definition, stream.counts, event)
    stream.fingerprint = definition.fingerprint
    stream.expire_timestamp = compute_expire_time(definition, stream, now)
    update_fire_time(definition, stream, now)


def _delayed(now: datetime, definition: TriggerDefinition) -> datetime:
    try:
        return now + definition.fire_delay
    except OverflowError:
        return now.max.replace(tzinfo=now.tzinfo)


class RecalculationEffect(StrEnum):
    """Effect of a recalculation on a stream."""

    FIRES_AT_ONCE = "fires at once"
    FIRES_LATER = "fires later"
    EXPIRES_AT_ONCE = "expires at once"
    EXPIRES_EARLIER = "expires earlier"
    EXPIRES_LATER = "expires later"
    FIRE_TIME_UNCHANGED = "keeps its fire time"
    TIMES_UNCHANGED = "is recalculated, times unchanged"


@dataclass(frozen=True, slots=True)
class RecalculationPreview:
    """A stream's progress before and after a recalculation, at the same stream time."""

    before: StreamProgress
    after: StreamProgress
    effect: RecalculationEffect


def preview_recalculation(
    definition: TriggerDefinition,
    stream: StreamProgress,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> RecalculationPreview:
    """Return the effect of `recalculate`, without changing `stream`."""
    after = replace(stream, counts=list(stream.counts))
    recalculate(definition, after, events, now)
    return RecalculationPreview(stream, after, _recalculation_effect(stream, after, now))


def _recalculation_effect(
    before: StreamProgress, after: StreamProgress, now: datetime
) -> RecalculationEffect:
    if before.fire_timestamp is not None:
        return RecalculationEffect.FIRE_TIME_UNCHANGED
    if after.fire_timestamp is not None:
        return (
            RecalculationEffect.FIRES_AT_ONCE
            if after.fire_timestamp <= now
            else RecalculationEffect.FIRES_LATER
        )
    if after.expire_timestamp > before.expire_timestamp:
        return RecalculationEffect.EXPIRES_LATER
    if after.expire_timestamp == before.expire_timestamp:
        return RecalculationEffect.TIMES_UNCHANGED
    at_once = after.expire_timestamp <= now < before.expire_timestamp
    return RecalculationEffect.EXPIRES_AT_ONCE if at_once else RecalculationEffect.EXPIRES_EARLIER
