"""Selection of the members of a stream that count, in any order of arrival. Pure.

Invariants:

1. `first_event` is the earliest member that opens and is newer than `cancelled_until`. Until an
   event cancels, and with `keep`, it never becomes later.
2. A member counts if it is newer than `cancelled_until`, opens or is not older than `first_event`,
   and, with `keep`, is not older by more than this than the newest member that satisfies a fire
   criterion. No other member changes the progress or the times.
3. The progress depends on the counted members, not on the order in which they arrived. An event is
   added to it if this gives the same progress; otherwise all members are counted again: if the
   event is older than the recent events (see `windows`), if it opens and other members count
   because of it, or if it cancels and leaves members that open.
4. Only an event that cancels, before the fire time, takes a fire time away.

`Members` is a function, because members are read from the database only if they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from winchester_core.criteria import MatchRole
from winchester_core.triggers import progress
from winchester_core.triggers.details import ProgressDetails, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.criteria import Criterion
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import StreamProgress

Members: TypeAlias = Callable[[], Sequence["Mapping[str, Any]"]]
"""Returns all members of a stream in order of arrival, with the event that is being added."""


class Change(Enum):
    """Change of a stream's progress by an event."""

    ADDED = "added"
    """The event was added, whether it counts or not."""

    RECOUNTED = "recounted"
    """All members were counted again."""

    CANCELLED = "cancelled"
    """The event cancelled the stream."""


def start(definition: TriggerDefinition, event: Mapping[str, Any], now: datetime) -> StreamProgress:
    """Return the progress of a stream that opens with `event`."""
    timestamp = event["timestamp"]
    stream = progress.StreamProgress(
        first_event=timestamp,
        last_event=timestamp,
        expire_timestamp=timestamp,
        fire_timestamp=None,
        event_count=0,
        counts=[],
        fingerprint=definition.fingerprint,
        details=start_details(definition, timestamp),
    )
    add_event(definition, stream, event, now, MatchRole.OPENS, lambda: [event])
    return stream


def start_details(definition: TriggerDefinition, timestamp: datetime) -> ProgressDetails:
    """Return the details of a stream without members."""
    rules = definition.window_rules
    return ProgressDetails(
        microseconds(timestamp),
        list(rules.initial_totals),
        rules.start() if rules.indexes else None,
    )


def ensure_details(stream: StreamProgress) -> ProgressDetails:
    """Return the details of a stream; make them if its trigger needed only numbers before."""
    details = stream.details
    if details is None:
        details = ProgressDetails(microseconds(stream.first_event), list(stream.counts))
        stream.details, stream.counts = details, []
    return details


def add_event(
    definition: TriggerDefinition,
    stream: StreamProgress,
    event: Mapping[str, Any],
    now: datetime,
    role: MatchRole,
    members: Members,
) -> Change:
    """Add a member that does not cancel. Return `ADDED` or `RECOUNTED`."""
    timestamp = event["timestamp"]
    details, offset = _join(definition, stream, timestamp)
    if details.cancelled_until is not None and offset <= details.cancelled_until:
        return Change.ADDED
    if definition.cancel_criteria and not (
        role is MatchRole.JOINS and timestamp < stream.first_event
    ):
        details.counted_at = details.offset(now)
    if role is MatchRole.OPENS:
        if not definition.every_event_opens:
            details.latest_opening = max(_latest_opening(stream, details), offset)
        if timestamp < stream.first_event:
            if details.latest_early is not None and details.latest_early >= offset:
                recount(definition, stream, members(), now)
                return Change.RECOUNTED
            stream.first_event = timestamp
    elif timestamp < stream.first_event:
        details.latest_early = _later(details.latest_early, offset)
        return Change.ADDED
    if timestamp > stream.last_event:
        stream.last_event = timestamp
    stream.expire_timestamp = progress.compute_expire_time(definition, stream, now)
    is_decided = stream.fire_timestamp is not None
    if is_decided and definition.keep is None:
        return Change.ADDED
    met = _count(definition, details, event, offset)
    if met is None:
        recount(definition, stream, members(), now)
        return Change.RECOUNTED
    if met and not is_decided:
        stream.fire_timestamp = progress.delayed(now, definition)
    return Change.ADDED


def cancel(
    definition: TriggerDefinition,
    stream: StreamProgress,
    event: Mapping[str, Any],
    now: datetime,
    members: Members,
) -> Change:
    """Add a member that cancels. Return the effect: `CANCELLED`, `RECOUNTED` or `ADDED` (none).

    A cancelled stream fires at once; the caller stores the decision that it was cancelled.
    """
    details, offset = _join(definition, stream, event["timestamp"])
    if stream.fire_timestamp is not None and now >= stream.fire_timestamp:
        details.is_final = True
    if details.is_final or (
        details.cancelled_until is not None and offset <= details.cancelled_until
    ):
        return Change.ADDED
    details.cancelled_until = offset
    if event["timestamp"] < stream.first_event:
        return Change.ADDED
    if _latest_opening(stream, details) <= offset:
        stream.fire_timestamp = now
        return Change.CANCELLED
    # the event moves no times, so `$timestamp` stays that of the last counted event
    counted_at = now if details.counted_at is None else details.time(details.counted_at)
    recount(definition, stream, members(), counted_at, may_clear_fire_time=True)
    return Change.RECOUNTED


def _latest_opening(stream: StreamProgress, details: ProgressDetails) -> int:
    """Return the timestamp of the latest counted member that opens.

    It is not stored while every event opens, because it is then the last event.
    """
    if details.latest_opening is None:
        return details.offset(stream.last_event)
    return details.latest_opening


def _join(
    definition: TriggerDefinition, stream: StreamProgress, timestamp: datetime
) -> tuple[ProgressDetails, int]:
    details = ensure_details(stream)
    offset = details.offset(timestamp)
    stream.event_count += 1
    if definition.keep is not None:
        details.oldest = offset if details.oldest is None else min(details.oldest, offset)
    return details, offset


def recount(
    definition: TriggerDefinition,
    stream: StreamProgress,
    members: Iterable[Mapping[str, Any]],
    now: datetime,
    *,
    may_clear_fire_time: bool = False,
) -> None:
    """Count all members, in order of arrival, with the current definition.

    Set the fire time if the criteria are met and it is not set. If `may_clear_fire_time` is true,
    clear it if they are not met.
    """
    details = ensure_details(stream)
    counted = _counted_members(definition, stream, details, members)
    fresh = start_details(definition, stream.first_event)
    details.totals, details.ordered = fresh.totals, fresh.ordered
    with_windows = []
    rules = definition.window_rules
    for event in counted:
        _count_totals(definition, details, event)
        each = rules.counted(event, details.offset(event["timestamp"]))
        if each is not None:
            with_windows.append(each)
    windows_met = True
    if details.ordered is not None:
        details.ordered, windows_met = rules.count(with_windows)
    stream.counts = []
    stream.fingerprint = definition.fingerprint
    stream.expire_timestamp = progress.compute_expire_time(definition, stream, now)
    if windows_met and _totals_met(definition, details):
        if stream.fire_timestamp is None:
            stream.fire_timestamp = progress.delayed(now, definition)
    elif may_clear_fire_time:
        stream.fire_timestamp = None


def _counted_members(
    definition: TriggerDefinition,
    stream: StreamProgress,
    details: ProgressDetails,
    members: Iterable[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """Return the members that count, except for `keep`; set the times that depend on them."""
    after = details.cancelled_until
    left = [
        (each, role)
        for each in members
        if after is None or details.offset(each["timestamp"]) > after
        if (role := member_role(definition, each, is_final=details.is_final))
        is not MatchRole.CANCELS
    ]
    opening = [each["timestamp"] for each, role in left if role is MatchRole.OPENS]
    if opening:
        details.latest_opening = (
            None if definition.every_event_opens else details.offset(max(opening))
        )
        kept = definition.keep is not None and (
            after is None or details.offset(stream.first_event) > after
        )
        # with `keep`, the first event may have left the stream
        stream.first_event = min([*opening, stream.first_event] if kept else opening)
    first_event = stream.first_event
    early = [each["timestamp"] for each, _ in left if each["timestamp"] < first_event]
    details.latest_early = details.offset(max(early)) if early else None
    counted = [each for each, _ in left if each["timestamp"] >= first_event]
    if counted:
        stream.last_event = max(each["timestamp"] for each in counted)
    return counted


def kept_members(
    definition: TriggerDefinition, members: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the members that a pipeline receives: with `keep`, without those that are too old."""
    if definition.keep is None:
        return members
    counted = definition.window_rules.counted
    times = [each["timestamp"] for each in members if counted(each, 0) is not None]
    if not times:
        return members
    newest = max(times)
    return [each for each in members if newest - each["timestamp"] <= definition.keep]


def member_role(
    definition: TriggerDefinition, event: Mapping[str, Any], *, is_final: bool
) -> MatchRole:
    """Return the role of a member that is newer than `cancelled_until`, by the current criteria.

    If the decision is final, an event has come too late to cancel. Otherwise no such event has
    come, so a member that satisfies a cancel criterion joined before this criterion was added. A
    member that satisfies no criterion any more opens.
    """
    criteria = (
        definition.evaluated_criteria
        if is_final
        else (*definition.match_criteria, *definition.cancel_criteria)
    )
    for criterion in criteria:
        if criterion.matches(event):
            return criterion.role
    return MatchRole.OPENS


def _count(
    definition: TriggerDefinition, details: ProgressDetails, event: Mapping[str, Any], offset: int
) -> bool | None:
    """Count an event; return whether the fire criteria are met, or None to count all members."""
    rules = definition.window_rules
    if rules.others:
        _count_totals(definition, details, event)
    windows_met: bool | None = True
    if details.ordered is not None:
        counted = rules.counted(event, offset)
        windows_met = (
            rules.add(details.ordered, counted)
            if counted is not None
            else rules.stays_met(details.ordered)
        )
    if not windows_met:
        return windows_met
    return _totals_met(definition, details)


EXACT: Final = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""Adds decimals exactly."""


def _count_totals(
    definition: TriggerDefinition, details: ProgressDetails, event: Mapping[str, Any]
) -> None:
    for index, criterion in definition.window_rules.others:
        total = details.totals[index]
        if total is None or not criterion.matches(event) or _is_reached(criterion, total):
            continue
        required = criterion.requirement.sum
        details.totals[index] = (
            total + 1
            if required is None
            else EXACT.add(Decimal(total), summand(event.get(required.trait)))
        )


def summand(value: Any) -> Decimal:
    """Return an int or float above 0 as the decimal that it is written as; 0 for other values."""
    if type(value) not in (int, float) or value <= 0:
        return Decimal()
    return Decimal(repr(value))


def _totals_met(definition: TriggerDefinition, details: ProgressDetails) -> bool:
    """Return whether the criteria without a window are met; never without fire criteria."""
    return bool(details.totals) and all(
        total is None or _is_reached(criterion, total)
        for criterion, total in zip(definition.fire_criteria, details.totals, strict=True)
    )


def _is_reached(criterion: Criterion, total: int | Decimal) -> bool:
    required = criterion.requirement.sum
    return total >= (criterion.number if required is None else required.at_least)


def _later(first: int | None, second: int) -> int:
    return second if first is None else max(first, second)
