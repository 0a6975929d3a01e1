"""The events of streams, read together and made one stream at a time.

A row is a third as large as the event that is made of it, and what is made just before it is
used, and let go right after, stays within the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, type_coerce
from sqlalchemy.types import NullType

from winchester_core.model.json import load_traits
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import events, stream_events
from winchester_core.storage.sql.types import time_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

    from winchester_core.model.event import Event
    from winchester_core.storage.dialects import SqlDialect


ROWS_AT_A_TIME = 500
"""Fewer than let the garbage collector go through all that the process has."""


class MemberRows:
    """Rows of the events of streams. See `Members`."""

    def __init__(
        self, stream_ids: Sequence[int], read_time: Callable[[Any], datetime | None]
    ) -> None:
        self._read_time = read_time
        self._rows: dict[int, list[tuple[Any, ...]]] = {each: [] for each in stream_ids}

    def add(self, rows: Iterable[Row[Any]]) -> None:
        """Take rows in, of any of the streams and in any order."""
        for row in rows:
            values = tuple(row)  # which the garbage collector need not look at again
            self._rows[values[-1]].append(values)

    def take(self, stream_id: int) -> list[Event]:
        """See `Members.take`."""
        rows = self._rows.pop(stream_id)
        # the database would sort whole events, on disk where they are many; what each driver gives
        # for a time has the order of the times, and no two rows have the same position
        rows.sort(reverse=True)
        taken: list[Event] = []
        while rows:  # what has been read is let go at once
            timestamp, _, message_id, event_type, traits, _ = rows.pop()
            taken.append(
                {
                    "message_id": message_id,
                    "event_type": event_type,
                    "timestamp": self._read_time(timestamp),
                    **load_traits(traits),
                }
            )
        return taken


def of_streams(
    connection: Connection, dialect: SqlDialect, stream_ids: Sequence[int]
) -> MemberRows:
    """The events of each stream."""
    members = MemberRows(stream_ids, time_reader(dialect.name))
    for page in pages(stream_ids):
        query = _rows(dialect).where(dialect.among(stream_events.c.stream_id, page))
        for rows in connection.execute(query).partitions(ROWS_AT_A_TIME):
            members.add(rows)
    return members


def _rows(dialect: SqlDialect) -> Select[Any]:
    joined, event = dialect.look_up(stream_events, events, events.c.id == stream_events.c.event_id)
    return select(
        type_coerce(event.c.timestamp, NullType()),
        stream_events.c.position,
        event.c.message_id,
        event.c.event_type,
        dialect.json_text(event.c.traits),
        stream_events.c.stream_id,
    ).select_from(joined)
