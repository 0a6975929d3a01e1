"""Claims on streams: claim, renew, release, rescue, complete, fail.

Invariants of claims:

1. Every change of a stream's state increments its serial. A claim is valid while the row has its
   id, serial and worker. So a lease ends when the serial changes, not at a certain time.
2. A claim checks that the serials have not changed since they were read, and claims all of its
   streams or none.
3. A claim clears the open key, so no event joins a claimed stream.
4. Queues are read with SKIP LOCKED (on SQLite, by the only writer), so workers do not wait for each
   other, and each stream is claimed by one worker.
5. A check that comes too early is rescheduled in a separate transaction, never with a claim.
6. It is unknown which stream killed a worker. So rescue marks all streams of the worker
   (`Trial.DUE`) and counts no failure. A claim takes only one marked stream and sets its mark to
   `ALONE`. If a stream with this mark is rescued, this counts as a failure. A release sets the mark
   to `DUE` again; completion and failure clear it.
7. `attempts` increases with every claim. It decreases only if a stream is released before its
   handlers have begun to commit. So if they may have begun, the number is never used again.

Invariants of completion:

1. The rows of all claims are locked, in the order of ids, before anything is written. If a claim is
   no longer valid, its stream, events and effects are left out.
2. New events, the streams that they join, effects and the final state are written in one
   transaction.
3. A stream with a commit error is kept, regardless of `purge`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winchester_core.errors import UnknownStream
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import (
    EXPIRE_STATES,
    FIRE_STATES,
    REASON_STATES,
    Decision,
    Reason,
    ReasonStates,
    StreamState,
    Trial,
    check_transition,
    states_for_reason,
)
from winchester_core.storage.records import Claim, CompletionResult, IngestResult, no_backoff
from winchester_core.storage.sql import claim_rows, stream_queues, stream_rows, waiting
from winchester_core.storage.sql.ingest import record
from winchester_core.storage.sql.outbox import record_effects
from winchester_core.storage.sql.stream_rows import delete_streams
from winchester_core.storage.sql.types import time_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from winchester_core.clock import TimePolicy
    from winchester_core.storage.records import Completion, Failure, TriggerScope
    from winchester_core.storage.sql.claim_rows import ReadyStream
    from winchester_core.storage.sql.database import Transaction


def claim_ready(
    tx: Transaction,
    *,
    worker: str,
    reason: Reason,
    now: datetime | None,
    limit: int,
    lease: timedelta,
    scope: TriggerScope | None = None,
) -> list[Claim] | None:
    """Claim up to `limit` streams: due retries first, then streams that are due at `now`.

    If there is no stream time (`now` is None), only retries are claimed. Streams that must be tried
    alone are never claimed. Returns None if the caller must claim again in a new transaction. There
    are two causes: some of the first streams expire later than their check, so their checks have
    been rescheduled; or their triggers are unknown, so `scope` skips them from now on.
    """
    reason_states = states_for_reason(reason)
    real_now = tx.real_time()
    queue = stream_queues.retry_queue(reason_states, real_now)
    rows = claim_rows.lock_queue(tx, queue, limit, scope)
    if now is not None and len(rows) < limit:
        queue = (
            stream_queues.expiry_check_queue(now)
            if reason is Reason.EXPIRE
            else stream_queues.fire_queue(now)
        )
        first_attempts = claim_rows.lock_queue(tx, queue, limit - len(rows), scope)
        if reason is Reason.EXPIRE and any(row.expires_later for row in first_attempts):
            claim_rows.reschedule_checks(tx, now, limit, scope)
            return None
        rows += first_attempts
    if scope is not None and claim_rows.skip_unknown(tx, rows, scope):
        return None
    return _claim(tx, rows, reason_states, worker, real_now + lease)


def claim_one(
    tx: Transaction,
    *,
    stream_id: int,
    worker: str,
    reason: Reason,
    lease: timedelta,
    scope: TriggerScope | None = None,
) -> Claim | None:
    """Claim this stream regardless of its time; return None if its state does not allow it.

    None too when its trigger is unknown. Raises `UnknownStream`.
    """
    row = claim_rows.lock_one(tx, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    if scope is not None and row.name not in scope.known:
        return None
    reason_states = states_for_reason(reason)
    if row.state not in (StreamState.ACTIVE, reason_states.retry):
        return None
    real_now = tx.real_time()
    return _claim(tx, [row], reason_states, worker, real_now + lease)[0]


def claim_trial(
    tx: Transaction, *, worker: str, lease: timedelta, scope: TriggerScope | None = None
) -> Claim | None:
    """Claim one ready stream that must be tried alone; None if there is none."""
    real_now = tx.real_time()
    queues = [
        (states, queue)
        for states in REASON_STATES
        for queue in stream_queues.trial_queues(states, real_now)
    ]
    for reason_states, queue in queues:
        rows = claim_rows.lock_queue(tx, queue, 1, scope)
        while scope is not None and claim_rows.skip_unknown(tx, rows, scope):
            rows = claim_rows.lock_queue(tx, queue, 1, scope)
        if rows:
            return _claim(tx, rows, reason_states, worker, real_now + lease)[0]
    return None


def _claim(
    tx: Transaction,
    rows: Sequence[ReadyStream],
    reason_states: ReasonStates,
    worker: str,
    lease_until: datetime,
) -> list[Claim]:
    if not rows:
        return []
    for state in {row.state for row in rows}:
        check_transition(StreamState(state), reason_states.working)
    with_upkeep = [row.id for row in rows if row.has_upkeep]
    waiting_on = waiting.find(tx, with_upkeep) if with_upkeep else []
    claim_rows.claim(tx, rows, reason_states, worker, lease_until)
    if waiting_on:
        waiting.hold(tx, waiting_on)
    traits = stream_rows.traits_of_streams(tx, [row.id for row in rows])
    decode_time = time_decoder(tx.dialect.name)
    hit(Failpoint.BEFORE_CLAIM_COMMIT)
    return [
        Claim(  # positional arguments, because keywords take twice as long
            row.id,
            row.name,
            row.state_serial_no + 1,
            worker,
            _reason(row.decision, reason_states),
            row.attempts + 1,
            traits[row.id],
            row.event_count,
            decode_time(row.stream_time),
            row.failures,
            None if row.decision is None else Decision(row.decision),
        )
        for row in rows
    ]


def _reason(decision: str | None, reason_states: ReasonStates) -> Reason:
    """Return the reason of a claim. A cancelled stream has the states of firing."""
    if decision is None or reason_states is not FIRE_STATES:
        return reason_states.reason
    return Reason.CANCEL if decision == Decision.CANCELLED else Reason.FIRE


def renew(tx: Transaction, claims: Sequence[Claim], lease: timedelta) -> list[Claim]:
    """Extend the leases of the valid claims; return these claims."""
    lease_until = tx.real_time() + lease
    lease_tokens = claim_rows.lock_claimed(tx, claims)
    stream_ids = sorted(stream_id for stream_id, _, _ in lease_tokens)
    claim_rows.extend_leases(tx, stream_ids, lease_until)
    return [claim for claim in claims if claim.lease_token in lease_tokens]


def release(tx: Transaction, claims: Sequence[Claim], *, began_commit: bool = False) -> int:
    """Release the valid claims; return their number.

    The attempt counts only if the handlers began to commit.
    """
    lease_tokens = claim_rows.lock_claimed(tx, claims)
    stream_ids = sorted(claim.stream_id for claim in claims if claim.lease_token in lease_tokens)
    claim_rows.release(tx, stream_ids, tx.real_time(), keep_attempt=began_commit)
    return len(stream_ids)


def release_all(tx: Transaction, worker: str, held: Collection[int] = ()) -> int:
    """Release the claims of `worker`, counting their attempts; return their number.

    The streams with the ids `held` stay claimed.
    """
    stream_ids = [each for each in claim_rows.lock_claimed_by(tx, worker) if each not in held]
    claim_rows.release(tx, stream_ids, tx.real_time(), keep_attempt=True)
    return len(stream_ids)


def rescue(
    tx: Transaction,
    *,
    max_attempts: int,
    limit: int,
    backoff: Callable[[int], timedelta] = no_backoff,
    workers: Sequence[str] | None = None,
) -> tuple[int, int]:
    """Release up to `limit` streams with an expired lease, or the streams claimed by `workers`.

    They are tried alone from now on. If a stream was already being tried alone, this counts as a
    failure, and `backoff` returns the delay for the number of failures. Returns the number of
    streams that will be retried, and the number that are now in error.
    """
    real_now = tx.real_time()
    rescued = failed = 0
    if workers is None:
        queue = stream_queues.expired_lease_queue(real_now, *REASON_STATES)
    else:
        queue = stream_queues.claimed_by_queue(workers)
    for held, stream_ids in _by_situation(claim_rows.lock_queue(tx, queue, limit)).items():
        reason_states, failures, attempts = held
        values: dict[str, Any] = {"trial": Trial.DUE.value}
        delay = timedelta(0)
        if failures is not None:
            values["failures"], delay = failures, backoff(failures)
        if failures is None or failures < max_attempts:
            values |= {"worker": None, "retry_at": real_now + delay}
            claim_rows.set_state(tx, stream_ids, reason_states.retry, **values)
            rescued += len(stream_ids)
        else:
            values["last_error"] = claim_rows.worker_died_error_expression(failures, attempts)
            claim_rows.set_state(tx, stream_ids, reason_states.failed, **values)
            failed += len(stream_ids)
    return rescued, failed


def _by_situation(
    rows: Sequence[ReadyStream],
) -> dict[tuple[ReasonStates, int | None, int], list[int]]:
    """Group the ids of claimed streams of dead workers by reason, failures, and attempts.

    The failures include this one. They are None if it does not count, because the stream was not
    tried alone.
    """
    grouped: dict[tuple[ReasonStates, int | None, int], list[int]] = {}
    for row in rows:
        reason_states = FIRE_STATES if row.state == FIRE_STATES.working else EXPIRE_STATES
        was_alone = row.trial == Trial.ALONE
        held = (
            (reason_states, row.failures + 1, row.attempts)
            if was_alone
            else (reason_states, None, 0)
        )
        grouped.setdefault(held, []).append(row.id)
    return grouped


def complete(
    tx: Transaction,
    completions: Sequence[Completion],
    policy: TimePolicy,
) -> CompletionResult:
    """Complete the streams with valid claims; store their new events and effects.

    A lost lease does not affect the other streams.
    """
    lease_tokens = claim_rows.lock_claimed(tx, [each.claim for each in completions])
    valid = [each for each in completions if each.claim.lease_token in lease_tokens]
    matched_events = [matched_event for each in valid for matched_event in each.matched_events]
    result = record(tx, matched_events, policy) if matched_events else IngestResult(())
    if any(each.effects for each in valid):
        record_effects(tx, valid)
    purged = [each.claim.stream_id for each in valid if each.purge and each.commit_error is None]
    delete_streams(tx, purged)
    kept = [each.claim.stream_id for each in valid if not each.purge and each.commit_error is None]
    claim_rows.set_state(tx, kept, StreamState.COMPLETED, last_error=None, trial=None)
    for each in valid:
        if each.commit_error is not None:
            claim_rows.set_state(
                tx,
                [each.claim.stream_id],
                StreamState.COMPLETED,
                last_error=tx.dialect.storable(each.commit_error),
                trial=None,
            )
    hit(Failpoint.BEFORE_COMPLETION_COMMIT)
    return CompletionResult.from_ingest(valid, matched_events, result)


def fail(tx: Transaction, failure: Failure, max_attempts: int) -> StreamState | None:
    """Move a stream to its retry state, or to its error state after `max_attempts` failures.

    Returns the new state, or None if the claim is lost.
    """
    claim = failure.claim
    if not claim_rows.lock_claimed(tx, [claim]):
        return None
    reason_states = states_for_reason(claim.reason)
    failures = claim.failures + 1
    final = failure.final or failures >= max_attempts
    state = reason_states.failed if final else reason_states.retry
    retry_at = None if final else tx.real_time() + failure.retry_delay
    claim_rows.set_state(
        tx,
        [claim.stream_id],
        state,
        last_error=tx.dialect.storable(failure.error),
        retry_at=retry_at,
        failures=failures,
        trial=None,
    )
    hit(Failpoint.BEFORE_FAILURE_COMMIT)
    return state
