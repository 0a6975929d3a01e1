"""Cost of trimming, and trimming concurrent with other work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import FAR, NOON, at, claim_all, ingest, make_event, make_trigger
from support.probes.statement_counts import metered
from support.probes.time_limits import BOUND_SECONDS
from winchester_core.clock import FixedTime
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion, TrimCursor

if TYPE_CHECKING:
    from support.servers.databases import Databases
    from winchester_core.storage.interface import Store
    from winchester_core.storage.sql.store import SqlStore

VM = make_trigger(expiration="$last + 30d")
HOUR = timedelta(hours=1)


PAUSE_SECONDS = 0.005
"""Pause between two polls: on SQLite a writer without pauses starves others."""


def sweep(store: Store, limit: int = 50) -> list[int]:
    """Trim from start to end; return how many events each batch removed."""
    removed: list[int] = []
    mark: TrimCursor | None = None
    more = True
    while more:
        trimmed = store.trim(FAR, store.real_time() + HOUR, limit, mark)
        removed.append(trimmed.removed)
        mark, more = trimmed.cursor, trimmed.more
    return removed


def test_a_sweep_removes_all_deletable_events_and_reads_each_once(sql_store: SqlStore) -> None:
    held = [make_event(f"h{i}", seconds=i % 7) for i in range(700)]
    lone = [make_event(f"l{i}", "lone", seconds=3 + i % 7) for i in range(300)]
    ingest(sql_store, VM, *held, *lone)
    removed = sweep(sql_store)
    assert sum(removed) == 300
    assert max(removed) <= 50
    assert len(removed) <= 1000 / 50 + 1
    assert sql_store.count_events(EventFilter()) == 700
    assert sweep(sql_store)[-1] == 0


def test_a_batch_continues_to_a_deletable_event_up_to_a_limit(
    sql_store: SqlStore,
) -> None:
    ingest(sql_store, VM, *(make_event(f"h{i}", seconds=i) for i in range(100)))
    ingest(sql_store, VM, make_event("late", "lone", seconds=1000))
    soon = sql_store.trim(FAR, sql_store.real_time() + HOUR, 20)
    assert (soon.removed, soon.kept, soon.more) == (1, 100, False)
    ingest(sql_store, VM, make_event("late", "lone", seconds=1000))
    bounded = sql_store.trim(FAR, sql_store.real_time() + HOUR, 5)
    assert (bounded.removed, bounded.kept, bounded.more) == (0, 50, True)


def test_events_of_equal_time_are_ordered_by_row_id(sql_store: SqlStore) -> None:
    ingest(sql_store, VM, *(make_event(f"{i}", "lone") for i in range(95)))
    assert sweep(sql_store, limit=10) == [10] * 9 + [5]


def test_a_batch_costs_the_same_however_many_events_are_kept_before_it(
    databases: Databases,
) -> None:
    """Measured on SQLite in virtual machine instructions."""
    from winchester_core.storage.sql.store import SqlStore

    costs = []
    for held in (100, 3000):
        store = SqlStore(databases.emptied("sqlite"))
        ingest(store, VM, *(make_event(f"h{i}", seconds=i / 1000) for i in range(held)))
        ingest(store, VM, *(make_event(f"l{i}", "lone", seconds=10 + i) for i in range(200)))
        past_them = TrimCursor(at(5), 0)
        with metered(store.database, instructions=True) as meter:
            store.trim(FAR, store.real_time() + HOUR, 100, past_them)
        costs.append(meter.instructions)
    assert costs[1] <= 1.05 * costs[0]


def test_concurrent_workers_share_trimming(sql_store: SqlStore) -> None:
    ingest(sql_store, VM, *(make_event(f"{i}", "lone", seconds=i) for i in range(2000)))
    with ThreadPoolExecutor(4) as pool:
        removed = list(pool.map(lambda _: sum(sweep(sql_store, limit=20)), range(4)))
    assert sum(removed) == 2000
    assert sql_store.count_events(EventFilter()) == 0


def test_trimming_concurrent_with_completion_purge_and_ingest_loses_no_member(
    sql_store: SqlStore,
) -> None:
    store, rounds = sql_store, 12
    finished = threading.Event()

    def ingest_events() -> None:
        for i in range(rounds * 10):
            ingest(store, VM, make_event(f"u{i}", instance=i), make_event(f"x{i}", "lone"))
            ingest(store, VM, make_event(f"e{i}", "vm.end", instance=i))

    def work() -> int:
        done = 0
        while done < rounds * 10:
            claims = claim_all(store, limit=7)
            if not claims:
                finished.wait(PAUSE_SECONDS)
            held = store.events_of([each.stream_id for each in claims])
            assert [len(held[each.stream_id]) for each in claims] == [2] * len(claims)
            completions = [Completion(each, purge=i % 2 == 0) for i, each in enumerate(claims)]
            done += len(store.complete(completions, FixedTime(NOON)).stream_ids) if claims else 0
        return done

    def trim() -> int:
        removed = 0
        while not finished.wait(PAUSE_SECONDS):
            removed += sum(sweep(store, limit=10))
        return removed + sum(sweep(store, limit=10))

    def purge() -> None:
        completed = StreamFilter(states=(StreamState.COMPLETED,))
        while not finished.is_set() or store.count_streams(completed):
            for stream in store.find_streams(completed, limit=5):
                store.purge_stream(stream.id)
            finished.wait(PAUSE_SECONDS)

    with ThreadPoolExecutor(5) as pool:
        ingesting, working = pool.submit(ingest_events), pool.submit(work)
        trimming = [pool.submit(trim) for _ in range(2)]
        purging = pool.submit(purge)
        try:
            ingesting.result(timeout=BOUND_SECONDS)
            working.result(timeout=BOUND_SECONDS)
        finally:
            finished.set()
        removed = sum(each.result(timeout=BOUND_SECONDS) for each in trimming)
        purging.result(timeout=BOUND_SECONDS)
    assert removed + sum(sweep(store)) == rounds * 10 * 3
    assert store.count_events(EventFilter()) == store.count_streams(StreamFilter()) == 0


@pytest.mark.parametrize("number", [1, 300])
def test_a_batch_of_trimming_is_a_bounded_number_of_statements(
    sql_store: SqlStore, number: int
) -> None:
    ingest(sql_store, VM, *(make_event(f"{i}", "lone", seconds=i) for i in range(number)))
    with metered(sql_store.database) as meter:
        sql_store.trim(FAR, NOON + HOUR * 10**6, 300)
    assert len(meter) <= 7
