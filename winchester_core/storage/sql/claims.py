"""Claims on streams: claim, renew, release, rescue, complete, fail.

Invariants of claims:

1. Every change of a stream's state increments its serial. A claim is valid while the row has its
   id, serial and worker: the serial ends a lease, not the time.
2. A claim checks the serials that it has read, and claims all of its streams or none.
3. A claim clears the open key: no event joins a claimed stream.
4. Queues are read with SKIP LOCKED, or behind SQLite's one writer: workers do not wait for each
   other, and each stream is claimed by one of them.
5. A check that comes too early is rescheduled in a transaction of its own, never with a claim.

Invariants of completion:

1. The rows of all claims are locked, in the order of ids, before anything is written. Those whose
   claim is no longer valid are left out with their events and effects.
2. New events, the streams that they join, effects and the final state are one transaction.
3. A stream with a commit error is kept, whatever `purge` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.errors import UnknownStream
from winchester_core.model.stream import (
    EXPIRE_STATES,
    FIRE_STATES,
    REASON_STATES,
    Reason,
    ReasonStates,
    StreamState,
    check_transition,
    states_for_reason,
)
from winchester_core.storage.records import Claim, CompletionResult, IngestResult
from winchester_core.storage.sql import claim_rows, stream_rows
from winchester_core.storage.sql.ingest import record
from winchester_core.storage.sql.outbox import record_effects
from winchester_core.storage.sql.stream_rows import delete_streams
from winchester_core.telemetry.failpoints import Failpoint, hit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from winchester_core.clock import TimePolicy
    from winchester_core.storage.records import Completion, Failure
    from winchester_core.storage.sql.database import Transaction


def claim_ready(
    tx: Transaction,
    *,
    worker: str,
    reason: Reason,
    now: datetime | None,
    limit: int,
    lease: timedelta,
) -> list[Claim] | None:
    """Claim up to `limit` streams: due retries first, then streams that are due at `now`.

    Without a stream time (`now` is None) only retries are claimed. Returns None when some of the
    first streams expire later than their check: their checks have been rescheduled, and the caller
    must claim again in a new transaction.
    """
    reason_states = states_for_reason(reason)
    real_now = tx.real_time()
    rows = claim_rows.lock_queue(tx, claim_rows.retry_queue(reason_states, real_now), limit)
    if now is not None and len(rows) < limit:
        queue = (
            claim_rows.fire_queue(now)
            if reason is Reason.FIRE
            else claim_rows.expiry_check_queue(now)
        )
        first_attempts = claim_rows.lock_queue(tx, queue, limit - len(rows))
        if reason is Reason.EXPIRE and any(row.expires_later for row in first_attempts):
            claim_rows.reschedule_checks(tx, now, limit)
            return None
        rows += first_attempts
    return _claim(tx, rows, reason_states, worker, real_now + lease)


def claim_one(
    tx: Transaction,
    *,
    stream_id: int,
    worker: str,
    reason: Reason,
    lease: timedelta,
) -> Claim | None:
    """Claim this stream regardless of its time; None when its state does not allow it.

    Raises `UnknownStream`.
    """
    row = claim_rows.lock_one(tx, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    reason_states = states_for_reason(reason)
    if row.state not in (StreamState.ACTIVE, reason_states.retry):
        return None
    real_now = tx.real_time()
    return _claim(tx, [row], reason_states, worker, real_now + lease)[0]


def _claim(
    tx: Transaction,
    rows: Sequence[Row[Any]],
    reason_states: ReasonStates,
    worker: str,
    lease_until: datetime,
) -> list[Claim]:
    if not rows:
        return []
    for row in rows:
        check_transition(StreamState(row.state), reason_states.working)
    claim_rows.claim(tx, rows, reason_states, worker, lease_until)
    traits = stream_rows.traits_of_streams(tx, [row.id for row in rows])
    hit(Failpoint.BEFORE_CLAIM_COMMIT)
    return [
        Claim(
            stream_id=row.id,
            name=row.name,
            serial=row.state_serial_no + 1,
            worker=worker,
            reason=reason_states.reason,
            attempt=row.attempts + 1,
            distinguished_by=traits[row.id],
            event_count=row.event_count,
        )
        for row in rows
    ]


def renew(tx: Transaction, claims: Sequence[Claim], lease: timedelta) -> int:
    """Extend the leases of the valid claims; return how many are valid."""
    lease_until = tx.real_time() + lease
    lease_tokens = claim_rows.lock_claimed(tx, claims)
    return claim_rows.extend_leases(
        tx, sorted(stream_id for stream_id, _, _ in lease_tokens), lease_until
    )


def release(tx: Transaction, claims: Sequence[Claim]) -> int:
    """Release the valid claims without counting the attempt; return how many were valid."""
    lease_tokens = claim_rows.lock_claimed(tx, claims)
    stream_ids = sorted(claim.stream_id for claim in claims if claim.lease_token in lease_tokens)
    claim_rows.release(tx, stream_ids, tx.real_time())
    return len(stream_ids)


def release_all(tx: Transaction, worker: str) -> int:
    """Release all claims of `worker` without counting the attempt; return how many."""
    stream_ids = claim_rows.lock_claimed_by(tx, worker)
    claim_rows.release(tx, stream_ids, tx.real_time())
    return len(stream_ids)


def rescue(tx: Transaction, *, max_attempts: int, limit: int) -> tuple[int, int]:
    """Release up to `limit` streams whose lease has expired.

    Returns how many will be retried, and how many moved to an error state.
    """
    real_now = tx.real_time()
    rescued = failed = 0
    expired = claim_rows.lock_queue(
        tx, claim_rows.expired_lease_queue(real_now, *REASON_STATES), limit
    )
    for (reason_states, attempts), stream_ids in _by_states_and_attempts(expired).items():
        if attempts < max_attempts:
            claim_rows.set_state(
                tx, stream_ids, reason_states.retry, worker=None, retry_at=real_now
            )
            rescued += len(stream_ids)
        else:
            message = claim_rows.worker_died_error_expression(attempts)
            claim_rows.set_state(tx, stream_ids, reason_states.failed, last_error=message)
            failed += len(stream_ids)
    return rescued, failed


def _by_states_and_attempts(rows: Sequence[Row[Any]]) -> dict[tuple[ReasonStates, int], list[int]]:
    """Group the ids of claimed streams by reason and number of attempts."""
    grouped: dict[tuple[ReasonStates, int], list[int]] = {}
    for row in rows:
        reason_states = FIRE_STATES if row.state == FIRE_STATES.working else EXPIRE_STATES
        grouped.setdefault((reason_states, row.attempts), []).append(row.id)
    return grouped


def complete(
    tx: Transaction,
    completions: Sequence[Completion],
    policy: TimePolicy,
) -> CompletionResult:
    """Complete the streams whose claims are valid; store their new events and effects.

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
    claim_rows.set_state(tx, kept, StreamState.COMPLETED, last_error=None)
    for each in valid:
        if each.commit_error is not None:
            claim_rows.set_state(
                tx,
                [each.claim.stream_id],
                StreamState.COMPLETED,
                last_error=each.commit_error,
            )
    hit(Failpoint.BEFORE_COMPLETION_COMMIT)
    return CompletionResult.from_ingest(valid, matched_events, result)


def fail(tx: Transaction, failure: Failure, max_attempts: int) -> StreamState | None:
    """Move a stream to its retry state, or to its error state after `max_attempts`.

    Returns the new state; None when the claim was lost.
    """
    claim = failure.claim
    if not claim_rows.lock_claimed(tx, [claim]):
        return None
    reason_states = states_for_reason(claim.reason)
    final = failure.final or claim.attempt >= max_attempts
    state = reason_states.failed if final else reason_states.retry
    retry_at = None if final else tx.real_time() + failure.retry_delay
    claim_rows.set_state(
        tx,
        [claim.stream_id],
        state,
        last_error=failure.error,
        retry_at=retry_at,
    )
    hit(Failpoint.BEFORE_FAILURE_COMMIT)
    return state
