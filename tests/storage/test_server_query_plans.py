"""Query plans of PostgreSQL and MariaDB with many rows: they read only what each query needs.

Checked by the databases' own plans of the statements that the store executes, on tables distributed
like real ones: nearly all streams completed or not due, and few ready.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from support.builders.bulk_rows import END, PER_STREAM, RARE_TYPE, Bulk, analyze, fill
from support.builders.events import LEASE, VM, ingest, make_event, make_trigger
from support.probes.query_plans import Reading, readings
from winchester_core.clock import FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.records import (
    MAX_COUNTED,
    Completion,
    EventFilter,
    Failure,
    ListOrder,
    RejectedFilter,
    Rejection,
    StreamFilter,
    TriggerScope,
)
from winchester_core.storage.sql import keyset
from winchester_core.storage.sql.database import Transaction
from winchester_core.storage.sql.event_list import find_events
from winchester_core.storage.sql.keyset import SCAN_WINDOW_ROWS
from winchester_core.storage.sql.statistics import OLDEST_CANDIDATES
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import events

if TYPE_CHECKING:
    from support.servers.databases import Databases
    from winchester_core.storage.records import Claim

EVENTS = 100_000
LATER = END + timedelta(days=90)
"""A stream time at which all open streams, about 5,000, have expired."""

ADDED = 3_000
"""An upper bound of the events that the tests of ingest add."""

NEW_TRIGGERS = make_trigger(expiration="$last + 2h")
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with many events and streams; the tests change few of them."""
    store = SqlStore(databases.emptied(request.param))
    fill(store.database, EVENTS)
    store.insert_rejected(
        [
            Rejection(f"source {i % 7}", "event", "broken", b"{", 1, i.to_bytes(32))
            for i in range(500)
        ]
    )
    analyze(store.database)
    return store


BULK = Bulk(EVENTS)


def excessive(measured: list[Reading], rows: int) -> list[Reading]:
    """Return the statements that read a whole table, or more than `rows`.

    The table of effects is empty here and does not count.
    """
    return [each for each in measured if {*each.whole_tables} - {"effects"} or each.rows > rows]


def claim(
    store: SqlStore, reason: Reason, limit: int, now: object = LATER, lease: timedelta = LEASE
) -> list[Claim]:
    return store.claim_ready(worker="w", reason=reason, now=LATER, limit=limit, lease=lease)


def test_ingest_reads_in_proportion_to_its_batch(filled: SqlStore) -> None:
    known = range(BULK.first_open, BULK.first_open + 20)
    with readings(filled.database) as measured:
        ingest(filled, VM, *(make_event(f"k{i}", instance=f"i-{i}") for i in known))
        ingest(filled, VM, *(make_event(f"n{i}", instance=f"new-{i}") for i in range(20)))
        ingest(filled, VM, *(make_event(f"k{i}", instance=f"i-{i}") for i in known))
    assert len(measured) >= 2
    assert excessive(measured, rows=60) == []


def test_a_full_batch_reads_the_streams_that_it_joins(filled: SqlStore) -> None:
    known = range(BULK.first_open, BULK.first_open + 1000)
    with readings(filled.database) as measured:
        ingest(filled, VM, *(make_event(f"f{i}", instance=f"i-{i}") for i in known))
    # PostgreSQL has a generic plan for updates of any number of rows: see test_postgresql_plans
    finding = [each for each in measured if each.statement.startswith("SELECT")]
    assert len(finding) >= 1
    assert excessive(finding, rows=3 * 1000) == []


def test_ingest_after_a_trigger_change_reads_the_members_of_its_streams(
    filled: SqlStore,
) -> None:
    known = range(BULK.first_open + 100, BULK.first_open + 120)
    with readings(filled.database) as measured:
        ingest(filled, NEW_TRIGGERS, *(make_event(f"r{i}", instance=f"i-{i}") for i in known))
    assert excessive(measured, rows=20 * 8 * 3) == []


@pytest.mark.parametrize("reason", CLAIM_REASONS)
def test_a_claim_reads_only_what_it_claims_and_sorts_nothing(
    filled: SqlStore, reason: Reason
) -> None:
    with readings(filled.database) as measured:
        claims = claim(filled, reason, limit=5)
    filled.release(claims)
    assert len(claims) == 5
    assert [each for each in measured if each.sorts and "stream_traits" not in each.statement] == []
    assert excessive(measured, rows=30) == []


def test_work_on_claims_reads_only_their_streams(filled: SqlStore) -> None:
    claims = claim(filled, Reason.EXPIRE, limit=60)
    with readings(filled.database) as measured:
        filled.events_of([each.stream_id for each in claims])
        filled.renew(claims, LEASE)
        filled.fail(Failure(claims[0], "failed", HOUR), max_attempts=5)
        filled.complete([Completion(each) for each in claims[1:20]], FixedTime(END))
        filled.complete([Completion(each, purge=False) for each in claims[20:40]], FixedTime(END))
        filled.release(claims[40:])
        filled.release_all("nobody")
    held = sum(each.event_count for each in claims)  # some have joined since they were filled
    assert len(measured) >= 8
    assert excessive(measured, rows=held * 3) == []


def test_work_on_many_claims_reads_only_their_streams(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        claims = claim(filled, Reason.EXPIRE, limit=1000)
        filled.events_of([each.stream_id for each in claims])
        filled.renew(claims, LEASE)
        filled.complete([Completion(each) for each in claims[:900]], FixedTime(END))
        filled.release(claims[900:])
    assert len(claims) == 1000
    assert excessive(measured, rows=1000 * 8 * 4) == []


def test_a_rescue_reads_only_expired_leases(filled: SqlStore) -> None:
    abandoned = claim(filled, Reason.EXPIRE, limit=20, lease=-LEASE)
    held = claim(filled, Reason.EXPIRE, limit=200)
    with readings(filled.database) as measured:
        rescued, _ = filled.rescue(max_attempts=9, limit=1000)
    assert rescued == len(abandoned)
    assert excessive(measured, rows=3 * len(abandoned)) == []
    filled.release(held)


def test_a_trial_reads_only_its_stream(filled: SqlStore) -> None:
    claim(filled, Reason.EXPIRE, limit=200, lease=-LEASE)
    filled.rescue(max_attempts=9, limit=1000)
    with readings(filled.database) as measured:
        claims = [filled.claim_trial(worker="w", lease=LEASE) for _ in range(3)]
        ordinary = claim(filled, Reason.EXPIRE, limit=5)
    assert excessive(measured, rows=30) == []
    filled.release(ordinary)
    while trial := filled.claim_trial(worker="w", lease=LEASE):
        claims.append(trial)
    filled.complete([Completion(each) for each in claims if each], FixedTime(END))
    assert len(claims) >= 200  # and those of the test before


def test_streams_of_unknown_triggers_are_passed_over_once(filled: SqlStore) -> None:
    late = make_trigger("late")
    seconds = (LATER - END).total_seconds() - 2 * 3600
    ingest(filled, late, *(make_event(f"l{i}", seconds=seconds, instance=i) for i in range(40)))
    scope = TriggerScope(frozenset({"late"}))

    def claim_late() -> list[Claim]:
        return filled.claim_ready(
            worker="w", reason=Reason.EXPIRE, now=LATER, limit=5, lease=LEASE, scope=scope
        )

    assert len(claim_late()) == 5
    assert scope.skipped == {"vm"}
    with readings(filled.database) as measured:
        assert len(claim_late()) == 5
        load = filled.backlog(LATER, scope)
    assert load.ready == 30
    assert excessive(measured, rows=6 * 40) == []
    for stream in filled.find_streams(StreamFilter(name="late")):
        if stream.state is StreamState.ACTIVE:
            filled.purge_stream(stream.id)
    filled.rescue(max_attempts=5, limit=10, workers=["w"])
    while trial := filled.claim_trial(worker="w", lease=LEASE):
        filled.complete([Completion(trial)], FixedTime(END))


def test_an_idle_poll_reads_almost_nothing(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        filled.rescue(max_attempts=5, limit=1000)
        load = filled.backlog(END - timedelta(days=29))
    assert (load.ready > 0, load.claimed) == (True, 0)  # retries are due in real time
    assert len(measured) == 2
    assert excessive(measured, rows=3 * load.ready) == []  # each once more in a subquery


def test_ready_streams_are_counted_up_to_a_limit(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        load = filled.backlog(LATER)
    assert load.ready == MAX_COUNTED
    assert excessive(measured, rows=6 * MAX_COUNTED) == []  # of several queues, each to that bound


def test_statistics_read_the_backlog_and_count_the_rest_in_an_index(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        statistics = filled.statistics(END)
    counting, *others = [each for each in measured if "FROM effects" not in each.statement]
    assert statistics.oldest_unexpired_seconds > 0
    assert (counting.whole_tables, counting.table_scans) == (["streams"], [])
    assert len(others) >= 5
    assert (
        excessive(
            [each for each in others if "rejected" not in each.statement], rows=OLDEST_CANDIDATES
        )
        == []
    )


def test_with_kept_completed_streams_statistics_read_the_active_ones(filled: SqlStore) -> None:
    old = "UPDATE streams SET state = 'completed' WHERE id < 4000 AND state = 'active'"
    filled.database.write(lambda connection: connection.exec_driver_sql(old))
    analyze(filled.database)
    active = filled.count_streams(StreamFilter(states=(StreamState.ACTIVE,)))
    with readings(filled.database) as measured:
        filled.statistics(END)
    (oldest,) = [each for each in measured if "min(streams.first_event)" in each.statement]
    if filled.database.dialect.name == "mariadb":
        assert (oldest.rows, oldest.whole_tables) == (active, [])
    else:  # two fifths of the streams are active: it rather reads them all
        assert active <= oldest.rows <= BULK.streams


def test_recalculation_reads_only_outdated_streams(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        assert filled.recalculate(NEW_TRIGGERS, END, limit=20) == 20
    assert excessive(measured, rows=20 * 8 * 3) == []


def test_trimming_reads_only_what_it_examines(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        trimmed = filled.trim(END, END, 20)
        later = filled.trim(END, END, 20, trimmed.cursor)
    assert 8 <= trimmed.removed < 20  # others are held; tests before this one may have freed some
    assert later.removed >= 8
    assert excessive(measured, rows=80) == []
    assert [each.sorts for each in measured if "timestamp" in str(each.sorts)] == []


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
        excessive(
            measured, rows=max(SCAN_WINDOW_ROWS + ADDED, 2 * min(matching, SCAN_WINDOW_ROWS * 3))
        )
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
    assert excessive(measured, rows=SCAN_WINDOW_ROWS * (1 + members) + ADDED) == []


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
    assert excessive(measured, rows=500) == []


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (RejectedFilter(kind="notification"), 60),
        (RejectedFilter(source="source 3"), 2 * 500 // 7 + 60),
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


def test_members_are_looked_up_by_index_without_table_statistics(
    databases: Databases,
) -> None:
    """PostgreSQL then estimates that most events match, and would scan all of them."""
    store = SqlStore(databases.emptied("postgresql"))
    with store.database.engine.begin() as connection:
        for table in ("events", "stream_events"):
            connection.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    try:
        fill(store.database, 40_000)
        claims = claim(store, Reason.EXPIRE, limit=400)
        with readings(store.database) as measured:
            found = store.events_of([each.stream_id for each in claims])
    finally:
        with store.database.engine.begin() as connection:
            for table in ("events", "stream_events"):
                connection.exec_driver_sql(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
    assert sum(map(len, found.values())) == 400 * PER_STREAM
    assert [each.whole_tables for each in measured if "events" in each.whole_tables] == []
