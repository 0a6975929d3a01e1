"""Query plans of PostgreSQL and MariaDB with many rows: lists read windows or index ranges.

Checked by the databases' own plans of the statements that the store executes.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from support.builders.bulk_rows import END, PER_STREAM, RARE_TYPE
from support.probes.query_plans import excessive, readings
from support.scenes.filled_stores import BULK, EVENTS, REJECTED, filled_store
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.sql import keyset
from winchester_core.storage.sql.database import Transaction
from winchester_core.storage.sql.event_list import find_events
from winchester_core.storage.sql.keyset import SCAN_WINDOW_ROWS
from winchester_core.storage.sql.tables import events

if TYPE_CHECKING:
    from support.servers.databases import Databases
    from winchester_core.storage.sql.store import SqlStore

LATER = END + timedelta(days=90)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with many events and streams; the tests change few of them."""
    return filled_store(databases, request.param)


LAST_HOURS = END - timedelta(hours=6)


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize("by_timestamp", [False, True])
@pytest.mark.parametrize(
    "filters",
    [
        EventFilter(),
        EventFilter(event_type="compute.instance.update"),
        EventFilter(event_type=RARE_TYPE),
        EventFilter(event_type="compute.instance.r*"),
        EventFilter(since=LAST_HOURS),
        EventFilter(until=END - timedelta(days=27)),
        EventFilter(since=LAST_HOURS, event_type="compute.instance.exists"),
        EventFilter(since=LAST_HOURS, traits={"host": "compute-7"}),
    ],
)
def test_a_page_of_events_is_read_within_a_window_or_an_index_range(
    filled: SqlStore, filters: EventFilter, by_timestamp: bool, order: ListOrder
) -> None:
    matching = filled.count_events(EventFilter(filters.event_type, filters.since, filters.until))
    find = partial(filled.find_events, limit=20, by_timestamp=by_timestamp, order=order)
    with readings(filled.database) as measured:
        find(filters)
        find(filters, cursor=BULK.message_id(EVENTS // 2))
    assert (
        excessive(measured, rows=max(SCAN_WINDOW_ROWS, 2 * min(matching, SCAN_WINDOW_ROWS * 3)))
        == []
    )


def test_a_page_of_events_by_timestamp_is_read_in_the_order_of_an_index(
    filled: SqlStore,
) -> None:
    for order in ListOrder:
        for filters in (EventFilter(), EventFilter(since=LAST_HOURS), EventFilter(until=END)):
            find = partial(filled.find_events, filters, limit=20, by_timestamp=True, order=order)
            with readings(filled.database) as measured:
                first = find()
                find(cursor=first[-1]["message_id"])
            assert len(first) == 20
            assert excessive(measured, rows=40) == []  # MariaDB counts rows of both conditions
            assert [each.sorts for each in measured if "timestamp" in str(each.sorts)] == []


@pytest.mark.parametrize("order", ListOrder)
def test_pages_among_many_events_with_one_timestamp_read_only_their_rows(
    filled: SqlStore, order: ListOrder
) -> None:
    start = END - timedelta(days=15)
    between = (start, start + timedelta(days=2))
    with filled.database.engine.connect() as connection:  # rolled back
        moved = update(events).where(events.c.timestamp.between(*between)).values(timestamp=start)
        assert connection.execute(moved).rowcount > 5_000
        tx = Transaction(connection, filled.database.dialect)
        middle = EventFilter(since=start, until=start + timedelta(microseconds=1))
        ties = find_events(tx, middle, limit=6_000, by_timestamp=True, order=order)
        with readings(filled.database) as measured:
            page = find_events(
                tx,
                cursor=ties[3_000]["message_id"],
                limit=20,
                by_timestamp=True,
                order=order,
            )
    assert page == ties[3_001:3_021]
    assert excessive(measured, rows=40) == []


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    "filters",
    [
        StreamFilter(),
        StreamFilter(name="vm"),
        StreamFilter(name="other"),
        StreamFilter(states=(StreamState.ERROR, StreamState.EXPIRE_ERROR)),
        StreamFilter(younger_than=LAST_HOURS),
        StreamFilter(older_than=END - timedelta(days=27)),
        StreamFilter(event_type="compute.instance.update"),
        StreamFilter(event_type=RARE_TYPE),
        StreamFilter(message_id=BULK.message_id(77_777)),
        StreamFilter(traits={"instance": "i-7777"}),
        StreamFilter(last_event_younger_than=LAST_HOURS),
        StreamFilter(last_event_younger_than=LATER),
        StreamFilter(last_event_older_than=END - timedelta(days=27)),
        StreamFilter(is_open=True),
        StreamFilter(is_open=False),
        StreamFilter(has_trial=True),
        StreamFilter(error_text="no stream has this error"),
        StreamFilter(unknown_to=frozenset({"vm"})),
    ],
)
def test_a_page_of_streams_is_read_within_a_window_or_an_index_range(
    filled: SqlStore, filters: StreamFilter, order: ListOrder
) -> None:
    with readings(filled.database) as measured:
        filled.find_streams(filters, limit=20, order=order)
        filled.find_streams(filters, cursor=BULK.first_open, limit=20, order=order)
    members = 2 * PER_STREAM if filters.event_type else 1
    assert excessive(measured, rows=SCAN_WINDOW_ROWS * (1 + members)) == []


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    "filters",
    [
        RejectedFilter(),
        RejectedFilter(source="source 3"),
        RejectedFilter(younger_than=LATER),
        RejectedFilter(kind="event"),
    ],
)
def test_rejected_messages_are_found_by_index(
    filled: SqlStore, filters: RejectedFilter, order: ListOrder
) -> None:
    with readings(filled.database) as measured:
        assert len(filled.find_rejected(filters, limit=10, order=order)) == 10
    assert excessive(measured, rows=REJECTED) == []


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (RejectedFilter(kind="notification"), 60),
        (RejectedFilter(source="source 3"), 2 * REJECTED // 7 + 60),
        (RejectedFilter(source="no source"), 60),
        (RejectedFilter(older_than=END), 60),
        (RejectedFilter(younger_than=LATER + timedelta(days=9_999)), 60),
    ],
)
def test_rejected_messages_are_searched_in_windows_or_an_index_range(
    filled: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
    filters: RejectedFilter,
    rows: int,
    order: ListOrder,
) -> None:
    monkeypatch.setattr(keyset, "SCAN_WINDOW_ROWS", 50)
    with readings(filled.database) as measured:
        filled.find_rejected(filters, order=order)
    assert excessive(measured, rows=rows) == []


def test_events_after_a_mostly_trimmed_range_are_found(
    filled: SqlStore,
) -> None:
    delete_most = "DELETE FROM events WHERE id > 8 AND id <= 30000"
    filled.database.write(lambda connection: connection.exec_driver_sql(delete_most))
    with readings(filled.database) as measured:
        filled.find_events(EventFilter(event_type="compute.instance.update"), limit=20)
    assert excessive(measured, rows=SCAN_WINDOW_ROWS) == []


def test_a_frequent_statement_is_still_planned_for_its_values(
    filled: SqlStore,
) -> None:
    for _ in range(12):  # a driver that prepared it would do so meanwhile
        filled.find_streams(StreamFilter(states=(StreamState.COMPLETED,)), limit=20)
    with readings(filled.database) as measured:
        filled.find_streams(StreamFilter(states=(StreamState.ERROR,)), limit=20)
    assert excessive(measured, rows=SCAN_WINDOW_ROWS + 100) == []
