"""Reading events and streams in bounded pages."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from winchester_core.errors import UnknownStream
from winchester_core.storage.sql.queries import events, members, stored_streams
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import EventFilter

PAGE = 1000
"""Rows read at a time while traits, which have no index, are looked at."""


def find_events(
    connection: Connection, dialect: SqlDialect, wanted: EventFilter, cursor: str | None, limit: int
) -> list[Event]:
    """Up to `limit` events in order of arrival, past the one whose id is `cursor`."""
    start = 0 if cursor is None else events.row_id(connection, cursor)
    if start is None:
        return []
    page_size = PAGE if wanted.traits else limit
    return list(islice(_matching(connection, dialect, wanted, start, page_size), limit))


def count_events(connection: Connection, dialect: SqlDialect, wanted: EventFilter) -> int:
    """How many events there are; with traits, every event in range is looked at."""
    if not wanted.traits:
        return events.count(connection, dialect, wanted)
    return sum(1 for _ in _matching(connection, dialect, wanted, 0, PAGE))


def _matching(
    connection: Connection, dialect: SqlDialect, wanted: EventFilter, cursor: int, page_size: int
) -> Iterator[Event]:
    traits = {name: encode_value(value) for name, value in wanted.traits.items()}
    while page := events.page_after(connection, dialect, wanted, cursor, page_size):
        for row_id, event in page:
            cursor = row_id
            if _has(event, traits):
                yield event
        if len(page) < page_size:
            return


def _has(event: Mapping[str, Any], traits: Mapping[str, bytes]) -> bool:
    return all(
        name in event and encode_value(event[name]) == value for name, value in traits.items()
    )


def stream_by_id(connection: Connection, dialect: SqlDialect, stream_id: int) -> StreamRecord:
    """The stream with this id. Raises `UnknownStream`."""
    found = stored_streams.by_ids(connection, dialect, [stream_id])
    if not found:
        raise UnknownStream(stream_id)
    return found[0]


def stream_events(connection: Connection, dialect: SqlDialect, stream_id: int) -> list[Event]:
    """A stream's events. Raises `UnknownStream`."""
    stream_by_id(connection, dialect, stream_id)
    return members.of_streams(connection, dialect, [stream_id]).take(stream_id)
