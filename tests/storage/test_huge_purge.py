"""A stream of 100,000 events is purged in one transaction that blocks nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    FAR,
    LEASE,
    NOON,
    VM,
    claim_all,
    ingest,
    make_event,
    matched_events,
    only_stream,
)
from support.probes.lock_waits import disable_timeouts
from support.probes.time_limits import BOUND_SECONDS
from winchester_core.clock import FixedTime
from winchester_core.model.stream import Reason
from winchester_core.storage.filters import EventFilter
from winchester_core.storage.records import Completion
from winchester_core.storage.sql import claims, retention, stream_rows, streams
from winchester_core.storage.sql import ingest as sql_ingest
from winchester_core.storage.sql.database import Transaction
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from support.servers.databases import Databases
    from winchester_core.storage.records import Claim

LINKS = 100_000


@pytest.fixture(params=["postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with one huge stream, "huge", and two small ones, all ready to fire."""
    store = SqlStore(databases.emptied(request.param))
    ingest(store, VM, make_event("huge", "vm.end", instance="huge"))
    huge = only_stream(store, instance="huge").id
    members = [(huge, position, 10**9 + position) for position in range(2, LINKS + 1)]
    execute_all = store.database.dialect.bulk.execute_all
    store.database.write(partial(execute_all, changes=[stream_rows.link_inserts(members)]))
    for name in "ab":
        ingest(store, VM, make_event(f"{name}1", instance=name), make_event(f"{name}2", "lone"))
        ingest(store, VM, make_event(f"{name}3", "vm.end", instance=name))
    return store


def claimed_huge(store: SqlStore) -> Claim:
    """Return the claim of the huge stream; all three are ready at the same time."""
    claim = store.claim_one(
        stream_id=only_stream(store, instance="huge").id,
        worker="w1",
        reason=Reason.FIRE,
        lease=LEASE,
    )
    assert claim is not None
    return claim


@contextmanager
def held_open(store: SqlStore, work: Callable[[Transaction], object]) -> Iterator[None]:
    """Run `work` in a transaction that commits when this context ends."""
    done, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        disable_timeouts(connection)
        work(Transaction(connection, store.database.dialect))
        done.set()
        assert go_on.wait(BOUND_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(store.database.write, hold)
        try:
            assert done.wait(BOUND_SECONDS)
            yield
        finally:
            go_on.set()
        holding.result(BOUND_SECONDS)


def concurrent_work(store: SqlStore, *instances: str) -> None:
    """Ingest events of these instances and others, and run other workers."""
    ingest(store, VM, make_event("c1", instance="c"), make_event("a4", instance="new"))
    ingest(store, VM, *(make_event(f"new {each}", instance=each) for each in ("c", *instances)))
    small = [each for each in claim_all(store) if each.event_count == 2]
    assert len(small) == 2
    store.renew(small, LEASE)
    assert set(store.events_of([each.stream_id for each in small])) == {
        each.stream_id for each in small
    }
    completed = store.complete([Completion(each) for each in small], FixedTime(NOON))
    assert len(completed.stream_ids) == 2
    assert store.rescue(max_attempts=5, limit=10) == (0, 0)
    assert store.trim(FAR, store.real_time() + LEASE, 100).removed == 6
    store.backlog(NOON)


def assert_not_blocked(store: SqlStore, work: Callable[[], object]) -> None:
    """Assert that `work` waits for no lock and has no conflict."""
    retried = store.database.counters[Count.TRANSACTIONS_RETRIED]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(BOUND_SECONDS / 2)  # less than the lock holder's time limit
    assert store.database.counters[Count.TRANSACTIONS_RETRIED] == retried


def test_completing_and_purging_it_blocks_nothing(store: SqlStore) -> None:
    huge = claimed_huge(store)
    complete = partial(
        claims.complete,
        completions=[Completion(huge)],
        policy=FixedTime(NOON),
    )
    with held_open(store, complete):
        assert_not_blocked(store, lambda: concurrent_work(store, "huge"))
    with store.database.engine.connect() as connection:
        assert (
            retention._linked_to_uncompleted(
                Transaction(connection, store.database.dialect), [10**9 + 2, 10**9 + LINKS]
            )
            == set()
        )
    assert store.trim(FAR, store.real_time() + LEASE, 100).removed == 1


def test_purging_it_by_command_blocks_only_events_of_its_group(store: SqlStore) -> None:
    purge = partial(
        streams.purge,
        stream_id=only_stream(store, instance="huge").id,
    )
    with held_open(store, purge):
        assert_not_blocked(store, lambda: concurrent_work(store))


def test_purging_it_does_not_wait_for_uncommitted_ingest(store: SqlStore) -> None:
    huge = claimed_huge(store)
    new = [make_event(f"n{i}", instance=f"n{i % 9}") for i in range(90)]
    record = partial(
        sql_ingest.record,
        matched_events=matched_events([VM], new),
        policy=FixedTime(NOON),
    )
    with held_open(store, record):
        assert_not_blocked(store, lambda: store.complete([Completion(huge)], FixedTime(NOON)))
    assert store.count_events(EventFilter()) == 7 + 90
