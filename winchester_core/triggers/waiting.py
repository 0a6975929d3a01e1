"""Events that wait for an event that opens a stream of their group. Pure.

They wait in a holding stream, which has not begun. In a begun stream, `waiting` are the members
that wait on if the stream ends: all of them if it is cancelled, otherwise those that cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from winchester_core.criteria import MatchRole
from winchester_core.triggers import counting
from winchester_core.triggers.details import WaitingEvent, microseconds
from winchester_core.triggers.pending_stream import Member, PendingStream
from winchester_core.triggers.progress import StreamProgress
from winchester_core.triggers.windows import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.details import ProgressDetails
    from winchester_core.triggers.grouping import Group

MAX_WAITING: Final = 1_000
"""Maximum number of events that wait in a group."""

UNLINK_BATCH: Final = 100
"""Number of members of a holding stream whose wait has ended before they are unlinked."""

Wait: TypeAlias = tuple[Member, WaitingEvent]
"""A member and its wait; the deadline is microseconds since 1970."""


def start_wait(definition: TriggerDefinition, now: datetime, role: MatchRole) -> WaitingEvent:
    """Return the wait of an event that arrives `now`; the deadline is microseconds since 1970."""
    deadline = microseconds(now) + definition.lateness // MICROSECOND
    return WaitingEvent(0, deadline, role is MatchRole.CANCELS)


def make_holding(definition: TriggerDefinition, group: Group, timestamp: datetime) -> PendingStream:
    """Return a holding stream without members. Its times are not used."""
    details = counting.start_details(definition, timestamp)
    details.is_holding = True
    progress = StreamProgress(
        first_event=timestamp,
        last_event=timestamp,
        expire_timestamp=timestamp,
        fire_timestamp=None,
        event_count=0,
        counts=[],
        fingerprint=definition.fingerprint,
        details=details,
    )
    return PendingStream(definition, group, progress, members=[])


def hold(stream: PendingStream, waits: Sequence[Wait]) -> int:
    """Add members to a holding stream; return how many were dropped."""
    details = counting.ensure_details(stream.progress)
    for member, wait in waits:
        stream.append(member.reference, member.event)
        stream.progress.event_count += 1
        _add(stream, details, wait)
    dropped = _limit(details)
    latest = max(each.deadline for each in details.waiting)
    stream.progress.expire_timestamp = details.time(latest)
    return dropped


def note(stream: PendingStream, wait: WaitingEvent) -> int:
    """Note that the last member of a begun stream waits on if it ends; return how many dropped."""
    details = counting.ensure_details(stream.progress)
    _add(stream, details, wait)
    return _limit(details)


def _add(stream: PendingStream, details: ProgressDetails, wait: WaitingEvent) -> None:
    position, deadline = stream.progress.event_count, wait.deadline - details.origin
    details.waiting.append(WaitingEvent(position, deadline, wait.cancels))


def _limit(details: ProgressDetails) -> int:
    dropped = max(0, len(details.waiting) - MAX_WAITING)
    del details.waiting[:dropped]
    return dropped


def take(
    stream: PendingStream, members: Callable[[], Sequence[Member]], *, only_cancelling: bool
) -> list[Wait]:
    """Remove and return the waits of a stream that ends.

    A member that upkeep has unlinked, because it is too old (`keep`), does not wait any more.
    """
    details = stream.progress.details
    if details is None:
        return []
    waiting = [each for each in details.waiting if each.cancels or not only_cancelling]
    details.waiting = []
    if not waiting:
        return []
    by_position = {each.position: each for each in members()}
    return [
        (by_position[each.position], each._replace(deadline=each.deadline + details.origin))
        for each in waiting
        if each.position in by_position
    ]


def remove_ended(stream: PendingStream, now: datetime) -> bool:
    """Remove the waits that have ended; return whether there were any."""
    details = stream.progress.details
    if details is None or not details.waiting:
        return False
    moment, before = details.offset(now), len(details.waiting)
    if any(each.deadline <= moment for each in details.waiting):
        details.waiting = [each for each in details.waiting if each.deadline > moment]
    if stream.is_holding and details.waiting:
        first = details.waiting[0].position
        if first - details.first_linked >= UNLINK_BATCH:
            details.first_linked = stream.unlink_before = first
    return len(details.waiting) < before
