"""Claims, runs and trimming of streams."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from oracle import pattern_streams
from oracle.ingest import record
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import (
    CLAIMED_STATES,
    Decision,
    Reason,
    StreamState,
    Trial,
    states_for_reason,
    states_including,
)
from winchester_core.storage.records import (
    Claim,
    CompletionResult,
    IngestResult,
    TrimResult,
    worker_died_error,
    worker_died_error_prefix,
)
from winchester_core.triggers import progress, recalculation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from oracle.state import MemoryState, MemoryStream
    from oracle.transaction import Transaction
    from winchester_core.clock import TimePolicy
    from winchester_core.storage.records import Completion, Failure, TriggerScope
    from winchester_core.triggers.definition import TriggerDefinition

RETRY_STATES = frozenset({StreamState.RETRY_FIRE, StreamState.RETRY_EXPIRE})


def due_retries(
    memory: MemoryState, reason: Reason, real_now: datetime, trial: Trial | None = None
) -> list[MemoryStream]:
    """Return the streams with this mark whose retry is due, the longest due first."""
    state = states_for_reason(reason).retry
    due = [
        (stream.retry_at, stream.id, stream)
        for stream in memory.streams.values()
        if stream.state is state and stream.trial is trial
        if stream.retry_at is not None and stream.retry_at <= real_now
    ]
    return [stream for _, _, stream in sorted(due)]


def due_first_attempts(memory: MemoryState, reason: Reason, now: datetime) -> list[MemoryStream]:
    """Return the active streams that are due at the stream time `now`, in order of their times."""
    due = [
        stream
        for stream in memory.streams.values()
        if stream.state is StreamState.ACTIVE and _due_reason(stream, now) is reason
    ]
    return sorted(due, key=_due_key)


def _due_reason(stream: MemoryStream, now: datetime) -> Reason | None:
    if stream.cancelled_at is not None:  # it is claimed with those that fire
        return Reason.FIRE if stream.cancelled_at <= now else None
    return progress.due_reason(stream.progress, now)


def known(
    memory: MemoryState, ready: list[MemoryStream], scope: TriggerScope | None
) -> list[MemoryStream]:
    """Return the streams of known triggers; note the others in `scope`, as the SQL store does."""
    if scope is None:
        return ready
    met = {each.name: each.id for each in reversed(ready) if each.name not in scope.known}
    met = {name: each for name, each in met.items() if name not in scope.skipped}
    if met:
        scope.first_ready = {**met, **scope.first_ready}
        skip_unknown_triggers(memory, scope)
    return [each for each in ready if each.name in scope.known]


def skip_unknown_triggers(memory: MemoryState, scope: TriggerScope) -> None:
    """Make `scope` skip the streams of all triggers that it does not know."""
    scope.skipped |= frozenset(each.name for each in memory.streams.values()) - scope.known


def _due_key(stream: MemoryStream) -> tuple[Any, ...]:
    stream_progress = stream.progress
    return (
        stream_progress.fire_timestamp or stream_progress.expire_timestamp,
        stream_progress.expire_timestamp,
        stream.id,
    )


def claim(
    memory: MemoryState,
    transaction: Transaction,
    streams: Iterable[MemoryStream],
    *,
    worker: str,
    reason: Reason,
    real_now: datetime,
    lease: timedelta,
) -> list[Claim]:
    """Claim `streams` for `worker`; open ones release their group key."""
    claims = [
        _claim(memory, transaction, stream, worker, reason, real_now, lease) for stream in streams
    ]
    if claims:
        hit(Failpoint.BEFORE_CLAIM_COMMIT)
    return claims


def _claim(
    memory: MemoryState,
    transaction: Transaction,
    stream: MemoryStream,
    worker: str,
    reason: Reason,
    real_now: datetime,
    lease: timedelta,
) -> Claim:
    stream.save(transaction)
    stream.change_state(states_for_reason(reason).working, real_now, worker)
    if stream.is_open:
        pattern_streams.close(memory, transaction, stream)
    stream.worker, stream.lease_until, stream.retry_at = worker, real_now + lease, None
    stream.attempts += 1
    if stream.trial is not None:
        stream.trial = Trial.ALONE
    return Claim(
        stream_id=stream.id,
        name=stream.name,
        serial=stream.serial,
        worker=worker,
        reason=Reason.CANCEL if stream.decision is Decision.CANCELLED else reason,
        attempt=stream.attempts,
        distinguished_by=dict(stream.group.values),
        event_count=stream.progress.event_count,
        stream_time=stream.progress.fire_timestamp or stream.progress.expire_timestamp,
        failures=stream.failures,
        decision=stream.decision,
    )


def claimed_stream(memory: MemoryState, claim: Claim) -> MemoryStream | None:
    """Return the stream of `claim`; None when the claim is no longer valid."""
    stream = memory.streams.get(claim.stream_id)
    if stream is None or stream.state not in CLAIMED_STATES:
        return None
    return stream if (stream.id, stream.serial, stream.worker) == claim.lease_token else None


def streams_claimed_by(memory: MemoryState, worker: str) -> list[MemoryStream]:
    """Return all streams claimed by this worker."""
    return [
        stream
        for stream in memory.streams.values()
        if stream.state in CLAIMED_STATES and stream.worker == worker
    ]


def release(stream: MemoryStream, real_now: datetime, *, keep_attempt: bool) -> None:
    """Release a claimed stream: ready now, to be tried alone as before."""
    reason_states = states_including(stream.state)
    assert reason_states is not None
    stream.change_state(reason_states.retry, real_now)
    stream.attempts -= not keep_attempt
    if stream.trial is Trial.ALONE:
        stream.trial = Trial.DUE
    stream.worker, stream.lease_until, stream.retry_at = None, None, real_now


def claims_of(memory: MemoryState, workers: Sequence[str]) -> list[MemoryStream]:
    """Return all streams claimed by these workers, the longest expired first."""
    held = [each for worker in workers for each in streams_claimed_by(memory, worker)]
    return sorted(held, key=lambda stream: (stream.lease_until, stream.id))


def expired_leases(memory: MemoryState, real_now: datetime) -> list[MemoryStream]:
    """Return the claimed streams whose lease has expired, the longest expired first."""
    expired = [
        (stream.lease_until, stream.id, stream)
        for stream in memory.streams.values()
        if stream.state in CLAIMED_STATES
        and stream.lease_until is not None
        and stream.lease_until < real_now
    ]
    return [stream for _, _, stream in sorted(expired)]


def rescue(
    stream: MemoryStream,
    max_attempts: int,
    backoff: Callable[[int], timedelta],
    real_now: datetime,
) -> bool:
    """Release a stream of a dead worker; return False when that was its last failure."""
    reason_states = states_including(stream.state)
    assert reason_states is not None
    stream.lease_until, delay = None, timedelta(0)
    if stream.trial is Trial.ALONE:
        stream.failures += 1
        delay = backoff(stream.failures)
    was_alone, stream.trial = stream.trial is Trial.ALONE, Trial.DUE
    if not was_alone or stream.failures < max_attempts:
        stream.change_state(reason_states.retry, real_now)
        stream.worker, stream.retry_at = None, real_now + delay
        return True
    stream.change_state(reason_states.failed, real_now)
    if stream.last_error is None:
        stream.last_error = worker_died_error(stream.failures)
    else:
        stream.last_error = worker_died_error_prefix(stream.attempts) + stream.last_error
    return False


def complete(
    memory: MemoryState,
    transaction: Transaction,
    completions: Sequence[Completion],
    policy: TimePolicy,
    real_now: datetime,
) -> CompletionResult:
    """Complete the streams whose claims are valid."""
    valid = [
        (each, stream)
        for each in completions
        if (stream := claimed_stream(memory, each.claim)) is not None
    ]
    matched_events = [matched_event for each, _ in valid for matched_event in each.matched_events]
    result = (
        record(memory, transaction, matched_events, policy, real_now)
        if matched_events
        else IngestResult(())
    )
    for each, stream in valid:
        _finish(memory, transaction, each, stream, real_now)
        for effect in each.effects:
            memory.outbox.record(transaction, each, effect, real_now)
    hit(Failpoint.BEFORE_COMPLETION_COMMIT)
    return CompletionResult.from_ingest([each for each, _ in valid], matched_events, result)


def _finish(
    memory: MemoryState,
    transaction: Transaction,
    completion: Completion,
    stream: MemoryStream,
    real_now: datetime,
) -> None:
    stream.save(transaction)
    stream.change_state(StreamState.COMPLETED, real_now)
    stream.lease_until, stream.last_error = None, completion.commit_error
    stream.trial = None
    if completion.purge and completion.commit_error is None:
        memory.remove(stream, transaction)


def fail(
    memory: MemoryState,
    transaction: Transaction,
    failure: Failure,
    max_attempts: int,
    real_now: datetime,
) -> StreamState | None:
    """Move a stream to its retry or error state and return it; None when the claim was lost."""
    stream = claimed_stream(memory, failure.claim)
    if stream is None:
        return None
    reason_states = states_for_reason(failure.claim.reason)
    stream.save(transaction)
    stream.failures, stream.trial = stream.failures + 1, None
    final = failure.final or stream.failures >= max_attempts
    stream.change_state(reason_states.failed if final else reason_states.retry, real_now)
    stream.lease_until, stream.last_error = None, failure.error
    stream.retry_at = None if final else real_now + failure.retry_delay
    hit(Failpoint.BEFORE_FAILURE_COMMIT)
    return stream.state


def recalculate(
    memory: MemoryState,
    transaction: Transaction,
    definition: TriggerDefinition,
    now: datetime,
    limit: int,
) -> int:
    """Recalculate up to `limit` open streams with an outdated fingerprint; return how many."""
    outdated = [
        stream
        for stream in memory.open_streams.values()
        if stream.name == definition.name and stream.progress.fingerprint != definition.fingerprint
    ][:limit]
    for stream in outdated:
        stream.save(transaction)
        if stream.pattern is None and definition.is_plain and not definition.suppress:
            recalculation.recalculate(definition, stream.progress, memory.events_of(stream), now)
        else:
            pattern_streams.recount(memory, transaction, definition, stream, now)
    return len(outdated)


def trim(
    memory: MemoryState, older_than: datetime, stored_before: datetime, limit: int
) -> TrimResult:
    """Delete up to `limit` events that belong to no uncompleted stream; needs no cursor."""
    in_use = {
        message_id
        for stream in memory.streams.values()
        if stream.state is not StreamState.COMPLETED
        for message_id in stream.members
    }
    in_use.update(each.message_id for held in memory.waiting.values() for each in held)
    old = [
        message_id
        for message_id, each in memory.events.items()
        if each.event["timestamp"] < older_than
        and each.stored_at < stored_before
        and message_id not in in_use
    ]
    # the sort is stable: events of equal time stay in the order of arrival
    old.sort(key=lambda message_id: memory.events[message_id].event["timestamp"])
    deletable = set(old[:limit])
    for message_id in deletable:
        del memory.events[message_id]
    for stream in memory.streams.values():
        stream.members = [each for each in stream.members if each not in deletable]
    return TrimResult(len(deletable), more=len(old) > limit)
