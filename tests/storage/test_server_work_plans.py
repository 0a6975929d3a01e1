"""Query plans of PostgreSQL and MariaDB with many rows: ingest and workers read what they need.

Checked by the databases' own plans of the statements that the store executes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.bulk_rows import END, PER_STREAM, analyze, fill
from support.builders.events import LEASE, VM, ingest, make_event, make_trigger
from support.probes.query_plans import excessive, readings
from support.scenes.filled_stores import BULK, filled_store
from winchester_core.clock import FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import MAX_COUNTED, Completion, Failure, TriggerScope
from winchester_core.storage.sql.statistics import OLDEST_CANDIDATES
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases
    from winchester_core.storage.records import Claim

LATER = END + timedelta(days=90)
"""A stream time at which all open streams, about 5,000, have expired."""

NEW_TRIGGERS = make_trigger(expiration="$last + 2h")
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with many events and streams; the tests change few of them."""
    return filled_store(databases, request.param)


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
