"""Timeline of a stream: its events, deadlines, windows and states, from the explained facts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from winchester_core.console.paths import event_path
from winchester_core.console.shown_values import progress_numbers
from winchester_core.console.timeline import (
    CriterionLane,
    DeadlineKind,
    EventMark,
    MarkKind,
    Period,
    StatePeriod,
    Timeline,
    TimelineDeadline,
)
from winchester_core.model.stream import CLAIMED_STATES, Decision, StreamState, states_including
from winchester_core.triggers.member_explanation import ignored_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from winchester_core.inspection.stream_reasons import StreamSituation
    from winchester_core.model.event import Event
    from winchester_core.triggers.progress_explanation import CriterionProgress

EARLIER_STATES: Final = "active, and earlier attempts"
"""Label of the time before the stored history, if its oldest entries were removed."""


def stream_timeline(
    situation: StreamSituation, events: Sequence[Event], *, prefix: str, shares_clock: bool
) -> Timeline:
    """Return the timeline of a stream with these `events`, by timestamp.

    `prefix` is the path prefix of links. `shares_clock` is true if stream time is real time.
    """
    stream = situation.stream
    is_final = stream.state is StreamState.COMPLETED
    real_now = situation.now if shares_clock and situation.now else situation.real_now
    return Timeline(
        marks=list(_marks(situation, events, prefix)),
        criteria=[_lane(situation, each) for each in situation.progress],
        deadlines=list(_deadlines(situation, shares_clock=shares_clock)),
        periods=list(_periods(situation)),
        states=list(_states(situation, shares_clock=shares_clock)),
        states_until=None if is_final else real_now,
        shares_clock=shares_clock,
        now=None if is_final else situation.now,
        omitted=max(0, situation.stored_events - len(events)),
        events_href=f"{prefix}/streams/{stream.id}/events",
    )


def _lane(situation: StreamSituation, progress: CriterionProgress) -> CriterionLane:
    numbers = progress_numbers(progress.has, progress.needs, progress.counts, progress.within)
    if situation.stream.decision is Decision.CANCELLED:
        return CriterionLane(progress.criterion, f"{numbers} before it was cancelled", is_met=False)
    return CriterionLane(progress.criterion, numbers, progress.is_met)


def _marks(situation: StreamSituation, events: Sequence[Event], prefix: str) -> Iterator[EventMark]:
    definition, members = situation.definition, situation.members
    reasons: Sequence[str | None] = [None] * len(events)
    if definition is not None:
        reasons = ignored_reasons(definition, situation.stream, events)
    canceller = None if members is None or members.cancelled_by is None else members.cancelled_by
    for event, reason in zip(events, reasons, strict=True):
        criteria = tuple(
            number
            for number, each in enumerate(situation.progress, start=1)
            if event["message_id"] in each.counted_ids
        )
        kind = MarkKind.COUNTS if criteria else MarkKind.JOINS
        if canceller is not None and event["message_id"] == canceller.message_id:
            kind = MarkKind.CANCELS
        elif reason is not None:
            kind = MarkKind.IGNORED
        yield EventMark(
            at=event["timestamp"],
            event_type=event["event_type"],
            href=prefix + event_path(event["message_id"]),
            kind=kind,
            criteria=criteria,
            reason=reason or "",
        )


def _deadlines(situation: StreamSituation, *, shares_clock: bool) -> Iterator[TimelineDeadline]:
    """Yield the times that still matter to the stream, or that have decided it."""
    stream, now = situation.stream, situation.now
    is_final = stream.state is StreamState.COMPLETED
    if stream.fire_timestamp is not None:
        kind = DeadlineKind.CANCEL if stream.decision is Decision.CANCELLED else DeadlineKind.FIRE
        is_past = now is not None and stream.fire_timestamp <= now
        label = "due to fire" if is_past else "fires"
        if stream.decision is not None:
            label = stream.decision.value
        elif is_final:
            label = "fired"
        yield TimelineDeadline(stream.fire_timestamp, kind, label)
    else:
        is_past = now is not None and stream.expire_timestamp <= now
        label = "due to expire" if is_past else "expires"
        yield TimelineDeadline(
            stream.expire_timestamp, DeadlineKind.EXPIRE, "expired" if is_final else label
        )
        if stream.is_open:
            yield from _window_ends(situation.progress)
    if now is not None and not is_final:
        yield TimelineDeadline(now, DeadlineKind.NOW, "now")
    states = states_including(stream.state)
    if shares_clock and states is not None and stream.state is states.retry and stream.retry_at:
        yield TimelineDeadline(stream.retry_at, DeadlineKind.RETRY, "next attempt")


def _window_ends(progress: Sequence[CriterionProgress]) -> Iterator[TimelineDeadline]:
    """Yield the ends of the windows, one for all that end at the same time."""
    criteria: dict[datetime, list[int]] = {}
    for number, each in enumerate(progress, start=1):
        if each.window is not None and each.window.next_out is not None:
            criteria.setdefault(each.window.next_out, []).append(number)
    for end, numbers in sorted(criteria.items()):
        plural = "criterion" if len(numbers) == 1 else "criteria"
        label = f"{plural} {', '.join(map(str, numbers))}: oldest event counts until"
        yield TimelineDeadline(end, DeadlineKind.WINDOW, label)


def _periods(situation: StreamSituation) -> Iterator[Period]:
    silence = situation.silence
    if silence is not None and _is_silenced(situation):
        yield Period(silence.since, silence.until, f"silence after stream {silence.stream_id}")
    for number, each in enumerate(situation.progress, start=1):
        window = each.window
        if window is not None and window.counted_times and each.within:
            first, last = min(window.counted_times), max(window.counted_times)
            ends_at = window.next_out or last
            yield Period(first, ends_at, f"criterion {number}: within {each.within}")


def _is_silenced(situation: StreamSituation) -> bool:
    """Return whether the last silence of the group suppresses the stream, or would."""
    stream, silence = situation.stream, situation.silence
    if silence is None or silence.stream_id >= stream.id:
        return False
    if stream.decision is Decision.SUPPRESSED:
        return True
    is_undecided = stream.is_open and stream.fire_timestamp is None
    return is_undecided and not silence.is_over(situation.now)


def _states(situation: StreamSituation, *, shares_clock: bool) -> Iterator[StatePeriod]:
    """Yield the states that are stored, and the time before them if it is on the same clock."""
    stream, history = situation.stream, situation.stream.history
    if shares_clock and (not history or stream.first_event <= history[0].at):
        recorded = sum(each.state in CLAIMED_STATES for each in history)
        is_complete = recorded >= stream.attempts
        before = StreamState.ACTIVE.value if is_complete else EARLIER_STATES
        yield StatePeriod(stream.first_event, before)
    following = [later.state for _, later in pairwise(history)]
    for index, each in enumerate(history):
        states = states_including(each.state)
        next_state = following[index] if index < len(following) else stream.state
        has_failed = (
            states is not None
            and each.state is states.working
            and next_state in (states.retry, states.failed)
        )
        yield StatePeriod(each.at, each.state.value, each.worker or "", has_failed)
