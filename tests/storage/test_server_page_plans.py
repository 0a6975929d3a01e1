"""Query plans of PostgreSQL and MariaDB with many rows: a page reads a bounded number of rows.

Checked by the databases' own plans of the statements that the store executes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import JSON, delete, insert, literal, select

from support.builders.bulk_rows import END, PER_STREAM, RARE_TYPE, analyze
from support.builders.events import VM, ingest, make_event, only_stream
from support.probes.query_plans import readings
from support.scenes.filled_stores import BULK, EVENTS, filled_store
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.sql.stream_rows import value_digest
from winchester_core.storage.sql.tables import stream_traits, streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.probes.query_plans import Reading
    from support.servers.databases import Databases
    from winchester_core.storage.list_pages import Key, ListPage
    from winchester_core.storage.sql.store import SqlStore

LAST_HOURS = END - timedelta(hours=6)
LAST_DAYS = END - timedelta(days=2)
LONG_AGO = END - timedelta(days=27)

MAX_ROWS = 1_000
LIMIT = 20

PER_STATEMENT = 4 * MAX_ROWS
"""Rows of a statement: entries of an index, their rows, and for MariaDB those of subqueries."""

PER_PAGE = 7 * MAX_ROWS
FEW = 8 * LIMIT
"""Rows of a page that begins where the matches are."""


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with many events and streams."""
    return filled_store(databases, request.param)


def rows_of(measured: list[Reading], per_statement: int) -> int:
    """Return the sum of the rows read; fail if a statement read a whole table or too many rows."""
    excessive = [each for each in measured if each.whole_tables or each.rows > per_statement]
    assert excessive == []
    return sum(each.rows for each in measured)


def check_pages(
    store: SqlStore,
    page_of: Callable[..., ListPage[Any]],
    filters: object,
    middle: Key,
    *,
    per_statement: int = PER_STATEMENT,
    per_page: int = PER_PAGE,
) -> None:
    """Read the first page and one in the middle in both orders, and check the rows read."""
    for order in ListOrder:
        for after in (None, middle):
            with readings(store.database) as measured:
                page_of(filters, after=after, limit=LIMIT, order=order, max_rows=MAX_ROWS)
            assert measured
            assert rows_of(measured, per_statement) <= per_page
            check_rows(store, measured, MAX_ROWS)


def check_rows(store: SqlStore, measured: list[Reading], max_rows: int) -> None:
    """Check the rows read without entries of indexes, which only PostgreSQL tells apart."""
    if store.database.dialect.name == "postgresql":
        rows = sum(each.rows - each.index_entries for each in measured)
        assert rows <= 2 * max_rows + FEW, measured


@pytest.mark.parametrize("by_timestamp", [False, True])
@pytest.mark.parametrize(
    "filters",
    [
        EventFilter("compute.instance.update"),
        EventFilter(RARE_TYPE),
        EventFilter("compute.instance.r*"),
        EventFilter("*.update"),
        EventFilter("*.none"),
        EventFilter(since=LAST_HOURS),
        EventFilter(until=LONG_AGO),
        EventFilter("compute.instance.exists", since=LAST_HOURS),
        EventFilter("compute.*", since=LAST_HOURS),
        EventFilter(since=LAST_HOURS, traits={"host": "compute-7"}),
        EventFilter(traits={"host": "compute-7"}),
        EventFilter("compute.instance.update", traits={"host": "none"}),
    ],
)
def test_a_page_of_events_reads_a_bounded_number_of_rows(
    filled: SqlStore, filters: EventFilter, by_timestamp: bool
) -> None:
    number = EVENTS // 2
    middle: Key = (BULK.moment(number), number) if by_timestamp else (number,)
    page_of = partial(filled.page_of_events, by_timestamp=by_timestamp)
    check_pages(filled, page_of, filters, middle)


def test_events_without_a_trait_are_not_loaded(filled: SqlStore) -> None:
    filters = EventFilter(traits={"instance": "i-7777"})
    rows = MAX_ROWS * 5 // 2  # the entries up to the end of the search, and the searched rows
    check_pages(filled, filled.page_of_events, filters, (EVENTS // 2,), per_page=rows)


@pytest.mark.parametrize(
    "filters",
    [
        StreamFilter(name="vm"),
        StreamFilter(name="other"),
        StreamFilter(states=(StreamState.COMPLETED,)),
        StreamFilter(states=(StreamState.ACTIVE, StreamState.ERROR), name="vm"),
        StreamFilter(younger_than=LAST_HOURS),
        StreamFilter(older_than=LONG_AGO),
        StreamFilter(last_event_younger_than=LAST_HOURS),
        StreamFilter(last_event_older_than=LONG_AGO),
        StreamFilter(is_open=True),
        StreamFilter(is_open=False),
        StreamFilter(has_trial=True),
        StreamFilter(error_text="no stream has this error"),
        StreamFilter(unknown_to=frozenset({"vm"})),
        StreamFilter(event_type="compute.instance.update"),
        StreamFilter(event_type="*.none"),
        StreamFilter(event_type="compute.instance.none", name="vm"),
    ],
)
def test_a_page_of_streams_reads_a_bounded_number_of_rows(
    filled: SqlStore, filters: StreamFilter
) -> None:
    check_pages(filled, filled.page_of_streams, filters, (BULK.first_open,))


@pytest.mark.parametrize(
    "filters",
    [
        StreamFilter(states=(StreamState.ERROR, StreamState.EXPIRE_ERROR)),
        StreamFilter(states=(StreamState.ERROR,), name="vm", error_text="x"),
        StreamFilter(event_type=RARE_TYPE),
        StreamFilter(message_id=BULK.message_id(77_777)),
        StreamFilter(traits={"instance": "i-7777"}),
        StreamFilter(traits={"instance": "i-7777"}, states=(StreamState.COMPLETED,)),
        StreamFilter(),
    ],
)
def test_a_page_of_few_streams_reads_few_rows(filled: SqlStore, filters: StreamFilter) -> None:
    rows = FEW + 8 * LIMIT  # the window of a list without filters, and the rows of the page
    check_pages(filled, filled.page_of_streams, filters, (BULK.first_open,), per_page=rows)


def test_an_event_type_of_a_large_stream_is_found_by_its_index(filled: SqlStore) -> None:
    before = [make_event(f"large-{i}", "vm.large", i, instance="large") for i in range(2_000)]
    ingest(filled, VM, *before, make_event("large-last", "vm.last", 2_000, instance="large"))
    try:
        filters = StreamFilter(event_type="vm.last")
        check_pages(filled, filled.page_of_streams, filters, (BULK.first_open,), per_page=FEW)
    finally:
        filled.purge_stream(only_stream(filled, instance="large").id)


@pytest.mark.parametrize(
    ("candidates", "event_type"),
    [
        (EventFilter("compute.instance.exists", since=LAST_HOURS), None),
        (EventFilter("compute.instance.exists"), "compute.instance.exists"),
        (StreamFilter(younger_than=LAST_DAYS), None),
        (StreamFilter(younger_than=LAST_DAYS), "*.none"),
        (StreamFilter(name="vm", states=(StreamState.ACTIVE,)), "*.none"),
    ],
)
def test_a_filter_that_matches_just_under_the_bound_reads_a_bounded_number_of_rows(
    filled: SqlStore, candidates: Any, event_type: str | None
) -> None:
    is_event = isinstance(candidates, EventFilter)
    number = (filled.count_events if is_event else filled.count_streams)(candidates)
    assert number > 100
    filters = candidates
    if event_type is not None:
        filters = StreamFilter() if is_event else candidates
        filters = replace(filters, event_type=event_type)
    page_of = (
        filled.page_of_events if filters is candidates and is_event else filled.page_of_streams
    )
    for factor in (1, 2, 3, 4, 20):
        max_rows = factor * number + 2
        for order in ListOrder:
            with readings(filled.database) as measured:
                page_of(filters, limit=LIMIT, order=order, max_rows=max_rows)
            if max_rows < BULK.streams:
                assert [each for each in measured if each.whole_tables] == []
            check_rows(filled, measured, max_rows)


def test_a_page_of_a_large_group_reads_a_bounded_number_of_rows(filled: SqlStore) -> None:
    trait = [literal("region"), literal(value_digest("eu")), literal({"value": "eu"}, JSON)]
    columns = ["stream_id", "name", "digest", "value"]
    of_all = insert(stream_traits).from_select(columns, select(streams.c.id, *trait))
    with filled.database.engine.begin() as connection:
        connection.execute(of_all)
    try:
        analyze(filled.database)
        filters = StreamFilter(name="vm", traits={"region": "eu"})
        check_pages(filled, filled.page_of_streams, filters, (BULK.first_open,))
    finally:
        with filled.database.engine.begin() as connection:
            connection.execute(delete(stream_traits).where(stream_traits.c.name == "region"))
        analyze(filled.database)


@pytest.mark.parametrize("by_timestamp", [False, True])
def test_a_page_without_filters_is_read_in_the_order_of_an_index(
    filled: SqlStore, by_timestamp: bool
) -> None:
    page_of = partial(filled.page_of_events, by_timestamp=by_timestamp)
    number = EVENTS // 2
    middle: Key = (BULK.moment(number), number) if by_timestamp else (number,)
    check_pages(filled, page_of, EventFilter(), middle, per_page=4 * LIMIT)
    check_pages(filled, filled.page_of_rejected, RejectedFilter(), (1,), per_page=4 * LIMIT)


@pytest.mark.parametrize(
    "filters",
    [
        RejectedFilter(source="source 3"),
        RejectedFilter(source="no source", kind="event"),
        RejectedFilter(younger_than=END + timedelta(days=9_999)),
        RejectedFilter(older_than=END, kind="event"),
        RejectedFilter(kind="notification"),
    ],
)
def test_a_page_of_rejected_messages_reads_a_bounded_number_of_rows(
    filled: SqlStore, filters: RejectedFilter
) -> None:
    for order in ListOrder:
        with readings(filled.database) as measured:
            filled.page_of_rejected(filters, limit=LIMIT, order=order, max_rows=100)
        assert rows_of(measured, 4 * 100) <= 7 * 100


def test_a_limited_count_reads_no_more_rows(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        assert filled.count_events(up_to=100) == 100
    assert [each.rows for each in measured] in ([100], [200])  # MariaDB counts the subquery, too
    with readings(filled.database) as measured:
        assert filled.count_events(EventFilter(since=LONG_AGO), up_to=100) == 100
        assert filled.count_rejected(RejectedFilter(source="source 3"), up_to=10) == 10
        states = (StreamState.COMPLETED,)
        assert filled.count_streams(StreamFilter(states=states), up_to=100) == 100
    assert rows_of(measured, 2 * 101) > 0


def test_bounded_statistics_read_a_bounded_number_of_rows(filled: SqlStore) -> None:
    up_to = 100
    with readings(filled.database) as measured:
        found = filled.statistics(END, up_to=up_to)
    assert found.streams["vm"][StreamState.ACTIVE] == up_to
    # each state of a trigger, in the index and for MariaDB also in the subquery
    assert max(each.rows for each in measured) <= 2 * up_to * len(StreamState)
    assert {name for each in measured for name in each.table_scans} <= {"effects"}


def test_a_page_of_a_streams_events_reads_a_part_of_them(filled: SqlStore) -> None:
    for first in range(0, 3 * MAX_ROWS, MAX_ROWS):
        numbers = range(first, first + MAX_ROWS)
        ingest(filled, VM, *(make_event(f"big-{n}", seconds=n, instance="big") for n in numbers))
    stream_id = only_stream(filled, instance="big").id
    analyze(filled.database)
    after: Key | None = None
    seen: list[Any] = []
    while after is not None or not seen:
        with readings(filled.database) as measured:
            page = filled.page_of_stream_events(
                stream_id, after=after, limit=MAX_ROWS // 2, max_rows=MAX_ROWS
            )
        assert rows_of(measured, 3 * MAX_ROWS) <= 5 * MAX_ROWS
        seen += page.items
        after = page.keys[-1] if len(page.items) == MAX_ROWS // 2 else page.searched_to
    assert len(seen) == 3 * MAX_ROWS
    with readings(filled.database) as measured:
        filled.page_of_stream_events(BULK.first_open + 1)
    assert rows_of(measured, 2 * PER_STREAM) <= 8 * PER_STREAM


def test_a_bulk_delete_of_rejected_messages_reads_only_these(filled: SqlStore) -> None:
    ids = [each.id for each in filled.find_rejected(limit=10)]
    with readings(filled.database) as measured:
        assert filled.delete_rejected_messages([*ids, 10**9]) == set(ids)
    assert len(measured) == 2
    assert rows_of(measured, 2 * len(ids)) > 0
