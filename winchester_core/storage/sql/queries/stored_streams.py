"""Statements that read streams for people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from winchester_core.model.stream import StreamRecord, StreamState
from winchester_core.storage.history import read_history
from winchester_core.storage.sql.finding import ids_past
from winchester_core.storage.sql.globs import matches_glob
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.queries import stream_traits
from winchester_core.storage.sql.queries.open_streams import read_progress
from winchester_core.storage.sql.tables import events, stream_events, streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import StreamFilter


def find(
    connection: Connection, dialect: SqlDialect, wanted: StreamFilter, cursor: int, limit: int
) -> list[StreamRecord]:
    """Up to `limit` streams past the id `cursor`, by id."""
    ids = ids_past(
        connection,
        dialect,
        streams.c.id,
        cursor,
        limit,
        _conditions(dialect, wanted, each_by_itself=True),
        through_indexes=_conditions(dialect, wanted),
    )
    return by_ids(connection, dialect, ids)


def count(connection: Connection, dialect: SqlDialect, wanted: StreamFilter) -> int:
    """How many streams there are."""
    query = select(func.count()).select_from(streams).where(*_conditions(dialect, wanted))
    return connection.execute(query).scalar_one()


def count_states(connection: Connection) -> dict[StreamState, int]:
    """How many streams are in each state."""
    query = select(streams.c.state, func.count()).group_by(streams.c.state)
    return {StreamState(state): number for state, number in connection.execute(query)}


def count_states_by_trigger(connection: Connection) -> dict[str, dict[StreamState, int]]:
    """How many streams of each trigger are in each state."""
    query = select(streams.c.name, streams.c.state, func.count()).group_by(
        streams.c.name, streams.c.state
    )
    counts: dict[str, dict[StreamState, int]] = {}
    for name, state, number in connection.execute(query):
        counts.setdefault(name, {})[StreamState(state)] = number
    return counts


def by_ids(
    connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int]
) -> list[StreamRecord]:
    """The streams with these ids, which are in order."""
    rows: list[Row[Any]] = []
    for page in pages(stream_ids):
        query = select(streams).where(dialect.among(streams.c.id, page)).order_by(streams.c.id)
        rows += connection.execute(query)
    traits = stream_traits.of_streams(connection, dialect, [row.id for row in rows])
    return [_record(row, traits[row.id]) for row in rows]


def _conditions(
    dialect: SqlDialect, wanted: StreamFilter, *, each_by_itself: bool = False
) -> list[ColumnElement[bool]]:
    """`each_by_itself`: for a look at few streams; the types of all events are not gone through."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.name is not None:
        conditions.append(streams.c.name == wanted.name)
    if wanted.states:
        conditions.append(streams.c.state.in_([state.value for state in wanted.states]))
    if wanted.is_open is not None:
        has_key = streams.c.open_key.is_not(None)
        conditions.append(has_key if wanted.is_open else streams.c.open_key.is_(None))
    if wanted.error_text is not None:
        conditions.append(dialect.contains(streams.c.last_error, wanted.error_text))
    if wanted.older_than is not None:
        conditions.append(streams.c.first_event < wanted.older_than)
    if wanted.younger_than is not None:
        conditions.append(streams.c.first_event >= wanted.younger_than)
    if wanted.event_type is not None:
        if each_by_itself:
            conditions.append(_has_type(dialect, wanted.event_type))
        else:
            of_type = matches_glob(dialect, events.c.event_type, wanted.event_type)
            conditions.append(streams.c.id.in_(_holding(of_type)))
    if wanted.message_id is not None:
        conditions.append(streams.c.id.in_(_holding(events.c.message_id == wanted.message_id)))
    for name, value in wanted.traits.items():
        conditions.append(stream_traits.has_value(name, value))
    return conditions


def _holding(condition: ColumnElement[bool]) -> Select[Any]:
    """The streams of the links whose events meet `condition`."""
    joined = events.c.id == stream_events.c.event_id
    return select(stream_events.c.stream_id).join(events, joined).where(condition)


def _has_type(dialect: SqlDialect, glob: str) -> ColumnElement[bool]:
    """One of the stream's events is of such a type, asked of each stream by itself.

    MariaDB would turn EXISTS around, and PostgreSQL take the index of the types, and go through
    all events of the type for each stream: the sum hides the column from it.
    """
    of_type = matches_glob(dialect, events.c.event_type + "", glob)
    of_stream = _holding(and_(stream_events.c.stream_id == streams.c.id, of_type))
    return of_stream.limit(1).scalar_subquery().is_not(None)


def _record(row: Row[Any], distinguished_by: Mapping[str, Any]) -> StreamRecord:
    return StreamRecord(
        id=row.id,
        name=row.name,
        state=StreamState(row.state),
        state_serial_no=row.state_serial_no,
        distinguished_by=distinguished_by,
        first_event=row.first_event,
        last_event=row.last_event,
        expire_timestamp=row.expire_timestamp,
        fire_timestamp=row.fire_timestamp,
        event_count=row.event_count,
        progress=read_progress(row.progress),
        fingerprint=row.fingerprint,
        is_open=row.open_key is not None,
        attempts=row.attempts,
        worker=row.worker,
        lease_until=row.lease_until,
        retry_at=row.retry_at,
        last_error=row.last_error,
        history=read_history(row.history),
    )
