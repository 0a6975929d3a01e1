"""Sentence on when a stream fires or expires, or what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from winchester_core.inspection.values import duration_text, iso_text
from winchester_core.model.stream import Decision, Reason, StreamState, states_including

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition


def next_transition(
    stream: StreamRecord,
    *,
    now: datetime | None,
    real_now: datetime,
    definition: TriggerDefinition | None = None,
) -> str:
    """Return a sentence on when `stream` fires or expires, or what it waits for.

    `now` is stream time (None if unknown), `real_now` the database server's time. `definition` is
    the current definition of its trigger.
    """
    match stream.state:
        case StreamState.ACTIVE:
            return _active(stream, now, definition)
        case StreamState.FIRING | StreamState.EXPIRING:
            claim = f"{stream.state}: claimed by worker {stream.worker}"
            end = iso_text(stream.lease_until)
            if stream.lease_until is None or stream.lease_until > real_now:
                return f"{claim} until {end}, unless it renews its lease"
            return f"{claim}; the lease expired at {end}, so another worker will claim it"
        case StreamState.RETRY_FIRE | StreamState.RETRY_EXPIRE:
            action, retry_at = _retried_action(stream), stream.retry_at
            alone = "" if stream.trial is None else ", to be tried alone: a worker died with it"
            if retry_at is None or retry_at <= real_now:
                return f"ready to {action} again{alone or ': waits for a worker'}"
            wait = duration_text(retry_at - real_now)
            return f"will try to {action} again at {iso_text(retry_at)} (in {wait}){alone}"
        case StreamState.ERROR | StreamState.EXPIRE_ERROR:
            attempts = f"{stream.attempts} attempt{'' if stream.attempts == 1 else 's'}"
            return (
                f"failed to {_retried_action(stream)} after {attempts}; "
                f"'winchester stream reset {stream.id}' makes it ready again"
            )
        case StreamState.COMPLETED:
            return "completed: it is not processed again"
        case _:
            assert_never(stream.state)


def _active(
    stream: StreamRecord, now: datetime | None, definition: TriggerDefinition | None
) -> str:
    if stream.decision is not None:
        return f"{stream.decision}: {_due(_action(stream), stream.fire_timestamp, now)}"
    if stream.fire_timestamp is not None:
        due = _due(Reason.FIRE, stream.fire_timestamp, now)
        is_pending = now is None or now < stream.fire_timestamp
        if is_pending and stream.is_open and definition is not None and definition.cancel_criteria:
            return f"{due}, unless an event cancels it before"
        return due
    due = _due(Reason.EXPIRE, stream.expire_timestamp, now)
    if now is not None and stream.expire_timestamp <= now:
        return due
    if definition is not None and not definition.fire_criteria:
        return due
    return f"{due}, unless its fire criteria are met before"


def _due(action: str, due_at: datetime | None, now: datetime | None) -> str:
    time, verb = iso_text(due_at), _THIRD_PERSON[action]
    if now is None or due_at is None:
        return f"{verb} at {time} (stream time)"
    if due_at > now:
        return f"{verb} at {time} (stream time, in {duration_text(due_at - now)})"
    ago = duration_text(now - due_at)
    return f"ready to {action} since {time} (stream time, {ago} ago): waits for a worker"


def _action(stream: StreamRecord) -> str:
    """Return what a worker does with the stream, as a verb."""
    states = states_including(stream.state)
    if states is not None and states.reason is Reason.EXPIRE:
        return Reason.EXPIRE
    return Reason.FIRE if stream.decision is None else _ACTIONS[stream.decision]


def _retried_action(stream: StreamRecord) -> str:
    """Return what a worker has tried, as a verb."""
    if stream.decision is Decision.CANCELLED:
        return "run its cancel_pipeline"
    return _action(stream)


_ACTIONS: Final = {
    Decision.CANCELLED: "be completed",
    Decision.SUPPRESSED: "be completed without a run",
}
_THIRD_PERSON: Final[Mapping[str, str]] = {
    Reason.FIRE: "fires",
    Reason.EXPIRE: "expires",
    _ACTIONS[Decision.CANCELLED]: "is completed",
    _ACTIONS[Decision.SUPPRESSED]: "is completed without a run",
}
