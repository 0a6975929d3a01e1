"""Statements of workers on the table of streams: claiming, proving, finishing, rescuing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, func, or_, select, tuple_, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.stream import FIRE_LANE, Lane, Reason, StreamState
from winchester_core.storage.death_note import died_after_failure, died_each_time
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

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
    """Streams that wait for something, in the order of an index."""

    condition: ColumnElement[bool]
    order: tuple[ColumnElement[Any], ...]
    index: str


def first_tries(reason: Reason, now: datetime) -> Queue:
    """Active streams whose time has come. Those that expire have no fire time to be sorted by."""
    order = (streams.c.fire_timestamp, streams.c.expire_timestamp, streams.c.id)
    return Queue(ready_first_time(reason, now), order, "ix_streams_due")


def retries(lane: Lane, real_now: datetime) -> Queue:
    """Streams whose next try is due."""
    condition = and_(streams.c.state == lane.retry.value, streams.c.retry_at <= real_now)
    return Queue(condition, (streams.c.retry_at, streams.c.id), "ix_streams_state_retry_at")


def abandoned(real_now: datetime) -> Queue:
    """Claimed streams whose lease has run out."""
    condition = and_(streams.c.state.in_(_WORKING), streams.c.lease_until < real_now)
    return Queue(condition, (streams.c.lease_until, streams.c.id), "ix_streams_state_lease_until")


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
    query = select(*_HEAD).where(queue.condition).order_by(*queue.order).limit(limit)
    indexed = dialect.through_index(query, streams, queue.index)
    return list(connection.execute(dialect.lock_rows(indexed, skip_locked=True)))


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
        .where(streams.c.state.in_(_WORKING), streams.c.worker == worker)
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


def count_ready(connection: Connection, now: datetime | None, real_now: datetime) -> int:
    """How many streams a worker could claim at this moment."""
    retries = (StreamState.RETRY_FIRE.value, StreamState.RETRY_EXPIRE.value)
    conditions = [and_(streams.c.state.in_(retries), streams.c.retry_at <= real_now)]
    if now is not None:
        conditions += [ready_first_time(reason, now) for reason in Reason]
    return _count(connection, or_(*conditions))


def count_working(connection: Connection) -> int:
    """How many streams are in some worker's hands."""
    return _count(connection, streams.c.state.in_(_WORKING))


def waiting_retries(connection: Connection, real_now: datetime) -> tuple[int, datetime | None]:
    """How many streams wait for their next try, and when the first of them is due."""
    retries = (StreamState.RETRY_FIRE.value, StreamState.RETRY_EXPIRE.value)
    query = select(func.count(), func.min(streams.c.retry_at)).where(
        streams.c.state.in_(retries), streams.c.retry_at > real_now
    )
    number, first = connection.execute(query).one()
    return number, first


def next_due(connection: Connection) -> datetime | None:
    """The earliest stream time at which an active stream fires or expires."""
    active = streams.c.state == StreamState.ACTIVE.value
    fires = select(func.min(streams.c.fire_timestamp)).where(active)
    expires = select(func.min(streams.c.expire_timestamp)).where(
        active, streams.c.fire_timestamp.is_(None)
    )
    times = [connection.execute(query).scalar_one() for query in (fires, expires)]
    return min((time for time in times if time is not None), default=None)


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(streams).where(condition)
    return connection.execute(query).scalar_one()
