"""Who works on which stream: claims, leases, releases and rescues."""

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
from winchester_core.storage.records import Claim
from winchester_core.storage.sql.queries import claims, clocks, queues, stream_traits
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection, Row

    from winchester_core.storage.dialects import SqlDialect


def claim_ready(
    connection: Connection,
    dialect: SqlDialect,
    *,
    worker: str,
    reason: Reason,
    now: datetime | None,
    limit: int,
    lease: timedelta,
) -> list[Claim] | None:
    """Claim up to `limit` streams: retries that are due first, then those whose time has come.

    Without a stream time (`now` is None) there are only retries. None when streams were in the way
    that expire later than they were to be checked: these are put off, and the claim is to be made
    anew, in a transaction of its own.
    """
    lane = states_for_reason(reason)
    real_now = clocks.real_time(connection, dialect)
    rows = claims.lock_first(connection, dialect, queues.retries(lane, real_now), limit)
    if now is not None and len(rows) < limit:
        queue = queues.to_fire(now) if reason is Reason.FIRE else queues.to_check(now)
        first_tries = claims.lock_first(connection, dialect, queue, limit - len(rows))
        if reason is Reason.EXPIRE and any(row.expires_later for row in first_tries):
            claims.put_off(connection, dialect, now, limit)
            return None
        rows += first_tries
    return _take(connection, dialect, rows, lane, worker, real_now + lease)


def claim_one(
    connection: Connection,
    dialect: SqlDialect,
    *,
    stream_id: int,
    worker: str,
    reason: Reason,
    lease: timedelta,
) -> Claim | None:
    """Claim this stream whatever its time; None when its state does not allow it.

    Raises `UnknownStream`.
    """
    row = claims.lock_one(connection, dialect, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    lane = states_for_reason(reason)
    if row.state not in (StreamState.ACTIVE, lane.retry):
        return None
    real_now = clocks.real_time(connection, dialect)
    return _take(connection, dialect, [row], lane, worker, real_now + lease)[0]


def _take(
    connection: Connection,
    dialect: SqlDialect,
    rows: Sequence[Row[Any]],
    lane: ReasonStates,
    worker: str,
    until: datetime,
) -> list[Claim]:
    if not rows:
        return []
    for row in rows:
        check_transition(StreamState(row.state), lane.working)
    claims.take(connection, dialect, rows, lane, worker, until)
    traits = stream_traits.of_streams(connection, dialect, [row.id for row in rows])
    reach(Checkpoint.BEFORE_CLAIM_COMMIT)
    return [
        Claim(
            stream_id=row.id,
            name=row.name,
            serial=row.state_serial_no + 1,
            worker=worker,
            reason=lane.reason,
            attempt=row.attempts + 1,
            distinguished_by=traits[row.id],
            event_count=row.event_count,
        )
        for row in rows
    ]


def renew(
    connection: Connection, dialect: SqlDialect, held: Sequence[Claim], lease: timedelta
) -> int:
    """Extend the leases of these claims; return how many still hold."""
    until = clocks.real_time(connection, dialect) + lease
    proofs = claims.lock_held(connection, dialect, held)
    return claims.renew(connection, dialect, sorted(stream_id for stream_id, _, _ in proofs), until)


def release(connection: Connection, dialect: SqlDialect, held: Sequence[Claim]) -> int:
    """Give claims back unused; return how many still held."""
    proofs = claims.lock_held(connection, dialect, held)
    stream_ids = sorted(claim.stream_id for claim in held if claim.proof in proofs)
    claims.give_back(connection, dialect, stream_ids, clocks.real_time(connection, dialect))
    return len(stream_ids)


def release_all(connection: Connection, dialect: SqlDialect, *, worker: str) -> int:
    """Give back whatever this worker holds; return how many streams."""
    stream_ids = claims.lock_all_of(connection, dialect, worker)
    claims.give_back(connection, dialect, stream_ids, clocks.real_time(connection, dialect))
    return len(stream_ids)


def rescue(
    connection: Connection, dialect: SqlDialect, *, max_attempts: int, limit: int
) -> tuple[int, int]:
    """Take up to `limit` streams from workers whose lease has run out.

    Returns how many may be tried again, and how many went to an error state for good.
    """
    real_now = clocks.real_time(connection, dialect)
    rescued = failed = 0
    abandoned = claims.lock_first(
        connection, dialect, queues.abandoned(real_now, *REASON_STATES), limit
    )
    for (lane, attempts), stream_ids in _divided(abandoned).items():
        if attempts < max_attempts:
            claims.finish(
                connection, dialect, stream_ids, lane.retry, worker=None, retry_at=real_now
            )
            rescued += len(stream_ids)
        else:
            note = claims.death_note(attempts)
            claims.finish(connection, dialect, stream_ids, lane.failed, last_error=note)
            failed += len(stream_ids)
    return rescued, failed


def _divided(rows: Sequence[Row[Any]]) -> dict[tuple[ReasonStates, int], list[int]]:
    """The ids of claimed streams by their lane and the number of their attempts."""
    divided: dict[tuple[ReasonStates, int], list[int]] = {}
    for row in rows:
        lane = FIRE_STATES if row.state == FIRE_STATES.working else EXPIRE_STATES
        divided.setdefault((lane, row.attempts), []).append(row.id)
    return divided
