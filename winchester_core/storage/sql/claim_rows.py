"""Workers' statements on the table of streams: claims, leases, changes of state, queues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Text, and_, case, func, literal, select, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.stream import (
    CLAIMED_STATES,
    FIRE_STATES,
    HOLDING,
    MAX_HISTORY_LENGTH,
    REASON_STATES,
    Reason,
    ReasonStates,
    StreamState,
    Trial,
    history_line_end,
)
from winchester_core.storage.records import worker_died_error, worker_died_error_prefix
from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.bulk import RowLock, parameter_batches
from winchester_core.storage.sql.queries import distinct_texts
from winchester_core.storage.sql.tables import streams
from winchester_core.storage.sql.types import time_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

    from winchester_core.storage.records import Claim, TriggerScope
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect


_IS_CLAIMED = and_(
    streams.c.state.in_([state.value for state in CLAIMED_STATES]),
    streams.c.lease_until.is_not(None),  # the index has no others
)


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
        select(streams.c.id).where(_IS_CLAIMED, streams.c.worker == worker).order_by(streams.c.id)
    )
    indexed = tx.dialect.force_index(query, streams, "ix_streams_state_lease_until")
    return list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)).scalars())


def claiming_workers(tx: Transaction) -> list[str]:
    """Return the ids of the workers that have claimed streams."""
    query = select(streams.c.worker).distinct().where(_IS_CLAIMED)
    indexed = tx.dialect.force_index(query, streams, "ix_streams_state_lease_until")
    return [worker for worker in tx.execute(indexed).scalars() if worker is not None]


def extend_leases(tx: Transaction, stream_ids: Sequence[int], lease_until: datetime) -> None:
    """Extend the leases of locked streams."""
    _update(tx, stream_ids, lease_until=lease_until)


def set_state(
    tx: Transaction,
    stream_ids: Sequence[int],
    state: StreamState,
    **values: Any,
) -> None:
    """Move locked streams into `state`, end their leases, and set the columns in `values`."""
    _update(
        tx,
        stream_ids,
        state=state.value,
        state_serial_no=streams.c.state_serial_no + 1,
        lease_until=None,
        history=appended_history(tx, state),
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
    """Return the history plus a line for a change into `state`, with the worker of a claim."""
    return _append_to_history(tx, literal(history_line_end(state, worker), Text()))


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


# Queues of streams that wait for workers, each in the order of an index.


TimeOperand: TypeAlias = "datetime | ColumnElement[datetime]"

_ACTIVE = streams.c.state == StreamState.ACTIVE.value


@dataclass(frozen=True, slots=True)
class StreamQueue:
    """Streams that meet `condition`, in the order of the column `order`, through `index`.

    Ties have no order: a million streams may expire at the same midnight, and PostgreSQL would sort
    them all for each claim, because its indexes do not end with the id.
    """

    name: str
    condition: ColumnElement[bool]
    order: ColumnElement[Any]
    index: str
    null_column: ColumnElement[Any] | None = None
    """Column before `order` in the index; it is null for all streams in the queue."""
    due_at: ColumnElement[Any] | None = None
    """Time at which a stream is due, if it may be later than `order`."""
    latest: datetime | None = None
    """Upper limit of `order` in the condition, if it is a value."""


def fire_queue(now: TimeOperand | None = None) -> StreamQueue:
    """Return the streams that have met their fire criteria; with `now`, only the due ones."""
    time = streams.c.fire_timestamp
    condition = and_(_ACTIVE, time.is_not(None) if now is None else time <= now)
    return StreamQueue("fire", condition, time, "ix_streams_due", latest=_value(now))


def expire_queue(now: TimeOperand | None = None) -> StreamQueue:
    """Return the streams that have not met their fire criteria; with `now`, the expired ones."""
    queue, due_at = expiry_check_queue(now), streams.c.expire_timestamp
    condition = queue.condition if now is None else and_(queue.condition, due_at <= now)
    return replace(queue, condition=condition, due_at=due_at)


def expiry_check_queue(now: TimeOperand | None = None) -> StreamQueue:
    """Return the streams that have not met their fire criteria; with `now`, with a due check."""
    time, null_column = streams.c.check_at, streams.c.fire_timestamp
    condition = and_(_ACTIVE, null_column.is_(None))
    return StreamQueue(
        "expire",
        condition if now is None else and_(condition, time <= now),
        time,
        "ix_streams_due",
        null_column,
        latest=_value(now),
    )


def _value(time: TimeOperand | None) -> datetime | None:
    return time if isinstance(time, datetime) else None


def first_attempt_queue(reason: Reason, now: TimeOperand) -> StreamQueue:
    """Return the active streams that are due at the stream time `now`."""
    return fire_queue(now) if reason is Reason.FIRE else expire_queue(now)


def retry_queue(
    reason_states: ReasonStates, real_now: TimeOperand, *, due: bool = True
) -> StreamQueue:
    """Return the streams whose retry is due, or (`due=False`) those whose retry is due later.

    Streams that must be tried alone are not included.
    """
    mark = streams.c.trial
    return _retry_queue(reason_states, mark.is_(None), real_now, due=due, null_column=mark)


def trial_queues(
    reason_states: ReasonStates, real_now: TimeOperand | None = None
) -> list[StreamQueue]:
    """Return the streams that must be tried alone; with `real_now`, those whose retry is due.

    They are one queue for each mark: the mark is `ALONE` if a worker of revision 0007, which leaves
    marks unchanged, has rescued the stream.
    """
    return [
        _retry_queue(reason_states, streams.c.trial == mark.value, real_now, name=mark.value)
        for mark in Trial
    ]


def _retry_queue(
    reason_states: ReasonStates,
    marked: ColumnElement[bool],
    real_now: TimeOperand | None,
    *,
    due: bool = True,
    null_column: ColumnElement[Any] | None = None,
    name: str = "ordinary",
) -> StreamQueue:
    time = streams.c.retry_at
    in_time: ColumnElement[bool]
    if real_now is None:
        in_time = time.is_not(None)  # the index has no others
    else:
        in_time = time <= real_now if due else time > real_now
    condition = and_(streams.c.state == reason_states.retry.value, marked, in_time)
    return StreamQueue(
        f"{reason_states.retry} {name}",
        condition,
        time,
        "ix_streams_state_retry_at",
        null_column,
        latest=_value(real_now) if due else None,
    )


def claimed_queue(reason_states: ReasonStates) -> StreamQueue:
    """Return the claimed streams."""
    leased = streams.c.lease_until.is_not(None)  # the index has no others
    return _lease_queue(and_(streams.c.state == reason_states.working.value, leased))


def expired_lease_queue(real_now: TimeOperand, *all_reason_states: ReasonStates) -> StreamQueue:
    """Return the claimed streams with an expired lease."""
    working = streams.c.state.in_(
        [reason_states.working.value for reason_states in all_reason_states]
    )
    return _lease_queue(and_(working, streams.c.lease_until < real_now))


def claimed_by_queue(workers: Sequence[str]) -> StreamQueue:
    """Return the streams claimed by these workers."""
    return _lease_queue(and_(_IS_CLAIMED, streams.c.worker.in_(workers)))


def in_scope(dialect: SqlDialect, queue: StreamQueue, scope: TriggerScope | None) -> StreamQueue:
    """Return `queue` without the streams that `scope` skips."""
    if scope is None or not scope.skipped:
        return queue
    conditions = [queue.condition, dialect.is_none_of(streams.c.name, sorted(scope.skipped))]
    if queue.name in scope.floors:
        conditions.append(queue.order >= scope.floors[queue.name])
    return replace(queue, condition=and_(*conditions))


def _lease_queue(condition: ColumnElement[bool]) -> StreamQueue:
    return StreamQueue("claimed", condition, streams.c.lease_until, "ix_streams_state_lease_until")


def queue_query(
    dialect: SqlDialect, query: Select[Any], queue: StreamQueue, limit: int
) -> Select[Any]:
    """Limit `query` to the first `limit` streams of a queue.

    The order matters even if the caller accepts any stream: without it the database scans the table
    until it has found enough streams, and due streams mostly come last.
    """
    order = dialect.index_order(queue.order, after_null=queue.null_column)
    ordered = query.where(queue.condition).order_by(*order).limit(limit)
    return dialect.force_index(ordered, streams, queue.index)
