"""Who works on which stream: claims, leases, releases and rescues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.model.stream import Reason, StreamState, states_for_reason, states_including
from winchester_core.storage.death_note import died_after_failure, died_each_time
from winchester_core.storage.records import Claim
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.triggers import progress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from winchester_core.storage.memory.holdings import HeldStream, Holdings
    from winchester_core.storage.memory.transaction import Transaction

WORKING = frozenset({StreamState.FIRING, StreamState.EXPIRING})
RETRYING = frozenset({StreamState.RETRY_FIRE, StreamState.RETRY_EXPIRE})


def ready_again(held: Holdings, reason: Reason, real_now: datetime) -> list[HeldStream]:
    """Streams whose next try is due by real time, the longest due first."""
    state = states_for_reason(reason).retry
    due = [
        (stream.retry_at, stream.id, stream)
        for stream in held.streams.values()
        if stream.state is state and stream.retry_at is not None and stream.retry_at <= real_now
    ]
    return [stream for _, _, stream in sorted(due)]


def ready_first_time(held: Holdings, reason: Reason, now: datetime) -> list[HeldStream]:
    """Active streams whose stream time has come, in the order of those times."""
    due = [
        stream
        for stream in held.streams.values()
        if stream.state is StreamState.ACTIVE and progress.due_reason(stream.facts, now) is reason
    ]
    return sorted(due, key=_due_order)


def _due_order(stream: HeldStream) -> tuple[Any, ...]:
    facts = stream.facts
    return (facts.fire_timestamp or facts.expire_timestamp, facts.expire_timestamp, stream.id)


def claim(
    held: Holdings,
    transaction: Transaction,
    streams: Iterable[HeldStream],
    *,
    worker: str,
    reason: Reason,
    real_now: datetime,
    lease: timedelta,
) -> list[Claim]:
    """Put `streams` into the hands of `worker`; those that are open give up their group's key."""
    claims = [
        _take(held, transaction, stream, worker, reason, real_now, lease) for stream in streams
    ]
    if claims:
        reach(Checkpoint.BEFORE_CLAIM_COMMIT)
    return claims


def _take(
    held: Holdings,
    transaction: Transaction,
    stream: HeldStream,
    worker: str,
    reason: Reason,
    real_now: datetime,
    lease: timedelta,
) -> Claim:
    transaction.keep(stream)
    stream.become(states_for_reason(reason).working, real_now, worker)
    if stream.is_open:
        held.close(stream, transaction)
    stream.worker, stream.lease_until, stream.retry_at = worker, real_now + lease, None
    stream.attempts += 1
    return Claim(
        stream_id=stream.id,
        name=stream.name,
        serial=stream.serial,
        worker=worker,
        reason=reason,
        attempt=stream.attempts,
        distinguished_by=dict(stream.group.values),
        event_count=stream.facts.event_count,
    )


def held_by(held: Holdings, claim: Claim) -> HeldStream | None:
    """The stream of `claim`, if it is still as the claim left it."""
    stream = held.streams.get(claim.stream_id)
    if stream is None or stream.state not in WORKING:
        return None
    return stream if (stream.id, stream.serial, stream.worker) == claim.proof else None


def held_of(held: Holdings, worker: str) -> list[HeldStream]:
    """Every stream in the hands of this worker."""
    return [
        stream
        for stream in held.streams.values()
        if stream.state in WORKING and stream.worker == worker
    ]


def give_back(stream: HeldStream, real_now: datetime) -> None:
    """Release a claimed stream: ready at once, and the attempt does not count."""
    lane = states_including(stream.state)
    assert lane is not None  # noqa: S101 - a claimed stream is in a lane
    stream.become(lane.retry, real_now)
    stream.attempts -= 1
    stream.worker, stream.lease_until, stream.retry_at = None, None, real_now


def abandoned(held: Holdings, real_now: datetime) -> list[HeldStream]:
    """Claimed streams whose lease has run out, the longest ago first."""
    lost = [
        (stream.lease_until, stream.id, stream)
        for stream in held.streams.values()
        if stream.state in WORKING
        and stream.lease_until is not None
        and stream.lease_until < real_now
    ]
    return [stream for _, _, stream in sorted(lost)]


def rescue(stream: HeldStream, max_attempts: int, real_now: datetime) -> bool:
    """Take a stream from a worker that died; False when that was its last attempt."""
    lane = states_including(stream.state)
    assert lane is not None  # noqa: S101 - a claimed stream is in a lane
    stream.lease_until = None
    if stream.attempts < max_attempts:
        stream.become(lane.retry, real_now)
        stream.worker, stream.retry_at = None, real_now
        return True
    stream.become(lane.failed, real_now)
    if stream.last_error is None:
        stream.last_error = died_each_time(stream.attempts)
    else:
        stream.last_error = died_after_failure(stream.attempts) + stream.last_error
    return False
