"""How an event moves a stream towards firing or expiring. Pure: every "now" is given.

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
    """What decides when a stream fires or expires.

    `counts` holds, for each fire criterion in order, how many events met it, up to its number.
    `fire_timestamp` is set once all are met, and never moves. `fingerprint` is that of the
    trigger by whose rules this was counted.
    """

    first_event: datetime
    last_event: datetime
    expire_timestamp: datetime
    fire_timestamp: datetime | None
    event_count: int
    counts: list[int]
    fingerprint: str


def start(definition: TriggerDefinition, event: Mapping[str, Any], now: datetime) -> StreamProgress:
    """The facts of a stream that opens with `event`."""
    moment = event["timestamp"]
    facts = StreamProgress(
        first_event=moment,
        last_event=moment,
        expire_timestamp=moment,
        fire_timestamp=None,
        event_count=0,
        counts=[0] * len(definition.fire_criteria),
        fingerprint=definition.fingerprint,
    )
    add_event(definition, facts, event, now)
    return facts


def add_event(
    definition: TriggerDefinition, facts: StreamProgress, event: Mapping[str, Any], now: datetime
) -> None:
    """Add `event` to the stream: its count, its times, its progress. Constant cost."""
    moment = event["timestamp"]
    facts.event_count += 1
    if moment < facts.first_event:
        facts.first_event = moment
    if moment > facts.last_event:
        facts.last_event = moment
    facts.expire_timestamp = compute_expire_time(definition, facts, now)
    # what counts for nothing decides nothing: most events do
    if facts.fire_timestamp is None and (
        count_event(definition, facts.counts, event) or not facts.counts
    ):
        update_fire_time(definition, facts, now)


def count_event(definition: TriggerDefinition, counts: list[int], event: Mapping[str, Any]) -> bool:
    """Count `event` for each fire criterion that it meets and that still wants events.

    Tell whether there was one.
    """
    counted = False
    for index, criterion in enumerate(definition.fire_criteria):
        if counts[index] < criterion.number and criterion.matches(event):
            counts[index] += 1
            counted = True
    return counted


def update_fire_time(definition: TriggerDefinition, facts: StreamProgress, now: datetime) -> None:
    """Set the fire time when every criterion has been met and none was set before."""
    if facts.fire_timestamp is None and criteria_met(definition, facts.counts):
        facts.fire_timestamp = _delayed(now, definition)


def criteria_met(definition: TriggerDefinition, counts: list[int]) -> bool:
    """Tell whether every fire criterion has its number of events."""
    return all(
        counted >= criterion.number
        for counted, criterion in zip(counts, definition.fire_criteria, strict=True)
    )


def compute_expire_time(
    definition: TriggerDefinition, facts: StreamProgress, now: datetime
) -> datetime:
    """When the stream expires; a result outside the years 1000-9999 is clamped to them."""
    variables = {"first": facts.first_event, "last": facts.last_event, "timestamp": now}
    try:
        return definition.expiration.begin(variables)
    except TimeEvaluationError as error:
        if error.clamp is None:
            raise
        return error.clamp


def accepts_events(facts: StreamProgress, now: datetime) -> bool:
    """Tell whether an open stream still takes an event that arrives `now`."""
    return now < facts.expire_timestamp


def due_reason(facts: StreamProgress, now: datetime) -> Reason | None:
    """What an active stream is ready for at `now`, if anything."""
    if facts.fire_timestamp is not None:
        return Reason.FIRE if facts.fire_timestamp <= now else None
    return Reason.EXPIRE if facts.expire_timestamp <= now else None


def recalculate(
    definition: TriggerDefinition,
    facts: StreamProgress,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Bring a stream that was counted by other rules up to date; `events` are its members.

    A fire time that was set stays: it is never moved.
    """
    facts.counts = [0] * len(definition.fire_criteria)
    for event in events:
        count_event(definition, facts.counts, event)
    facts.fingerprint = definition.fingerprint
    facts.expire_timestamp = compute_expire_time(definition, facts, now)
    update_fire_time(definition, facts, now)


def _delayed(now: datetime, definition: TriggerDefinition) -> datetime:
    try:
        return now + definition.fire_delay
    except OverflowError:
        return now.max.replace(tzinfo=now.tzinfo)


class RecalculationEffect(StrEnum):
    """What being counted by other rules comes to, for a stream."""

    FIRES_AT_ONCE = "fires at once"
    FIRES_LATER = "fires later"
    EXPIRES_AT_ONCE = "expires at once"
    EXPIRES_EARLIER = "expires earlier"
    EXPIRES_LATER = "expires later"
    FIRE_TIME_UNCHANGED = "fires when it was to fire"
    TIMES_UNCHANGED = "is counted anew, with the same times"


@dataclass(frozen=True, slots=True)
class RecalculationPreview:
    """A stream as it was and as it will be, at the same stream time."""

    before: StreamProgress
    after: StreamProgress
    effect: RecalculationEffect


def preview_recalculation(
    definition: TriggerDefinition,
    facts: StreamProgress,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> RecalculationPreview:
    """What `progress.recount` will do to a stream with these members, which stays as it is."""
    after = replace(facts, counts=list(facts.counts))
    recalculate(definition, after, events, now)
    return RecalculationPreview(facts, after, _recalculation_effect(facts, after, now))


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
