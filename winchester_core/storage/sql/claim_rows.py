"""Workers' statements on the table of streams: claims, leases, changes of state."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Text, case, func, literal, select, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.stream import (
    FIRE_STATES,
    HOLDING,
    MAX_HISTORY_LENGTH,
    REASON_STATES,
    ReasonStates,
    StreamState,
    Trial,
    history_line_end,
)
from winchester_core.storage.records import worker_died_error, worker_died_error_prefix
from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.bulk import RowLock, parameter_batches
from winchester_core.storage.sql.queries import distinct_texts
from winchester_core.storage.sql.stream_queues import (
    IS_CLAIMED,
    StreamQueue,
    expiry_check_queue,
    in_scope,
    queue_query,
)
from winchester_core.storage.sql.tables import streams
from winchester_core.storage.sql.types import time_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

    from winchester_core.storage.records import Claim, TriggerScope
    from winchester_core.storage.sql.database import Transaction


class ReadyStream(NamedTuple):
    """The columns that a claim needs, as the driver returns them.

    `stream_time` must be decoded. The last two are true if a time of upkeep is set, and if the
    expiry is after its check.
    """

    id: int
    name: str
    state: str
    state_serial_no: int
    attempts: int
    failures: int
    trial: str | None
    event_count: int
    decision: str | None
    stream_time: Any
    has_upkeep: bool
    expires_later: bool


_CLAIM_COLUMNS = (
    *streams.c["id", "name", "state", "state_serial_no", "attempts", "failures", "trial"],
    *streams.c["event_count", "decision"],
    func.coalesce(streams.c.fire_timestamp, streams.c.expire_timestamp),
    streams.c.upkeep_at.is_not(None),
    streams.c.check_at < streams.c.expire_timestamp,
)
"""The columns of `ReadyStream`."""

_VERSION = (streams.c.id, streams.c.state_serial_no)

_LOCK_CLAIMED = RowLock(streams, "id", ("id", "state_serial_no", "worker"), "PRIMARY")


FLOOR_MARGIN: Final = timedelta(minutes=1)
"""Streams due within this time are always read, because they may have been committed late."""

RESCHEDULE_BATCH: Final = 1_000
"""Minimum number of due expiry checks to reschedule at once, so that few transactions do it."""


def lock_queue(
    tx: Transaction, queue: StreamQueue, limit: int, scope: TriggerScope | None = None
) -> list[ReadyStream]:
    """Lock and return the first `limit` streams of `queue`; skip locked rows.

    The streams that `scope` skips are left out. Records in `scope` the time of the first other
    stream.
    """
    columns = _CLAIM_COLUMNS
    if scope is not None and scope.skipped:
        columns = (*_CLAIM_COLUMNS, queue.order)
        if queue.name not in scope.floors:
            in_queue = in_scope(tx.dialect, queue, scope)
            first = queue_query(tx.dialect, select(queue.order), in_queue, 1)
            _set_floor(scope, queue, tx.execute(first).scalars().first())  # no locks: many rows
    query = queue_query(tx.dialect, select(*columns), in_scope(tx.dialect, queue, scope), limit)
    rows = _fetch(tx, tx.dialect.lock_rows(query, skip_locked=True))
    if scope is not None and scope.skipped:
        decode_time = time_decoder(tx.dialect.name)
        _set_floor(scope, queue, decode_time(rows[0][-1]) if rows else None)
    number = len(_CLAIM_COLUMNS)
    return [ReadyStream._make(row[:number]) for row in rows]


def _fetch(tx: Transaction, query: Select[Any]) -> list[Sequence[Any]]:
    return list(
        chain.from_iterable(driver_statements.fetch_parts(tx.connection, tx.execute(query)))
    )


def _set_floor(scope: TriggerScope, queue: StreamQueue, first: datetime | None) -> None:
    """Record the time of the first stream of `queue` in `scope` (None: there is none)."""
    if queue.latest is not None:
        floor = queue.latest - FLOOR_MARGIN
        scope.floors[queue.name] = floor if first is None else min(floor, first)


def skip_unknown(tx: Transaction, rows: Sequence[ReadyStream], scope: TriggerScope) -> bool:
    """If `rows` contain streams of unknown triggers, make `scope` skip these.

    Return whether there are any.
    """
    met = {row.name: row.id for row in reversed(rows) if row.name not in scope.known}
    if not met:
        return False
    scope.first_ready = {**met, **scope.first_ready}
    scope.skipped |= frozenset(met)  # so that the caller's repetition cannot find them again
    skip_unknown_triggers(tx, scope)
    return True


def skip_unknown_triggers(tx: Transaction, scope: TriggerScope) -> None:
    """Make `scope` skip the streams of all triggers that it does not know."""
    scope.skipped |= frozenset(distinct_texts(tx, streams.c.name)) - scope.known


def reschedule_checks(
    tx: Transaction, now: datetime, min_limit: int, scope: TriggerScope | None
) -> None:
    """If streams expire later than their check, move the check to the time of expiry.

    Examines the first `min_limit` streams in `scope` whose check is due, at least
    `RESCHEDULE_BATCH`.
    """
    limit = max(min_limit, RESCHEDULE_BATCH)
    due = lock_queue(tx, expiry_check_queue(now), limit, scope)
    expiring_later = [row.id for row in due if row.expires_later]
    _update(tx, expiring_later, check_at=streams.c.expire_timestamp)


def _update(tx: Transaction, stream_ids: Sequence[int], **values: Any) -> None:
    for batch in parameter_batches(stream_ids):
        condition = tx.dialect.is_one_of(streams.c.id, batch)
        tx.execute(update(streams).where(condition).values(values))


def lock_one(tx: Transaction, stream_id: int) -> ReadyStream | None:
    """Lock and return the stream with this id, or None if it does not exist."""
    query = select(*_CLAIM_COLUMNS).where(streams.c.id == stream_id, streams.c.state != HOLDING)
    rows = _fetch(tx, tx.dialect.lock_rows(query))
    return ReadyStream._make(rows[0]) if rows else None


def claim(
    tx: Transaction,
    rows: Sequence[ReadyStream],
    reason_states: ReasonStates,
    worker: str,
    lease_until: datetime,
) -> None:
    """Claim the streams in `rows`: either one that must be tried alone, or any number of others.

    If one of them has changed since it was read, raises `ConcurrentChange`, and the caller retries.
    """
    mark = {"trial": Trial.ALONE.value} if any(row.trial for row in rows) else {}
    for batch in parameter_batches(rows):
        claimed = tx.execute(
            update(streams)
            .where(
                tx.dialect.has_version(_VERSION, [(row.id, row.state_serial_no) for row in batch])
            )
            .values(
                state=reason_states.working.value,
                state_serial_no=streams.c.state_serial_no + 1,
                open_key=None,
                worker=worker,
                lease_until=lease_until,
                retry_at=None,
                attempts=streams.c.attempts + 1,
                history=appended_history(tx, reason_states.working, worker),
                **mark,
            )
        ).rowcount
        if claimed != len(batch):
            raise ConcurrentChange(f"streams claimed by another worker: {len(batch) - claimed}")


def lock_claimed(tx: Transaction, claims: Sequence[Claim]) -> set[tuple[int, int, str]]:
    """Lock the streams of these claims; return the lease tokens of the valid claims."""
    stream_ids = sorted({claim.stream_id for claim in claims})
    rows = tx.dialect.bulk.lock(tx.connection, _LOCK_CLAIMED, stream_ids)
    return {claim.lease_token for claim in claims}.intersection(map(tuple, rows))


def lock_claimed_by(tx: Transaction, worker: str) -> list[int]:
    """Lock every stream claimed by this worker; return their ids, ascending."""
    query = (
        select(streams.c.id).where(IS_CLAIMED, streams.c.worker == worker).order_by(streams.c.id)
    )
    indexed = tx.dialect.force_index(query, streams, "ix_streams_state_lease_until")
    return list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)).scalars())


def claiming_workers(tx: Transaction) -> list[str]:
    """Return the ids of the workers that have claimed streams."""
    query = select(streams.c.worker).distinct().where(IS_CLAIMED)
    indexed = tx.dialect.force_index(query, streams, "ix_streams_state_lease_until")
    return [worker for worker in tx.execute(indexed).scalars() if worker is not None]


def extend_leases(tx: Transaction, stream_ids: Sequence[int], lease_until: datetime) -> None:
    """Extend the leases of locked streams."""
    _update(tx, stream_ids, lease_until=lease_until)


def set_state(
    tx: Transaction,
    stream_ids: Sequence[int],
    state: StreamState,
    *,
    operator: str | None = None,
    **values: Any,
) -> None:
    """Move locked streams into `state`, end their leases, and set the columns in `values`.

    The history names the operator of the change, if there is one.
    """
    _update(
        tx,
        stream_ids,
        state=state.value,
        state_serial_no=streams.c.state_serial_no + 1,
        lease_until=None,
        history=appended_history(tx, state, operator),
        **values,
    )


def release(
    tx: Transaction, stream_ids: Sequence[int], real_now: datetime, *, keep_attempt: bool
) -> None:
    """Release locked streams. They are ready now; if they must be tried alone, this stays true.

    If `keep_attempt` is true, the number of the attempt is not used again.
    """
    retry = case(
        (streams.c.state == FIRE_STATES.working.value, FIRE_STATES.retry.value),
        else_=StreamState.RETRY_EXPIRE.value,
    )
    _update(
        tx,
        stream_ids,
        state=retry,
        state_serial_no=streams.c.state_serial_no + 1,
        attempts=streams.c.attempts - (0 if keep_attempt else 1),
        trial=case((streams.c.trial == Trial.ALONE.value, Trial.DUE.value), else_=streams.c.trial),
        worker=None,
        lease_until=None,
        retry_at=real_now,
        history=appended_retry_history(tx),
    )


def worker_died_error_expression(failures: int, attempts: int) -> ColumnElement[str]:
    """Return an expression for the error of streams whose worker died in the last attempt."""
    earlier_error = streams.c.last_error
    return case(
        (earlier_error.is_(None), worker_died_error(failures)),
        else_=worker_died_error_prefix(attempts) + earlier_error,
    )


def appended_history(
    tx: Transaction, state: StreamState, worker: str | None = None
) -> ColumnElement[str]:
    """Return the history plus a line for a change into `state`.

    `worker` is the worker of a claim, or the operator of a reset.
    """
    line_end = tx.dialect.storable(history_line_end(state, worker))
    return _append_to_history(tx, literal(line_end, Text()))


def appended_retry_history(tx: Transaction) -> ColumnElement[str]:
    """Return the history plus a line for the change from a claimed state to its retry state.

    Both states are matched, because on MariaDB an assignment sees the new values of earlier ones.
    """
    lines = [
        (
            streams.c.state.in_([reason_states.working.value, reason_states.retry.value]),
            literal(history_line_end(reason_states.retry), Text()),
        )
        for reason_states in REASON_STATES
    ]
    return _append_to_history(tx, case(*lines))


def _append_to_history(tx: Transaction, line_end: ColumnElement[str]) -> ColumnElement[str]:
    history = func.coalesce(streams.c.history, literal("", Text()), type_=Text())
    return tx.dialect.last_characters(history + tx.real_time_text() + line_end, MAX_HISTORY_LENGTH)
