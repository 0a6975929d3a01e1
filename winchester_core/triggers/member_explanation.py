"""Explanations of the members of a stream: which do not count, cancel it, or wait. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from winchester_core.criteria import MatchRole
from winchester_core.triggers.counting import kept_members, member_role
from winchester_core.triggers.details import parse_details
from winchester_core.triggers.explanation import length_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(frozen=True, slots=True)
class IgnoredMembers:
    """A reason why `number` members count for no criterion; `message_id` is that of the first."""

    reason: str
    number: int
    message_id: str


@dataclass(frozen=True, slots=True)
class CancellingEvent:
    """The latest event that has cancelled a stream, or its older part. It may be unknown."""

    timestamp: datetime
    message_id: str | None
    event_type: str | None


@dataclass(frozen=True, slots=True)
class WaitingMembers:
    """Members that wait for an event that opens the next stream, in case this one ends before.

    The last of them waits until the stream time `until`. Only events that cancel wait on if the
    stream fires or expires; if `any_cancels` is false, there is none.
    """

    number: int
    until: datetime
    any_cancels: bool


@dataclass(frozen=True, slots=True)
class MemberExplanation:
    """Effects of the members of a stream, apart from counting for its fire criteria.

    `counted` are those that count, by timestamp.
    """

    counted: Sequence[Mapping[str, Any]]
    ignored: tuple[IgnoredMembers, ...]
    cancelled_by: CancellingEvent | None
    waiting: WaitingMembers | None


def explain_members(
    definition: TriggerDefinition,
    stream: StreamRecord,
    events: Sequence[Mapping[str, Any]],
    now: datetime | None = None,
) -> MemberExplanation:
    """Explain the stored `events` of `stream`, by timestamp, at the stream time `now`."""
    counted = []
    ignored: dict[str, IgnoredMembers] = {}
    for event, reason in zip(events, ignored_reasons(definition, stream, events), strict=True):
        if reason is None:
            counted.append(event)
            continue
        known = ignored.get(reason)
        ignored[reason] = (
            replace(known, number=known.number + 1)
            if known
            else IgnoredMembers(reason, 1, event["message_id"])
        )
    return MemberExplanation(
        counted,
        tuple(ignored.values()),
        _cancelled_by(definition, events, _cancelled_until(stream)),
        _waiting(stream, now),
    )


def ignored_reasons(
    definition: TriggerDefinition, stream: StreamRecord, events: Sequence[Mapping[str, Any]]
) -> list[str | None]:
    """Return for each of the `events` why it counts for no fire criterion; None if it may count.

    `events` are all stored events of `stream`, by timestamp.
    """
    cancelled_until = _cancelled_until(stream)
    copies = [dict(each) for each in events]
    kept = {each["message_id"] for each in kept_members(definition, copies)}
    reasons = []
    for event in events:
        reason = _ignored_reason(definition, stream, event, cancelled_until)
        if reason is None and event["message_id"] not in kept and definition.keep is not None:
            reason = (
                f"it is older by more than {length_text(definition.keep)} (keep) than the newest "
                "event that satisfies a fire criterion"
            )
        reasons.append(reason)
    return reasons


def describe_ignored(explanation: MemberExplanation) -> Iterator[str]:
    """Yield a sentence for each reason why members do not count."""
    for each in explanation.ignored:
        if each.number == 1:
            yield f"event {each.message_id} does not count: {each.reason}"
        else:
            yield (
                f"{each.number} events do not count (the first is {each.message_id}), each for "
                f"this reason: {each.reason}"
            )


def describe_cancelling(event: CancellingEvent) -> str:
    """Return which event cancelled."""
    time = event.timestamp.isoformat()
    if event.message_id is None:
        return f"an event of {time} cancelled it"
    return f"event {event.message_id} ({event.event_type}) of {time} cancelled it"


def waiting_after(deadlines: Sequence[datetime], now: datetime | None) -> WaitingMembers | None:
    """Return the members of an ended stream that still wait, of those that wait until these times.

    `now` is stream time.
    """
    waiting = [each for each in deadlines if now is None or each > now]
    return WaitingMembers(len(waiting), max(waiting), any_cancels=True) if waiting else None


def describe_waiting(waiting: WaitingMembers, *, has_ended: bool) -> str:
    """Return until when members wait. If their stream `has_ended`, they wait for the next one."""
    until = waiting.until.isoformat()
    if waiting.number == 1:
        waits, joins = "1 of its events waits (lateness)", "it also joins"
    else:
        waits, joins = f"{waiting.number} of its events wait (lateness)", "they also join"
    if has_ended:
        return f"{waits}: {joins} the next stream of the group if it is opened before {until}"
    ends = "ends" if waiting.any_cancels else "is cancelled"
    return (
        f"{waits}: if this stream {ends} and the next stream of the group is opened before "
        f"{until}, {joins} that one"
    )


def _cancelled_until(stream: StreamRecord) -> datetime | None:
    details = parse_details(stream.progress_text)
    if details is None or details.cancelled_until is None:
        return None
    return details.time(details.cancelled_until)


def _ignored_reason(
    definition: TriggerDefinition,
    stream: StreamRecord,
    event: Mapping[str, Any],
    cancelled_until: datetime | None,
) -> str | None:
    timestamp = event["timestamp"]
    is_old = cancelled_until is not None and timestamp <= cancelled_until
    if _satisfies_cancel_criterion(definition, event):
        if is_old:
            return "it cancels, so it counts for no fire criterion"
        details = parse_details(stream.progress_text)
        if details is not None and details.is_final:
            return "it came too late to cancel: the fire time was reached"
    if cancelled_until is not None and is_old:
        return f"it is not newer than the event of {cancelled_until.isoformat()} that cancelled"
    if (
        timestamp < stream.first_event
        and member_role(definition, event, is_final=False) is not MatchRole.OPENS
    ):
        return (
            "it opens no stream, and is older than the first event that does, of "
            f"{stream.first_event.isoformat()}"
        )
    return None


def _satisfies_cancel_criterion(definition: TriggerDefinition, event: Mapping[str, Any]) -> bool:
    """Return whether an event cancels, unless the criteria are newer than the event."""
    return any(each.matches(event) for each in definition.cancel_criteria)


def _cancelled_by(
    definition: TriggerDefinition,
    events: Sequence[Mapping[str, Any]],
    cancelled_until: datetime | None,
) -> CancellingEvent | None:
    if cancelled_until is None:
        return None
    for event in events:
        if event["timestamp"] == cancelled_until and _satisfies_cancel_criterion(definition, event):
            return CancellingEvent(cancelled_until, event["message_id"], event["event_type"])
    return CancellingEvent(cancelled_until, None, None)


def _waiting(stream: StreamRecord, now: datetime | None) -> WaitingMembers | None:
    details = parse_details(stream.progress_text)
    if details is None:
        return None
    waiting = [
        (details.time(each.deadline), each.cancels)
        for each in details.waiting
        if now is None or details.time(each.deadline) > now
    ]
    if not waiting:
        return None
    until, any_cancels = max(each for each, _ in waiting), any(cancels for _, cancels in waiting)
    return WaitingMembers(len(waiting), until, any_cancels)
