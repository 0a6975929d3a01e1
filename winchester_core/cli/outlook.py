"""What becomes of a stream next, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from winchester_core.cli.moments import iso_text, length_text
from winchester_core.model.stream import Reason, StreamState, states_including

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.model.stream import StreamRecord


def outlook(stream: StreamRecord, *, now: datetime | None, real_now: datetime) -> str:
    """Say when `stream` fires or expires, or what it waits for.

    `now` is stream time (None when it is not known), `real_now` the database server's time.
    """
    match stream.state:
        case StreamState.ACTIVE:
            return _active(stream, now)
        case StreamState.FIRING | StreamState.EXPIRING:
            return _in_hand(stream, real_now)
        case StreamState.RETRY_FIRE | StreamState.RETRY_EXPIRE:
            return _tried_again(stream, real_now)
        case StreamState.ERROR | StreamState.EXPIRE_ERROR:
            tries = f"{stream.attempts} attempt{'' if stream.attempts == 1 else 's'}"
            return (
                f"could not {_reason(stream)}, after {tries}; "
                f"'winchester stream reset {stream.id}' makes it ready again"
            )
        case StreamState.COMPLETED:
            return "completed: nothing more is done with it"
        case _:
            assert_never(stream.state)


def _active(stream: StreamRecord, now: datetime | None) -> str:
    if stream.fire_timestamp is not None:
        return _due(Reason.FIRE, stream.fire_timestamp, now)
    due = _due(Reason.EXPIRE, stream.expire_timestamp, now)
    if now is not None and stream.expire_timestamp <= now:
        return due
    return f"{due}, unless its fire criteria are met before"


def _due(reason: Reason, moment: datetime, now: datetime | None) -> str:
    shown = iso_text(moment)
    if now is None:
        return f"{reason}s at {shown} (stream time)"
    if moment > now:
        return f"{reason}s at {shown} (stream time, in {length_text(moment - now)})"
    ago = length_text(now - moment)
    return f"ready to {reason} since {shown} (stream time, {ago} ago): waits for a worker"


def _in_hand(stream: StreamRecord, real_now: datetime) -> str:
    held = f"{stream.state}: worker {stream.worker} has it, until {iso_text(stream.lease_until)}"
    if stream.lease_until is not None and stream.lease_until <= real_now:
        return f"{held}; this lease has run out, so that another worker will take it up"
    return f"{held} unless it renews its lease"


def _tried_again(stream: StreamRecord, real_now: datetime) -> str:
    reason = _reason(stream)
    if stream.retry_at is None or stream.retry_at <= real_now:
        return f"ready to {reason} again: waits for a worker"
    wait = length_text(stream.retry_at - real_now)
    return f"tries to {reason} again at {iso_text(stream.retry_at)} (in {wait})"


def _reason(stream: StreamRecord) -> Reason:
    states = states_including(stream.state)
    return Reason.FIRE if states is None else states.reason
