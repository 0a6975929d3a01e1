"""Statements of workers on the table of streams: claiming, proving, finishing, rescuing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, select, tuple_, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.stream import FIRE_LANE, LANES, Lane, Reason, StreamState
from winchester_core.storage.death_note import died_after_failure, died_each_time
from winchester_core.storage.records import MOST_COUNTED
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import Claim

_WORKING = (StreamState.FIRING.value, StreamState.EXPIRING.value)
_HEAD = (
    streams.c.id,
    streams.c.name,
    streams.c.state,
    streams.c.state_serial_no,
    streams.c.attempts,
    streams.c.event_count,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """Streams that wait for something, in the order of an index.

    Nothing breaks a tie: a million streams may expire at one midnight, and PostgreSQL, whose
    indexes do not end with the id, would sort them all for each claim.
    """

    condition: ColumnElement[bool]
    order: tuple[ColumnElement[Any], ...]
    index: str
    null: ColumnElement[Any] | None = None
    """A column that the condition holds null, which comes before `order` in the index."""


def first_tries(reason: Reason, now: datetime) -> Queue:
    """Active streams whose time has come."""
    queue = _firing if reason is Reason.FIRE else _expiring
    return queue(ready_first_time(reason, now))


def retries(lane: Lane, real_now: datetime) -> Queue:
    """Streams whose next try is due."""
    return _retries(and_(streams.c.state == lane.retry.value, streams.c.retry_at <= real_now))


def abandoned(real_now: datetime) -> Queue:
    """Claimed streams whose lease has run out."""
    return _leases(and_(streams.c.state.in_(_WORKING), streams.c.lease_until < real_now))


def _firing(condition: ColumnElement[bool]) -> Queue:
    order = (streams.c.fire_timestamp, streams.c.expire_timestamp)
    return Queue(condition, order, "ix_streams_due")


def _expiring(condition: ColumnElement[bool]) -> Queue:
    order, null = (streams.c.expire_timestamp,), streams.c.fire_timestamp
    return Queue(condition, order, "ix_streams_due", null)


def _retries(condition: ColumnElement[bool]) -> Queue:
    return Queue(condition, (streams.c.retry_at,), "ix_streams_state_retry_at")


def _leases(condition: ColumnElement[bool]) -> Queue:
    return Queue(condition, (streams.c.lease_until,), "ix_streams_state_lease_until")


def ready_first_time(reason: Reason, now: datetime) -> ColumnElement[bool]:
    """Active streams whose time has come at the stream time `now`."""
    active = streams.c.state == StreamState.ACTIVE.value
    if reason is Reason.FIRE:
        return and_(active, streams.c.fire_timestamp <= now)
    return and_(active, streams.c.fire_timestamp.is_(None), streams.c.expire_timestamp <= now)


def lock_first(
    connection: Connection, dialect: SqlDialect, queue: Queue, limit: int
) -> list[Row[Any]]:
    """The first `limit` streams of `queue`; what others have locked is passed over."""
    query = _in_order(dialect, select(*_HEAD), queue, limit)
    return list(connection.execute(dialect.lock_rows(query, skip_locked=True)))


def lock_one(connection: Connection, dialect: SqlDialect, stream_id: int) -> Row[Any] | None:
    """The stream with this id, locked."""
    query = select(*_HEAD).where(streams.c.id == stream_id)
    return connection.execute(dialect.lock_rows(query)).first()


def take(
    connection: Connection,
    rows: Sequence[Row[Any]],
    lane: Lane,
    worker: str,
    lease_until: datetime,
) -> None:
    """Claim the streams of `rows` as they were read.

    Raises `ConcurrentChange` when one of them is not what it was: the caller starts anew.
    """
    for page in pages(rows):
        claimed = connection.execute(
            update(streams)
            .where(streams.c.id.in_([row.id for row in page]), _unchanged(page))
            .values(
                state=lane.working.value,
                state_serial_no=streams.c.state_serial_no + 1,
                open_key=None,
                worker=worker,
                lease_until=lease_until,
                retry_at=None,
                attempts=streams.c.attempts + 1,
            )
        ).rowcount
        if claimed != len(page):
            raise ConcurrentChange(f"{len(page) - claimed} streams were claimed by another worker")


def _unchanged(rows: Sequence[Row[Any]]) -> ColumnElement[bool]:
    return tuple_(streams.c.id, streams.c.state_serial_no).in_(
        [(row.id, row.state_serial_no) for row in rows]
    )


def held(claims: Iterable[Claim]) -> ColumnElement[bool]:
    """The condition that a stream is still as its claim left it: every change bumps the serial."""
    listed = list(claims)
    return and_(
        streams.c.id.in_([claim.stream_id for claim in listed]),
        tuple_(streams.c.id, streams.c.state_serial_no).in_(
            [(claim.stream_id, claim.serial) for claim in listed]
        ),
        streams.c.worker.in_({claim.worker for claim in listed}),
    )


def lock_held(
    connection: Connection, dialect: SqlDialect, claims: Sequence[Claim]
) -> set[tuple[int, int, str]]:
    """Lock the streams whose claims still hold; return the proofs of those claims."""
    proofs: set[tuple[int, int, str]] = set()
    for page in pages(claims):
        query = (
            select(streams.c.id, streams.c.state_serial_no, streams.c.worker)
            .where(held(page))
            .order_by(streams.c.id)
        )
        indexed = dialect.through_index(query, streams, "PRIMARY")
        rows = connection.execute(dialect.lock_rows(indexed))
        proofs.update((row.id, row.state_serial_no, row.worker) for row in rows)
    return proofs


def lock_all_of(connection: Connection, dialect: SqlDialect, worker: str) -> list[int]:
    """Lock every stream in the hands of this worker; return their ids, in order."""
    query = (
        select(streams.c.id)
        .where(
            streams.c.state.in_(_WORKING),
            streams.c.lease_until.is_not(None),  # the index has no others
            streams.c.worker == worker,
        )
        .order_by(streams.c.id)
    )
    indexed = dialect.through_index(query, streams, "ix_streams_state_lease_until")
    return list(connection.execute(dialect.lock_rows(indexed, skip_locked=True)).scalars())


def renew(connection: Connection, stream_ids: Sequence[int], lease_until: datetime) -> int:
    """Extend the leases of these locked streams; return how many they are."""
    for page in pages(stream_ids):
        connection.execute(
            update(streams).where(streams.c.id.in_(page)).values(lease_until=lease_until)
        )
    return len(stream_ids)


def finish(
    connection: Connection, stream_ids: Sequence[int], state: StreamState, **values: Any
) -> None:
    """Move locked streams out of a worker's hands, into `state`."""
    for page in pages(stream_ids):
        connection.execute(
            update(streams)
            .where(streams.c.id.in_(page))
            .values(
                state=state.value,
                state_serial_no=streams.c.state_serial_no + 1,
                lease_until=None,
                **values,
            )
        )


def give_back(connection: Connection, stream_ids: Sequence[int], real_now: datetime) -> None:
    """Release locked streams: ready at once, and the attempt does not count."""
    retry = case(
        (streams.c.state == FIRE_LANE.working.value, FIRE_LANE.retry.value),
        else_=StreamState.RETRY_EXPIRE.value,
    )
    for page in pages(stream_ids):
        connection.execute(
            update(streams)
            .where(streams.c.id.in_(page))
            .values(
                state=retry,
                state_serial_no=streams.c.state_serial_no + 1,
                attempts=streams.c.attempts - 1,
                worker=None,
                lease_until=None,
                retry_at=real_now,
            )
        )


def delete_all(connection: Connection, stream_ids: Sequence[int]) -> None:
    """Remove the rows of these streams."""
    for page in pages(stream_ids):
        connection.execute(delete(streams).where(streams.c.id.in_(page)))


def death_note(attempts: int) -> ColumnElement[str]:
    """What to record of a stream whose worker died in its last attempt."""
    earlier_error = streams.c.last_error
    return case(
        (earlier_error.is_(None), died_each_time(attempts)),
        else_=died_after_failure(attempts) + earlier_error,
    )


def count_ready(
    connection: Connection, dialect: SqlDialect, now: datetime | None, real_now: datetime
) -> int:
    """How many streams a worker could claim at this moment; see `MOST_COUNTED`."""
    queues = [retries(lane, real_now) for lane in LANES]
    if now is not None:
        queues += [first_tries(reason, now) for reason in Reason]
    return _count(connection, dialect, queues)


def count_working(connection: Connection, dialect: SqlDialect) -> int:
    """How many streams are in some worker's hands; see `MOST_COUNTED`."""
    leased = streams.c.lease_until.is_not(None)
    conditions = [and_(streams.c.state == state, leased) for state in _WORKING]
    return _count(connection, dialect, [_leases(condition) for condition in conditions])


def waiting_retries(
    connection: Connection, dialect: SqlDialect, real_now: datetime
) -> tuple[int, datetime | None]:
    """How many streams wait for their next try (`MOST_COUNTED`), and when the first is due."""
    queues = [
        _retries(and_(streams.c.state == lane.retry.value, streams.c.retry_at > real_now))
        for lane in LANES
    ]
    earliest = [_first(connection, dialect, streams.c.retry_at, queue) for queue in queues]
    first = min((moment for moment in earliest if moment is not None), default=None)
    return (0 if first is None else _count(connection, dialect, queues)), first


def next_due(connection: Connection, dialect: SqlDialect) -> datetime | None:
    """The earliest stream time at which an active stream fires or expires."""
    active = streams.c.state == StreamState.ACTIVE.value
    fire_time, expire_time = streams.c.fire_timestamp, streams.c.expire_timestamp
    times = (
        _first(connection, dialect, fire_time, _firing(and_(active, fire_time.is_not(None)))),
        _first(connection, dialect, expire_time, _expiring(and_(active, fire_time.is_(None)))),
    )
    return min((time for time in times if time is not None), default=None)


def _first(
    connection: Connection, dialect: SqlDialect, time: ColumnElement[Any], queue: Queue
) -> datetime | None:
    query = _in_order(dialect, select(time), queue, limit=1)
    return connection.execute(query).scalar_one_or_none()


def _count(connection: Connection, dialect: SqlDialect, queues: Sequence[Queue]) -> int:
    """How many streams the queues have; of each, no more than are worth counting."""
    queries = [_in_order(dialect, select(streams.c.id), each, MOST_COUNTED) for each in queues]
    return min(sum(len(connection.execute(query).all()) for query in queries), MOST_COUNTED)


def _in_order(dialect: SqlDialect, query: Select[Any], queue: Queue, limit: int) -> Select[Any]:
    """The first `limit` streams of a queue.

    In order also where any would do: the database would else go through the table until it has
    found enough, and what is due mostly comes last.
    """
    order = dialect.index_order(queue.order, after_null=queue.null)
    ordered = query.where(queue.condition).order_by(*order).limit(limit)
    return dialect.through_index(ordered, streams, queue.index)
