"""Work is batched: the number of statements does not grow with the batch or the stream.

Statements are counted, not timed: an executemany counts once for each of its rows.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    LEASE,
    NOON,
    VM,
    at,
    ingest,
    make_event,
    make_trigger,
    matched_events,
)
from support.probes.statement_counts import metered
from winchester_core.clock import ClockKind, EventTime, FixedTime, StreamClock
from winchester_core.interfaces import PipelineHandler
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Completion
from winchester_core.testing import FakeClock
from winchester_core.worker import Worker, WorkerOptions, executor, lease_renewer
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from support.servers.databases import Databases
    from winchester_core.model.event import Event
    from winchester_core.storage.sql.store import SqlStore
    from winchester_core.triggers.definition import TriggerDefinition

PER_BATCH = 12
"""The limit of a batch: begin and commit, the clocks, and one statement for each table."""


def lifecycles(prefix: str, number: int, kind: str = "vm.update", **traits: Any) -> list[Event]:
    """Return `number` events of an eighth as many instances."""
    instances = max(1, number // 8)
    return [
        make_event(f"{prefix}/{i}", kind, seconds=i, instance=i % instances, **traits)
        for i in range(number)
    ]


def cost_of(store: SqlStore, events: list[Event], trigger: TriggerDefinition = VM) -> int:
    """Return the number of statements of one batch."""
    with metered(store.database) as meter:
        recorded = store.record(matched_events([trigger], events), EventTime())
    assert all(recorded.stored)
    return len(meter)


@pytest.mark.parametrize("number", [1, 10, 100, 1000])
def test_a_batch_of_any_size_costs_a_bounded_number_of_statements(
    sql_store: SqlStore, number: int
) -> None:
    opening = cost_of(sql_store, lifecycles("open", number))
    joining = cost_of(sql_store, lifecycles("join", number))
    firing = cost_of(sql_store, lifecycles("fire", number, "vm.end"))
    assert max(opening, joining, firing) <= PER_BATCH


def test_a_batch_of_1000_costs_no_more_than_one_of_100(sql_store: SqlStore) -> None:
    """On PostgreSQL its events are sent in four pipelined parts."""
    cost_of(sql_store, [make_event("known", instance=0)])
    parts = 4 if sql_store.database.dialect.name == "postgresql" else 1
    small = cost_of(sql_store, lifecycles("small", 100))
    assert cost_of(sql_store, lifecycles("large", 1000)) <= small + parts - 1


def test_a_batch_of_duplicates_costs_less_than_a_new_one(sql_store: SqlStore) -> None:
    batch = lifecycles("once", 1000)
    new = cost_of(sql_store, batch)
    with metered(sql_store.database) as meter:
        ingest(sql_store, VM, *batch)
    assert len(meter) < new


def test_repeatedly_closing_and_opening_streams_is_bounded(sql_store: SqlStore) -> None:
    cost_of(sql_store, [make_event("0"), make_event("1", instance="b")])
    hours = [
        make_event(f"{name}/{hour}", seconds=hour * 4000, instance=name)
        for hour in range(1, 200)
        for name in "abc"
    ]
    assert cost_of(sql_store, hours) <= PER_BATCH + 1
    assert sql_store.count_streams(StreamFilter()) == 3 * 199 + 2


def test_recalculating_outdated_streams_is_bounded(sql_store: SqlStore) -> None:
    cost_of(sql_store, lifecycles("old", 400))
    new_rules = make_trigger(fire=[{"event_type": "vm.update", "number": 9}])
    assert cost_of(sql_store, lifecycles("new", 400), new_rules) <= PER_BATCH + 1
    newer_rules = make_trigger(fire=[{"event_type": "vm.update", "number": 99}])
    with metered(sql_store.database) as meter:
        assert sql_store.recalculate(newer_rules, NOON, limit=100) == 50
    assert len(meter) <= 6


def test_adding_to_10000_events_costs_the_same_as_adding_to_10(
    sql_store: SqlStore,
) -> None:
    ingest(sql_store, VM, *(make_event(f"small/{i}", instance="small") for i in range(10)))
    for part in range(10):
        ids = (f"large/{part}/{i}" for i in range(1000))
        ingest(sql_store, VM, *(make_event(message_id, instance="large") for message_id in ids))
    costs = {}
    for name in ("small", "large"):
        with metered(sql_store.database, instructions=True) as meter:
            ingest(sql_store, VM, make_event(f"{name}/last", instance=name))
        costs[name] = (len(meter), meter.instructions)
    assert costs["large"] == costs["small"]
    assert costs["small"][0] <= 8


@pytest.fixture
def many_ready(sql_store: SqlStore) -> SqlStore:
    """A store with 200 streams of 8 events each that are ready to fire."""
    ingest(sql_store, VM, *lifecycles("events", 1600, "vm.end"))
    return sql_store


@pytest.mark.parametrize("number", [10, 100])
def test_work_on_streams_costs_by_the_batch(many_ready: SqlStore, number: int) -> None:
    store = many_ready
    database = store.database
    with metered(database) as claiming:
        claims = store.claim_ready(
            worker="w", reason=Reason.FIRE, now=at(1e6), limit=number, lease=LEASE
        )
    assert len(claims) == number
    with metered(database) as loading:
        events = store.events_of([claim.stream_id for claim in claims])
    assert sum(map(len, events.values())) == 8 * number
    with metered(database) as renewing:
        assert store.renew(claims, LEASE) == claims
    kept, rest = claims[: number // 2], claims[number // 2 :]
    with metered(database) as releasing:
        assert store.release(rest[:3]) == 3
    with metered(database) as completing:
        completions = [Completion(claim, purge=False) for claim in kept]
        completions += [Completion(claim) for claim in rest[3:]]
        assert len(store.complete(completions, FixedTime(NOON)).stream_ids) == number - 3
    assert len(claiming) <= 7
    assert len(loading) <= 3
    assert len(renewing) <= 4
    assert len(releasing) <= 5
    assert len(completing) <= 7


def worker_of(store: SqlStore) -> Worker:
    """A worker whose handlers do nothing, and have no commit."""
    handlers = (HandlerSpec("nothing", NoOpHandler),)
    return Worker(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, FakeClock(at(1e6))),
        configuration=WorkerConfiguration(
            [VM],
            {name: PipelineDefinition(name, handlers) for name in ("fire", "expire")},
            WorkerOptions(lease=timedelta(days=1)),
        ),  # no lease is renewed meanwhile
    )


class NoOpHandler(PipelineHandler):
    """A handler that does nothing."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        return events


@pytest.mark.parametrize("number", [1, 10, 200])
def test_a_worker_fires_streams_by_the_batch(
    many_ready: SqlStore, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a slow machine a part of the batch would be completed before the rest
    for module in (executor, lease_renewer):
        monkeypatch.setattr(module, "MAX_DEFER_SECONDS", math.inf)
    worker = worker_of(many_ready)
    with metered(many_ready.database) as meter:
        assert worker.process_ready_streams(number) == number
    assert many_ready.count_streams(StreamFilter()) == 200 - number
    assert len(meter) <= 7 + 3 + 6  # to claim, to load, and to complete


def test_an_idle_worker_reads_the_backlog_once(sql_store: SqlStore) -> None:
    ingest(sql_store, VM, make_event("open", seconds=1e6))
    worker = worker_of(sql_store)
    worker.run_once()  # includes the recalculation check of a first run
    with metered(sql_store.database) as meter:
        assert worker.run_once() == 0
    assert len(meter) <= 3  # the database's time and one backlog query, in a transaction


def test_completions_with_new_events_cost_one_batch_more(many_ready: SqlStore) -> None:
    store = many_ready
    claims = store.claim_ready(worker="w", reason=Reason.FIRE, now=at(1e6), limit=100, lease=LEASE)
    completions = [
        Completion(claim, tuple(matched_events([VM], [make_event(f"sum {i}", instance=f"{i}")])))
        for i, claim in enumerate(claims)
    ]
    with metered(store.database) as meter:
        assert len(store.complete(completions, FixedTime(NOON)).stream_ids) == 100
    assert len(meter) <= 7 + PER_BATCH


def test_a_rescue_costs_by_the_batch(many_ready: SqlStore) -> None:
    store = many_ready
    for attempts in (1, 2):
        store.claim_ready(
            worker="w", reason=Reason.FIRE, now=at(1e6), limit=50 * attempts, lease=-LEASE
        )
        with metered(store.database) as meter:
            rescued, failed = store.rescue(max_attempts=2, limit=200)
        assert rescued + failed == 50 * attempts
        assert len(meter) <= 6


def test_the_trace_of_sqlite_counts_every_row_of_an_executemany(databases: Databases) -> None:
    database = databases.emptied("sqlite")
    with metered(database) as meter, database.engine.begin() as connection:
        connection.exec_driver_sql("SELECT ?", (1,))
        connection.connection.driver_connection.executemany(  # type: ignore[union-attr]
            "UPDATE event_clock SET id = ?", [(1,), (1,), (1,)]
        )
    assert len(meter) == 1 + 1 + 3 + 1  # BEGIN, and COMMIT
