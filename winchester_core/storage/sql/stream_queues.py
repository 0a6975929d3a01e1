"""Queues of streams that wait for workers, each in the order of an index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import and_

from winchester_core.model.stream import CLAIMED_STATES, Reason, ReasonStates, StreamState, Trial
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select

    from winchester_core.storage.records import TriggerScope
    from winchester_core.storage.sql.dialects import SqlDialect

IS_CLAIMED = and_(
    streams.c.state.in_([state.value for state in CLAIMED_STATES]),
    streams.c.lease_until.is_not(None),  # the index has no others
)

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
    return _lease_queue(and_(IS_CLAIMED, streams.c.worker.in_(workers)))


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
