"""Recalculation of a stream's progress after a change of its trigger, and its preview. Pure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from winchester_core.model.stream import Decision
from winchester_core.triggers import counting, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import StreamProgress


def recalculate(
    definition: TriggerDefinition,
    stream: StreamProgress,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Recalculate the progress for a changed definition.

    `events` are the stream's members, in order of arrival. If the fire time is set, it does not
    change.
    """
    if not definition.is_plain or stream.details is not None:
        counting.recount(definition, stream, events, now)
        if definition.cancel_criteria and stream.details is not None:
            # as for a counted event, so that an event that cancels later does not move the times
            stream.details.counted_at = stream.details.offset(now)
        if definition.is_plain:
            _use_counts(stream)
        return
    stream.counts = [0] * len(definition.fire_criteria)
    for event in events:
        progress.count_event(definition, stream.counts, event)
    stream.fingerprint = definition.fingerprint
    stream.expire_timestamp = progress.compute_expire_time(definition, stream, now)
    progress.update_fire_time(definition, stream, now)


def _use_counts(stream: StreamProgress) -> None:
    """Drop the details of a stream if its trigger has become plain and they are not needed."""
    details = stream.details
    if details is not None and details.cancelled_until is None and not details.waiting:
        stream.counts = [each for each in details.totals if isinstance(each, int)]
        stream.details = None


class RecalculationEffect(StrEnum):
    """Effect of a recalculation on a stream."""

    FIRES_AT_ONCE = "fires at once"
    FIRES_LATER = "fires later"
    EXPIRES_AT_ONCE = "expires at once"
    EXPIRES_EARLIER = "expires earlier"
    EXPIRES_LATER = "expires later"
    FIRE_TIME_UNCHANGED = "keeps its fire time"
    SUPPRESSED = "is suppressed and does not fire"
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
    decision: Decision | None = None,
) -> RecalculationPreview:
    """Return the effect of `recalculate`, without changing `stream`.

    `decision` is the stored one of the stream. No recalculation changes it.
    """
    after = replace(stream, counts=list(stream.counts), details=deepcopy(stream.details))
    recalculate(definition, after, events, now)
    effect = (
        RecalculationEffect.SUPPRESSED
        if decision is Decision.SUPPRESSED
        else _recalculation_effect(stream, after, now)
    )
    return RecalculationPreview(stream, after, effect)


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
