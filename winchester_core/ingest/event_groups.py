"""Events of one message: their times of arrival, and the outcome of the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.message import EventOutcome, EventStatus
from winchester_core.storage.records import MatchedEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def with_stamp(
    prepared: MatchedEvent | EventOutcome, stamp: datetime
) -> MatchedEvent | EventOutcome:
    """Return an event with the time to which it advances the event clock."""
    if isinstance(prepared, EventOutcome):
        return prepared
    return MatchedEvent(prepared.event, prepared.matches, stamp)


def with_group_stamp(
    group: Sequence[MatchedEvent | EventOutcome], before: datetime | None, stamp: datetime
) -> list[MatchedEvent | EventOutcome]:
    """Return the events of one message with the times to which they advance the event clock.

    As without a stamp, each advances it up to its own timestamp. `before` is the stamp of the
    message before, and `stamp` that of this message.
    """
    stamped = []
    for each in group:
        if isinstance(each, MatchedEvent):
            before = each.stamp if before is None else max(before, each.stamp)
        stamped.append(with_stamp(each, stamp if before is None else min(before, stamp)))
    return stamped


def merge_outcomes(
    outcomes: Sequence[EventOutcome], numbers: Sequence[int]
) -> tuple[EventOutcome, ...]:
    """Return one outcome per message, of the outcomes of its events (at least one, in order).

    A message is invalid if one of its events is, else stored if one of them is.
    """
    remaining = iter(outcomes)
    return tuple(_merged([next(remaining) for _ in range(number)]) for number in numbers)


def _merged(outcomes: Sequence[EventOutcome]) -> EventOutcome:
    if len(outcomes) == 1:
        return outcomes[0]
    for index, each in enumerate(outcomes):
        if each.status is EventStatus.INVALID:
            reason = f"event {index} of {len(outcomes)}, counted from 0: {each.reason}"
            return EventOutcome(EventStatus.INVALID, each.message_id, reason)
    stored = (each for each in outcomes if each.status is EventStatus.STORED)
    return next(stored, outcomes[0])
