"""Every store: concurrent ingest and workers have the same result as sequential ones."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from support.builders.events import (
    LEASE,
    at,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from support.probes.lock_waits import disable_timeouts, wait_until_a_transaction_waits
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.threads import run_concurrently
from winchester_core.clock import FixedTime
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.servers.databases import Databases
    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import IngestResult

VM = make_trigger(fire=[{"event_type": "vm.update", "number": 15}])
GROUPS = 4
BATCHES = 8
IN_A_BATCH = 24


def ingester(store: Store, shift: int) -> Callable[[], int]:
    """Return a function that ingests all events from batch `shift` on and counts the stored."""

    def ingest_one(number: int) -> int:
        # every batch has every group in a different order; some expire what others joined
        batch = [
            make_event(f"{number}/{i}", seconds=number * 1800, instance=(i * 7 + shift) % GROUPS)
            for i in range(IN_A_BATCH)
        ]
        batch = batch[shift:] + batch[:shift]
        return sum(store.record(matched_events([VM], batch), FixedTime(at(number * 1800))).stored)

    return lambda: sum(ingest_one((shift + i) % BATCHES) for i in range(BATCHES))


def worker(store: Store, name: str, done: threading.Event) -> Callable[[], int]:
    """Return a function that fires streams until all are fired and counts them."""

    def fire() -> int:
        claims = store.claim_ready(
            worker=name, reason=Reason.FIRE, now=at(1e6), limit=3, lease=LEASE
        )
        completions = [Completion(claim, purge=False) for claim in claims]
        return len(store.complete(completions, FixedTime(at(0))).stream_ids)

    def work() -> int:
        fired = 0
        while not done.is_set():
            fired += fire()
        while more := fire():
            fired += more
        return fired

    return work


def check_members(store: Store) -> None:
    """Assert that every event is in one stream, and that no group has two open streams."""
    streams = store.find_streams(StreamFilter(), limit=10_000)
    members = store.events_of([stream.id for stream in streams])
    occurrences = Counter(event["message_id"] for each in members.values() for event in each)
    assert set(occurrences.values()) == {1}
    assert len(occurrences) == BATCHES * IN_A_BATCH
    for stream in streams:
        assert stream.event_count == len(members[stream.id])
        assert stream.progress == (min(15, stream.event_count),)
        assert (stream.fire_timestamp is not None) == (stream.event_count >= 15)
    still_open = Counter(s.distinguished_by["instance"] for s in streams if s.is_open)
    assert set(still_open.values()) <= {1}


def test_ingesters_of_the_same_events_store_each_once(store: Store) -> None:
    stored = run_concurrently(*(ingester(store, shift) for shift in range(3)))
    assert stored == BATCHES * IN_A_BATCH == store.count_events(EventFilter())
    check_members(store)


def test_concurrent_ingesters_and_workers(store: Store) -> None:
    done = threading.Event()

    def ingest_all() -> int:
        try:
            run_concurrently(*(ingester(store, shift) for shift in range(2)))
        finally:
            done.set()
        return 0

    fired = run_concurrently(ingest_all, worker(store, "w1", done), worker(store, "w2", done))
    check_members(store)
    states = store.count_states()
    assert states[StreamState.COMPLETED] == fired
    assert set(states) <= {StreamState.COMPLETED, StreamState.ACTIVE}
    assert store.backlog(None).is_idle


@pytest.mark.parametrize("sql_store", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("others", [0, 200])
def test_a_batch_that_waited_for_a_lock_sees_the_other_batchs_streams(
    sql_store: SqlStore, others: int
) -> None:
    def batch(name: str) -> list[Event]:
        return [
            make_event("in both", seconds=5000, instance="moved"),
            make_event(f"{name}/moves", seconds=5000, instance="moved"),
            make_event(f"{name}/opens", seconds=5000, instance="opened"),
            make_event(f"{name}/opens again", seconds=5000, instance="closed"),
            *(make_event(f"{name}/{i}", seconds=5000, instance=i) for i in range(others)),
        ]

    def ingest_batch(name: str) -> IngestResult:
        return ingest(sql_store, VM, *batch(name), now=at(5000))

    ingest(sql_store, VM, make_event("before/moved", seconds=4000, instance="moved"))
    ingest(sql_store, VM, make_event("before/closed", instance="closed"))
    later: list[Future[IngestResult]] = []
    with ThreadPoolExecutor(1) as pool:

        def record_hit(point: Failpoint) -> None:
            if point is Failpoint.BEFORE_INGEST_COMMIT and not later:
                later.append(pool.submit(ingest_batch, "second"))
                wait_until_a_transaction_waits(sql_store.database)

        on_hit(record_hit)
        try:
            ingest_batch("first")
        finally:
            on_hit(None)
        assert later[0].result(timeout=BOUND_SECONDS).stored == (False, *[True] * (3 + others))
    found = {
        (stream.distinguished_by["instance"], stream.is_open): [
            event["message_id"] for event in sql_store.get_stream_events(stream.id)
        ]
        for stream in sql_store.find_streams(StreamFilter(), limit=1000)
    }
    assert found.pop(("moved", True)) == ["before/moved", "in both", "first/moves", "second/moves"]
    assert found.pop(("closed", False)) == ["before/closed"]
    assert found.pop(("closed", True)) == ["first/opens again", "second/opens again"]
    assert found.pop(("opened", True)) == ["first/opens", "second/opens"]
    assert found == {(i, True): [f"first/{i}", f"second/{i}"] for i in range(others)}


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_ingest_and_workers_wait_only_for_their_own_streams(
    databases: Databases, backend: str
) -> None:
    store = SqlStore(databases.emptied(backend))
    ingest(store, VM, *(make_event(f"a{i}", instance=i) for i in range(300)))
    in_work = only_stream(store, instance=0).id
    store.claim_one(stream_id=in_work, worker="w1", reason=Reason.FIRE, lease=LEASE)
    with store.database.engine.begin() as busy_worker:
        disable_timeouts(busy_worker)
        lock = select(streams.c.id).where(streams.c.id == in_work).with_for_update()
        busy_worker.execute(lock)
        ingest(store, VM, *(make_event(f"b{i}", instance=i) for i in range(1, 300)))
        claims = store.claim_ready(
            worker="w2", reason=Reason.EXPIRE, now=at(1e6), limit=300, lease=LEASE
        )
        assert len(store.renew(claims, LEASE)) == 299
        assert store.rescue(max_attempts=5, limit=300) == (0, 0)
        assert store.release(claims[:100]) == 100
