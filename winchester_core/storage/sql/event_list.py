"""The list of events: found, counted, and read in pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.model.event import MIN_YEAR, Event, text_problem
from winchester_core.storage.filters import ANY_EVENT, EventFilter, ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS, ListPage
from winchester_core.storage.sql.bounded_search import bounded_search, check_page, find_page
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.events import EVENT_COLUMNS, event_from_row, event_key
from winchester_core.storage.sql.keyset import (
    Candidates,
    Keyset,
    Search,
    find_keys,
    id_keyset,
    rows_in_order,
)
from winchester_core.storage.sql.queries import (
    count_rows,
    filter_conditions,
    literal_prefix,
    matches_glob,
)
from winchester_core.storage.sql.tables import events
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from winchester_core.storage.list_pages import Key
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

EARLIEST = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

COLUMN_NAMES = frozenset({"message_id", "event_type", "timestamp"})
"""Traits that are not stored as JSON."""

PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.:-]+")

PAGE_ROWS = 1000
"""Rows to read at a time when traits are filtered in Python; they have no index."""


def find_events(
    tx: Transaction,
    filters: EventFilter = ANY_EVENT,
    *,
    cursor: str | None = None,
    limit: int = 100,
    order: ListOrder = ListOrder.OLDEST,
    by_timestamp: bool = False,
) -> list[Event]:
    """Return up to `limit` events in the order of storage, after the message id `cursor`."""
    search = _search(tx.dialect, filters, order, by_timestamp=by_timestamp)
    start = None if cursor is None else event_key(tx, search.keyset.columns, cursor)
    if start is None and cursor is not None:
        return []
    page_size = PAGE_ROWS if filters.traits else limit
    return list(islice(_matching_events(tx, filters, search, start, page_size), limit))


def count_events(
    tx: Transaction, filters: EventFilter = ANY_EVENT, *, up_to: int | None = None
) -> int:
    """Return the number of events. A filter of traits reads all events in range."""
    search = _search(tx.dialect, filters, ListOrder.OLDEST)
    if not filters.traits:
        return count_rows(tx, events.c.id, search.counted, up_to)
    matching = _matching_events(tx, filters, search, None, PAGE_ROWS)
    return sum(1 for _ in islice(matching, up_to))


def page_of_events(
    tx: Transaction,
    filters: EventFilter = ANY_EVENT,
    *,
    after: Key | None = None,
    limit: int = 100,
    order: ListOrder = ListOrder.OLDEST,
    max_rows: int = MAX_SEARCHED_ROWS,
    by_timestamp: bool = False,
) -> ListPage[Event]:
    """Return a page of events in the order of storage, or by timestamp."""
    search = _search(tx.dialect, filters, order, by_timestamp=by_timestamp)
    if filters.traits:
        return _page_by_traits(tx, filters.traits, search, after, limit, max_rows)
    found = find_page(tx, search, after, limit, max_rows)
    rows = list(_events_by_keys(tx, found.keys))
    items, keys = [event for _, event in rows], [key for key, _ in rows]
    return ListPage(items, keys, found.searched_to, found.total)


def _page_by_traits(
    tx: Transaction,
    traits: Mapping[str, Any],
    search: Search,
    after: Key | None,
    limit: int,
    max_rows: int,
) -> ListPage[Event]:
    check_page(search.keyset.types, after, limit, max_rows)
    if not _are_storable(traits):
        return ListPage([], [], total=0)
    encoded = _encoded(traits)
    bounded = bounded_search(tx, search, after, max_rows)
    searched, _ = bounded.keys(tx, after, max_rows)
    page: ListPage[Event] = ListPage([], [])
    for batch in parameter_batches(searched):
        for key, event in _events_by_keys(tx, batch):
            if _has_traits(event, encoded):
                page.items.append(event)
                page.keys.append(key)
                if len(page.items) == limit:
                    return page
    searched_to = bounded.searched_to(tx)
    is_whole = after is None and searched_to is None
    return ListPage(page.items, page.keys, searched_to, len(page.items) if is_whole else None)


def _search(
    dialect: SqlDialect, filters: EventFilter, order: ListOrder, *, by_timestamp: bool = False
) -> Search:
    columns = events.c
    of_type = filter_conditions(
        (filters.event_type, lambda glob: matches_glob(dialect, columns.event_type, glob)),
    )
    in_time = filter_conditions(
        (filters.since, lambda time: columns.timestamp >= time),
        (filters.until, lambda time: columns.timestamp < time),
    )
    candidates = None
    prefix = literal_prefix(filters.event_type or "")
    if of_type and prefix == filters.event_type:
        query = select(columns.id).where(*of_type, *in_time)
        candidates = Candidates(query, "ix_events_event_type_timestamp")
    elif in_time and not by_timestamp:
        candidates = Candidates(select(columns.id).where(*in_time), "ix_events_timestamp_id")
    elif of_type and prefix:
        query = select(columns.id).where(*of_type)
        candidates = Candidates(query, "ix_events_event_type_timestamp")
    conditions = [
        *of_type,
        *([] if by_timestamp else in_time),
        *_conditions_on_traits(dialect, filters.traits),
    ]
    return Search(
        _timestamp_keyset(order) if by_timestamp else id_keyset(events, order),
        conditions,
        indexed_conditions=conditions,
        within=in_time if by_timestamp else [],  # the index of the order has the timestamps
        candidates=candidates,
    )


def _conditions_on_traits(
    dialect: SqlDialect, traits: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return conditions that events with these traits meet, and others may meet, too.

    They compare stored JSON with texts that every encoder writes in one way, so that most of the
    other events are neither sent nor decoded.
    """
    texts = [
        str(value)
        for name, value in traits.items()
        if name not in COLUMN_NAMES
        and (type(value) is int or (isinstance(value, str) and PLAIN_TEXT.fullmatch(value)))
    ]
    stored = dialect.json_text(events.c.traits)
    return [dialect.contains(stored, text) for text in texts]


def _timestamp_keyset(order: ListOrder) -> Keyset:
    columns = (events.c.timestamp, events.c.id)
    return Keyset(columns, EARLIEST, LATEST, order, "ix_events_timestamp_id")


def _matching_events(
    tx: Transaction,
    filters: EventFilter,
    search: Search,
    cursor: Key | None,
    page_size: int,
) -> Iterator[Event]:
    if not _are_storable(filters.traits):
        return
    traits = _encoded(filters.traits)
    while keys := find_keys(tx, search, cursor, page_size):
        yield from (event for _, event in _events_by_keys(tx, keys) if _has_traits(event, traits))
        if len(keys) < page_size:
            return
        cursor = keys[-1]


def _events_by_keys(tx: Transaction, keys: Sequence[Key]) -> Iterator[tuple[Key, Event]]:
    """Yield the keys and the events, without events that have been deleted."""
    by_row_id = {key[-1]: key for key in keys}
    query = select(*EVENT_COLUMNS)
    for row in rows_in_order(tx, query, events.c.id, [key[-1] for key in keys]):
        yield by_row_id[row.row_id], event_from_row(row)


def _are_storable(traits: Mapping[str, Any]) -> bool:
    """Return whether a stored event may have these values."""
    return not any(isinstance(value, str) and text_problem(value) for value in traits.values())


def _encoded(traits: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: encode_value(value) for name, value in traits.items()}


def _has_traits(event: Mapping[str, Any], traits: Mapping[str, bytes]) -> bool:
    return all(
        name in event and encode_value(event[name]) == value for name, value in traits.items()
    )
