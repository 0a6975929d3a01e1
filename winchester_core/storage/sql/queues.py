"""The queues in which streams wait for workers, each in the order of an index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import and_

from winchester_core.model.stream import Reason, ReasonStates, StreamState
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from winchester_core.storage.sql.dialects import SqlDialect

Moment: TypeAlias = "datetime | ColumnElement[datetime]"

_ACTIVE = streams.c.state == StreamState.ACTIVE.value


@dataclass(frozen=True, slots=True)
class Queue:
    """Streams that wait for something, in the order of an index.

    Nothing breaks a tie: a million streams may expire at one midnight, and PostgreSQL, whose
    indexes do not end with the id, would sort them all for each claim.
    """

    condition: ColumnElement[bool]
    order: ColumnElement[Any]
    index: str
    null_column: ColumnElement[Any] | None = None
    """A column that the condition holds null, which comes before `order` in the index."""
    due: ColumnElement[Any] | None = None
    """When each is due, where that may be later than the time in `order`."""


def to_fire(now: Moment | None = None) -> Queue:
    """Streams whose criteria are met; with a stream time `now`, those whose time has come."""
    time = streams.c.fire_timestamp
    condition = and_(_ACTIVE, time.is_not(None) if now is None else time <= now)
    return Queue(condition, time, "ix_streams_due")


def to_expire(now: Moment | None = None) -> Queue:
    """Streams whose criteria are not met; with a stream time `now`, those that have expired."""
    queue, due = to_check(now), streams.c.expire_timestamp
    condition = queue.condition if now is None else and_(queue.condition, due <= now)
    return replace(queue, condition=condition, due=due)


def to_check(now: Moment | None = None) -> Queue:
    """Streams whose criteria are not met; with a stream time `now`, those that may have expired."""
    time, null_column = streams.c.check_at, streams.c.fire_timestamp
    condition = and_(_ACTIVE, null_column.is_(None))
    return Queue(
        condition if now is None else and_(condition, time <= now),
        time,
        "ix_streams_due",
        null_column,
    )


def first_tries(reason: Reason, now: Moment) -> Queue:
    """Active streams whose time has come."""
    return to_fire(now) if reason is Reason.FIRE else to_expire(now)


def retries(reason_states: ReasonStates, real_now: Moment, *, due: bool = True) -> Queue:
    """Streams whose next try is due, or is still to come."""
    time = streams.c.retry_at
    when = time <= real_now if due else time > real_now
    condition = and_(streams.c.state == reason_states.retry.value, when)
    return Queue(condition, time, "ix_streams_state_retry_at")


def claimed(reason_states: ReasonStates) -> Queue:
    """Claimed streams."""
    leased = streams.c.lease_until.is_not(None)  # the index has no others
    return _lease_queue(and_(streams.c.state == reason_states.working.value, leased))


def lease_expired(real_now: Moment, *all_reason_states: ReasonStates) -> Queue:
    """Claimed streams whose lease has run out."""
    working = streams.c.state.in_(
        [reason_states.working.value for reason_states in all_reason_states]
    )
    return _lease_queue(and_(working, streams.c.lease_until < real_now))


def _lease_queue(condition: ColumnElement[bool]) -> Queue:
    return Queue(condition, streams.c.lease_until, "ix_streams_state_lease_until")


def in_order(dialect: SqlDialect, query: Select[Any], queue: Queue, limit: int) -> Select[Any]:
    """The first `limit` streams of a queue.

    In order also where any would do: the database would else go through the table until it has
    found enough, and what is due mostly comes last.
    """
    order = dialect.index_order(queue.order, after_null=queue.null_column)
    ordered = query.where(queue.condition).order_by(*order).limit(limit)
    return dialect.force_index(ordered, streams, queue.index)
