"""Pages of the events of one stream, by timestamp.

No index has the events of a stream by timestamp, so they are read and sorted. A stream with very
many events is divided into parts by the positions of its members, and a page reads one part.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from winchester_core.storage.filters import ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS, ListPage
from winchester_core.storage.sql.bounded_search import check_page, count_up_to
from winchester_core.storage.sql.event_list import EARLIEST, LATEST
from winchester_core.storage.sql.events import EVENT_COLUMNS, event_from_row
from winchester_core.storage.sql.keyset import Keyset, rows_in_order
from winchester_core.storage.sql.streams import get_stream
from winchester_core.storage.sql.tables import events, stream_events

if TYPE_CHECKING:
    from winchester_core.model.event import Event
    from winchester_core.storage.list_pages import Key
    from winchester_core.storage.sql.database import Transaction

_KEY_TYPES = (int, datetime, int)
"""Types of a key: number of the part, timestamp, position."""

MAX_POSITION = 2**31 - 1

_LINK = stream_events.c


def page_of_stream_events(
    tx: Transaction,
    stream_id: int,
    *,
    after: Key | None = None,
    limit: int = 100,
    order: ListOrder = ListOrder.OLDEST,
    max_rows: int = MAX_SEARCHED_ROWS,
) -> ListPage[Event]:
    """Return a page of a stream's events by timestamp. Raises `UnknownStream`."""
    check_page(_KEY_TYPES, after, limit, max_rows)
    if after is not None and max(after[0] * max_rows, after[2]) > MAX_POSITION:
        raise ValueError(f"{after!r} is not a key of this list: no stream has so many events")
    get_stream(tx, stream_id)
    links = select(_LINK.position).where(_LINK.stream_id == stream_id)
    number = count_up_to(tx, links, max_rows + 1)
    total = number if number <= max_rows else None
    is_newest = ListOrder(order) is ListOrder.NEWEST
    part: Any = _next_part(tx, stream_id, None, max_rows, is_newest) if after is None else after[0]
    if part is None:
        return ListPage([], [], total=0)
    rows = _rows_of_part(tx, stream_id, part, after, limit, order, max_rows)
    found = rows_in_order(tx, select(*EVENT_COLUMNS), events.c.id, [row.event_id for row in rows])
    by_row_id = {row.row_id: event_from_row(row) for row in found}
    kept = [row for row in rows if row.event_id in by_row_id]  # others have been deleted since
    searched_to: Key | None = None
    if len(rows) < limit:
        following = _next_part(tx, stream_id, part, max_rows, is_newest)
        if following is not None:  # no key of that part precedes this one
            edge = (LATEST, MAX_POSITION) if is_newest else (EARLIEST, 0)
            searched_to = (following, *edge)
    return ListPage(
        [by_row_id[row.event_id] for row in kept],
        [(part, row.timestamp, row.position) for row in kept],
        searched_to,
        total,
    )


def _next_part(
    tx: Transaction, stream_id: int, part: int | None, max_rows: int, is_newest: bool
) -> int | None:
    """Return the first part after `part` (None: the first of all) that has members, or None."""
    function = func.max if is_newest else func.min
    query = select(function(_LINK.position)).where(_LINK.stream_id == stream_id)
    if part is not None and is_newest:
        query = query.where(_LINK.position <= part * max_rows)
    elif part is not None:
        query = query.where(_LINK.position > (part + 1) * max_rows)
    position = tx.execute(query).scalar_one()
    return None if position is None else (position - 1) // max_rows


def _rows_of_part(
    tx: Transaction,
    stream_id: int,
    part: int,
    after: Key | None,
    limit: int,
    order: ListOrder,
    max_rows: int,
) -> list[Any]:
    """Return timestamp, position and row id of the first `limit` events after a key."""
    joined, event = tx.dialect.lateral_index_lookup(
        stream_events, events, events.c.id == _LINK.event_id
    )
    members = (
        select(event.c.timestamp, _LINK.position, _LINK.event_id)
        .select_from(joined)
        .where(
            _LINK.stream_id == stream_id,
            _LINK.position > part * max_rows,
            _LINK.position <= (part + 1) * max_rows,
        )
        .subquery("members")
    )
    columns: Any = (members.c.timestamp, members.c.position)
    keyset = Keyset(columns, EARLIEST, LATEST, order)
    query = select(members).where(keyset.after(None if after is None else after[1:]))
    return list(tx.execute(keyset.sort(query).limit(limit)))
