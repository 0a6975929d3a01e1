"""Statements of workers on the table of streams: claiming, proving, finishing, rescuing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, select, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.stream import FIRE_STATES, REASON_STATES, ReasonStates, StreamState
from winchester_core.storage.death_note import died_after_failure, died_each_time
from winchester_core.storage.dialects.bulk import RowDelete, RowLock
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.queries import histories, queues
from winchester_core.storage.sql.queries.queues import Queue, in_order
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import Claim

_WORKING = [lane.working.value for lane in REASON_STATES]
_HEAD = (
    streams.c.id,
    streams.c.name,
    streams.c.state,
    streams.c.state_serial_no,
    streams.c.attempts,
    streams.c.event_count,
    (streams.c.check_at < streams.c.expire_timestamp).label("expires_later"),
)
"""What workers know of a stream; the last says whether it expires later than it is checked."""

_PROOF = RowLock(streams, "id", ("id", "state_serial_no", "worker"), "PRIMARY")

DELETION = RowDelete(streams, "id")
"""Remove streams, of which nothing else may be left."""

PUT_OFF_AT_ONCE: Final = 1_000
"""Streams that are checked together when one of them turns out to expire later."""


def lock_first(
    connection: Connection, dialect: SqlDialect, queue: Queue, limit: int
) -> list[Row[Any]]:
    """The first `limit` streams of `queue`; what others have locked is passed over."""
    query = in_order(dialect, select(*_HEAD), queue, limit)
    return list(connection.execute(dialect.lock_rows(query, skip_locked=True)).all())


def put_off(connection: Connection, dialect: SqlDialect, now: datetime, first: int) -> None:
    """Check those that expire later than they were to be checked when they expire.

    Of those whose check is due the `first` are looked at, and `PUT_OFF_AT_ONCE` at least.
    """
    most = max(first, PUT_OFF_AT_ONCE)
    checked = lock_first(connection, dialect, queues.to_check(now), most)
    for page in pages([row.id for row in checked if row.expires_later]):
        connection.execute(
            update(streams)
            .where(dialect.among(streams.c.id, page))
            .values(check_at=streams.c.expire_timestamp)
        )


def lock_one(connection: Connection, dialect: SqlDialect, stream_id: int) -> Row[Any] | None:
    """The stream with this id, locked."""
    query = select(*_HEAD).where(streams.c.id == stream_id)
    return connection.execute(dialect.lock_rows(query)).first()


def take(
    connection: Connection,
    dialect: SqlDialect,
    rows: Sequence[Row[Any]],
    lane: ReasonStates,
    worker: str,
    lease_until: datetime,
) -> None:
    """Claim the streams of `rows` as they were read.

    Raises `ConcurrentChange` when one of them is not what it was: the caller starts anew.
    """
    for page in pages(rows):
        claimed = connection.execute(
            update(streams)
            .where(_unchanged(dialect, [(row.id, row.state_serial_no) for row in page]))
            .values(
                state=lane.working.value,
                state_serial_no=streams.c.state_serial_no + 1,
                open_key=None,
                worker=worker,
                lease_until=lease_until,
                retry_at=None,
                attempts=streams.c.attempts + 1,
                history=histories.appended(dialect, lane.working, worker),
            )
        ).rowcount
        if claimed != len(page):
            raise ConcurrentChange(f"{len(page) - claimed} streams were claimed by another worker")


def _unchanged(dialect: SqlDialect, serials: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    """The condition that each stream still has its serial, which every change bumps."""
    return and_(
        dialect.among(streams.c.id, [stream_id for stream_id, _ in serials]),
        dialect.among_pairs((streams.c.id, streams.c.state_serial_no), serials),
    )


def lock_held(
    connection: Connection, dialect: SqlDialect, claims: Sequence[Claim]
) -> set[tuple[int, int, str]]:
    """Lock the streams of these claims; return the proofs of those claims that still hold."""
    stream_ids = sorted({claim.stream_id for claim in claims})
    rows = dialect.bulk.lock(connection, _PROOF, stream_ids)
    return {claim.proof for claim in claims}.intersection(map(tuple, rows))


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


def renew(
    connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int], lease_until: datetime
) -> int:
    """Extend the leases of these locked streams; return how many they are."""
    for page in pages(stream_ids):
        these = dialect.among(streams.c.id, page)
        connection.execute(update(streams).where(these).values(lease_until=lease_until))
    return len(stream_ids)


def finish(
    connection: Connection,
    dialect: SqlDialect,
    stream_ids: Sequence[int],
    state: StreamState,
    **values: Any,
) -> None:
    """Move locked streams out of a worker's hands, into `state`."""
    for page in pages(stream_ids):
        connection.execute(
            update(streams)
            .where(dialect.among(streams.c.id, page))
            .values(
                state=state.value,
                state_serial_no=streams.c.state_serial_no + 1,
                lease_until=None,
                history=histories.appended(dialect, state),
                **values,
            )
        )


def give_back(
    connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int], real_now: datetime
) -> None:
    """Release locked streams: ready at once, and the attempt does not count."""
    retry = case(
        (streams.c.state == FIRE_STATES.working.value, FIRE_STATES.retry.value),
        else_=StreamState.RETRY_EXPIRE.value,
    )
    for page in pages(stream_ids):
        connection.execute(
            update(streams)
            .where(dialect.among(streams.c.id, page))
            .values(
                state=retry,
                state_serial_no=streams.c.state_serial_no + 1,
                attempts=streams.c.attempts - 1,
                worker=None,
                lease_until=None,
                retry_at=real_now,
                history=histories.appended_retry(dialect),
            )
        )


def death_note(attempts: int) -> ColumnElement[str]:
    """What to record of a stream whose worker died in its last attempt."""
    earlier_error = streams.c.last_error
    return case(
        (earlier_error.is_(None), died_each_time(attempts)),
        else_=died_after_failure(attempts) + earlier_error,
    )
