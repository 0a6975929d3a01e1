"""Timeline of a stream: its events, deadlines, windows and states, from the explained facts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote

from winchester_core.console.timeline import (
    CriterionLane,
    Deadline,
    DeadlineKind,
    Mark,
    MarkKind,
    Period,
    StatePeriod,
    Timeline,
)
from winchester_core.model.stream import Decision, StreamState, states_including
from winchester_core.triggers.member_explanation import ignored_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.inspection.stream_reasons import StreamSituation
    from winchester_core.model.event import Event


def stream_timeline(
    situation: StreamSituation, events: Sequence[Event], *, prefix: str, shares_clock: bool
) -> Timeline:
    """Return the timeline of a stream with these `events`, by timestamp.

    `prefix` is the path prefix of links. `shares_clock` is whether stream time is real time.
    """
    stream = situation.stream
    return Timeline(
        marks=list(_marks(situation, events, prefix)),
        criteria=[
            CriterionLane(each.criterion, each.label, each.is_met) for each in situation.progress
        ],
        deadlines=list(_deadlines(situation)),
        periods=list(_periods(situation)),
        states=list(_states(situation)),
        shares_clock=shares_clock,
        now=situation.now,
        omitted=max(0, situation.stored_events - len(events)),
        events_href=f"{prefix}/streams/{stream.id}/events",
    )


def _marks(situation: StreamSituation, events: Sequence[Event], prefix: str) -> Iterator[Mark]:
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
        yield Mark(
            at=event["timestamp"],
            event_type=event["event_type"],
            href=f"{prefix}/events/{quote(event['message_id'], safe='')}",
            kind=kind,
            criteria=criteria,
            reason=reason or "",
        )


def _deadlines(situation: StreamSituation) -> Iterator[Deadline]:
    stream, now = situation.stream, situation.now
    fire_at, expire_at = stream.fire_timestamp, stream.expire_timestamp
    if stream.decision is Decision.CANCELLED and fire_at is not None:
        yield Deadline(fire_at, DeadlineKind.CANCEL, "cancelled")
    elif fire_at is not None:
        is_past = now is not None and fire_at <= now
        suppressed = stream.decision is Decision.SUPPRESSED
        label = "suppressed" if suppressed else ("due to fire" if is_past else "fires")
        if stream.state is StreamState.COMPLETED and not suppressed:
            label = "fired"
        yield Deadline(fire_at, DeadlineKind.FIRE, label)
    if fire_at is None or stream.state is StreamState.ACTIVE:
        is_past = now is not None and expire_at <= now
        yield Deadline(expire_at, DeadlineKind.EXPIRE, "expired" if is_past else "expires")
    if fire_at is None:
        windows = (each.window for each in situation.progress if each.window is not None)
        for until in sorted({each.next_out for each in windows if each.next_out is not None}):
            yield Deadline(until, DeadlineKind.WINDOW, "oldest event counts until")


def _periods(situation: StreamSituation) -> Iterator[Period]:
    silence = situation.silence
    if silence is not None and silence.until > situation.stream.first_event:
        yield Period(silence.since, silence.until, f"silence after stream {silence.stream_id}")
    for number, each in enumerate(situation.progress, start=1):
        window = each.window
        if window is not None and window.counted_times and each.within:
            first, last = min(window.counted_times), max(window.counted_times)
            ends_at = window.next_out or last
            yield Period(first, ends_at, f"criterion {number}: within {each.within}")


def _states(situation: StreamSituation) -> Iterator[StatePeriod]:
    stream, history = situation.stream, situation.stream.history
    yield StatePeriod(stream.first_event, StreamState.ACTIVE.value)
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
