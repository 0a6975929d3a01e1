"""Statements on the table that says which events a stream holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from winchester_core.model.stream import StreamState
from winchester_core.storage.dialects.bulk import ChildInsert, RowDelete, RowInsert
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.queries import open_streams
from winchester_core.storage.sql.tables import stream_events, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.dialects.bulk import Rows, Work

_NEW = RowInsert(stream_events, ("stream_id", "position", "event_id"))
_OF_NEW_STREAMS = ChildInsert(_NEW, open_streams.NEW)

DELETION = RowDelete(stream_events, "stream_id")
"""Remove the links of streams; their events stay."""


def insertions(members: Iterable[tuple[int, int, int]]) -> Work:
    """Let events join streams: (stream id, position, event's row id) each.

    The primary key refuses a position that another process has filled.
    """
    return _NEW, sorted(members)


def insertions_into_new(members: Iterable[tuple[bytes, int, int]]) -> tuple[ChildInsert, Rows]:
    """The same with new streams, of which the key is told instead of the id."""
    return _OF_NEW_STREAMS, list(members)


def held(connection: Connection, event_ids: Sequence[int]) -> set[int]:
    """Which of these events an uncompleted stream holds."""
    found: set[int] = set()
    for page in pages(event_ids):
        query = (
            select(stream_events.c.event_id)
            .join(streams, streams.c.id == stream_events.c.stream_id)
            .where(
                stream_events.c.event_id.in_(page),
                streams.c.state != StreamState.COMPLETED.value,
            )
        )
        found.update(connection.execute(query).scalars())
    return found


def delete_to(connection: Connection, dialect: SqlDialect, event_ids: Sequence[int]) -> None:
    """Remove the links to these events."""
    statement = dialect.delete_through(stream_events, "ix_stream_events_event_id")
    for page in pages(event_ids):
        connection.execute(statement.where(stream_events.c.event_id.in_(page)))
