"""Statements on the table of events."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, type_coerce
from sqlalchemy.types import NullType

from winchester_core.errors import UnknownEvent
from winchester_core.model.event import Event, message_id_text
from winchester_core.model.json import load_event
from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.streams import get_stream
from winchester_core.storage.sql.tables import events, stream_events
from winchester_core.storage.sql.types import equals_text, time_decoder
from winchester_core.triggers.pending_stream import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Column, Select

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

EVENT_COLUMNS = (events.c.message_id, events.c.event_type, events.c.timestamp, events.c.traits)


def event_from_row(row: Any) -> Event:
    """Return the event of a row with `EVENT_COLUMNS`."""
    return {
        "message_id": row.message_id,
        "event_type": row.event_type,
        "timestamp": row.timestamp,
        **row.traits,
    }


def event_by_message_id(tx: Transaction, message_id: str | UUID) -> Event:
    """Return the event with this message id. Raises `UnknownEvent`."""
    text = message_id_text(message_id)
    row = tx.execute(select(*EVENT_COLUMNS).where(equals_text(events.c.message_id, text))).first()
    if row is None:
        raise UnknownEvent(text)
    return event_from_row(row)


def has_event(tx: Transaction, message_id: str | UUID) -> bool:
    """Return whether an event with this message id is stored."""
    return event_key(tx, (events.c.id,), message_id_text(message_id)) is not None


def event_key(
    tx: Transaction, columns: Sequence[Column[Any]], message_id: str
) -> tuple[Any, ...] | None:
    """Return these columns of the event with this message id, or None."""
    query = select(*columns).where(equals_text(events.c.message_id, message_id))
    row = tx.execute(query).one_or_none()
    return None if row is None else tuple(row)


def events_of_stream(tx: Transaction, stream_id: int) -> list[Event]:
    """Return a stream's events. Raises `UnknownStream`."""
    get_stream(tx, stream_id)
    return members_of_streams(tx, [stream_id]).take(stream_id)


# Members of streams. Rows are read together; events are built one stream at a time.
#
# A row takes a third of the memory of its event. Events that are built just before use and freed
# right after stay in the processor's cache.


_STREAM_ID = itemgetter(-1)


class MemberRows:
    """Rows of the events of streams, as `_member_query` selects them.

    Implements `storage.interface.Members`.
    """

    def __init__(self, stream_ids: Sequence[int], decode_time: Callable[[Any], datetime]) -> None:
        self._decode_time = decode_time
        self._rows: dict[int, list[tuple[Any, ...]]] = {each: [] for each in stream_ids}

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add the driver's rows of any of the streams, in any order.

        They are tuples of plain values, which the garbage collector stops tracking.
        """
        for stream_id, members in groupby(rows, _STREAM_ID):
            self._rows[stream_id].extend(members)

    def take(self, stream_id: int) -> list[Event]:
        """See `storage.interface.Members.take`."""
        rows = self._rows.pop(stream_id)
        # sorted here, because the database would sort whole events, many of them on disk. Each
        # driver's form of times sorts correctly, and positions are unique
        rows.sort(reverse=True)
        decode_time = self._decode_time
        members: list[Event] = []
        while rows:  # pop frees each row as soon as its event is built
            # in the order of the columns of `_member_query`
            timestamp, _, message_id, event_type, traits, _ = rows.pop()
            members.append(load_event(message_id, event_type, decode_time(timestamp), traits))
        return members


def members_of_streams(tx: Transaction, stream_ids: Sequence[int]) -> MemberRows:
    """Read the events of streams."""
    members = MemberRows(stream_ids, time_decoder(tx.dialect.name))
    for batch in parameter_batches(stream_ids):
        query = _member_query(tx.dialect).where(
            tx.dialect.is_one_of(stream_events.c.stream_id, batch)
        )
        for rows in driver_statements.fetch_parts(tx.connection, tx.execute(query)):
            members.add(rows)
    return members


def members_in_order_of_arrival(tx: Transaction, stream_id: int) -> list[Member]:
    """Read the events of a stream, with their positions and row ids."""
    query = (
        _member_query(tx.dialect)
        .add_columns(stream_events.c.event_id)
        .where(stream_events.c.stream_id == stream_id)
    )
    decode_time = time_decoder(tx.dialect.name)
    members = [
        Member(
            position,
            ~event_id,
            load_event(message_id, event_type, decode_time(timestamp), traits),
        )
        for timestamp, position, message_id, event_type, traits, _, event_id in tx.execute(query)
    ]
    return sorted(members, key=attrgetter("position"))


def _member_query(dialect: SqlDialect) -> Select[Any]:
    joined, event = dialect.lateral_index_lookup(
        stream_events, events, events.c.id == stream_events.c.event_id
    )
    # the driver's own values are used: no column has a type that would convert them
    return select(  # `MemberRows` depends on the order of these columns
        type_coerce(event.c.timestamp, NullType()),
        stream_events.c.position,
        event.c.message_id,
        event.c.event_type,
        dialect.json_text(event.c.traits),
        stream_events.c.stream_id,
    ).select_from(joined)
