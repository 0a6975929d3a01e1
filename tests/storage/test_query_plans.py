"""No statement of ingest or of workers reads a whole table, by SQLite's query plans."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import NOON, VM, at, ingest, make_event, make_trigger
from support.probes.sqlite_plans import full_scans, plans
from support.probes.statement_counts import metered
from winchester_core.clock import FixedTime
from winchester_core.model.effect import EffectState, Endpoint, QueuedEffect
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
)
from winchester_core.storage.filters import EventFilter, ListOrder, StreamFilter
from winchester_core.storage.records import Completion, Failure
from winchester_core.storage.sql import keyset
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases

NOW = FixedTime(NOON)
MAIL = Endpoint("fire", "mail")
NEW_TRIGGERS = make_trigger(expiration="$last + 2h")
HOUR = timedelta(hours=1)


@pytest.fixture
def store(databases: Databases) -> SqlStore:
    return SqlStore(databases.emptied("sqlite"))


def effect() -> QueuedEffect:
    return QueuedEffect(str(uuid.uuid4()), MAIL, "1")


def test_ingest_finds_everything_by_index(store: SqlStore) -> None:
    with metered(store.database) as meter:
        ingest(store, VM, *(make_event(f"a{i}", instance=i) for i in range(20)))
        ingest(store, VM, *(make_event(f"b{i}", instance=i % 3) for i in range(20)))
        ingest(store, NEW_TRIGGERS, *(make_event(f"c{i}", instance=i) for i in range(20)))
    assert len(meter) > 15
    assert full_scans(store, meter.statements) == []


def test_workers_find_everything_by_index(store: SqlStore) -> None:
    ingest(store, VM, *(make_event(f"a{i}", "vm.end", instance=i) for i in range(20)))
    ingest(store, VM, *(make_event(f"b{i}", instance=20 + i) for i in range(20)))
    with metered(store.database) as meter:
        claims = [
            claim
            for reason in CLAIM_REASONS
            for claim in store.claim_ready(
                worker="w", reason=reason, now=at(1e6), limit=10, lease=-HOUR
            )
        ]
        store.events_of([claim.stream_id for claim in claims])
        store.renew(claims, -HOUR)
        store.release(claims[:2])
        store.fail(Failure(claims[2], "failed", HOUR), max_attempts=5)
        store.complete([Completion(claim) for claim in claims[3:6]], FixedTime(NOON))
        store.complete([Completion(claims[6], purge=False)], FixedTime(NOON))
        store.rescue(max_attempts=5, limit=9)
        store.recalculate(NEW_TRIGGERS, NOON, limit=9)
        store.backlog(at(1e6))
        store.trim(at(1e6), store.real_time() + HOUR, limit=9)
    assert len(meter) > 40
    assert full_scans(store, meter.statements) == []


def test_the_outbox_finds_everything_by_index(store: SqlStore) -> None:
    ingest(store, VM, *(make_event(f"a{i}", "vm.end", instance=i) for i in range(20)))
    claims = store.claim_ready(worker="w", reason=Reason.FIRE, now=at(1e6), limit=20, lease=HOUR)
    with metered(store.database) as meter:
        store.complete([Completion(each, effects=(effect(), effect())) for each in claims], NOW)
        taken = store.claim_effects(MAIL, worker="w", limit=10, lease=HOUR)
        store.renew_effects(taken, HOUR)
        store.release_effects(taken[:2])
        store.apply_effect_results(
            [
                EffectDelivered(taken[2]),
                EffectDelayed(taken[3], HOUR, "busy"),
                EffectRefused(taken[4], "no"),
            ]
        )
        store.next_effect_seconds(MAIL)
        store.retry_effect(taken[4].id)
        store.discard_effect(taken[4].id)
        store.mark_overdue_effects_dead(max_age=-HOUR, limit=5)
        store.find_effects(EffectFilter(state=EffectState.DEAD))
        store.find_effects(EffectFilter(pipeline="fire", handler="mail"))
        store.find_effects(EffectFilter(stream_id=1))
    assert len(meter) > 30
    assert full_scans(store, meter.statements) == []


def test_due_effects_are_claimed_without_sorting(store: SqlStore) -> None:
    with metered(store.database) as meter:
        store.claim_effects(MAIL, worker="w", limit=10, lease=HOUR)
        store.mark_overdue_effects_dead(max_age=HOUR, limit=10)
        store.next_effect_seconds(MAIL)
        store.find_effects(EffectFilter(state=EffectState.DEAD))
    steps = [step for plan in plans(store, meter.statements).values() for step in plan]
    assert len(steps) == 4
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_statistics_use_indexes_only(store: SqlStore) -> None:
    done = [make_event(f"d{i}", "vm.end", instance=f"d{i}") for i in range(120)]
    ingest(store, VM, *done)
    claims = store.claim_ready(worker="w", reason=Reason.FIRE, now=at(1e6), limit=200, lease=HOUR)
    fax = QueuedEffect(str(uuid.uuid4()), Endpoint("fire", "fax"), "1")
    completions = [Completion(each, effects=(effect(), effect()), purge=False) for each in claims]
    store.complete([*completions[1:], Completion(claims[0], effects=(fax,))], NOW)
    ingest(store, VM, make_event("a", seconds=1))
    with metered(store.database) as meter:
        store.statistics(at(1e6))
    steps = [step for plan in plans(store, meter.statements).values() for step in plan]
    assert len(meter) >= 10
    assert [step for step in steps if step.startswith("SEARCH") and "ix_streams_due" in step]
    assert [
        step
        for step in steps
        if step.startswith("SCAN ") and "COVERING INDEX" not in step and "CONSTANT" not in step
    ] == []
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize("reason", CLAIM_REASONS)
def test_ready_streams_are_claimed_without_sorting(store: SqlStore, reason: Reason) -> None:
    with metered(store.database) as meter:
        store.claim_ready(worker="w", reason=reason, now=at(1e6), limit=10, lease=HOUR)
    steps = [step for plan in plans(store, meter.statements).values() for step in plan]
    assert len(steps) >= 2
    assert not [step for step in steps if "TEMP B-TREE" in step]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (EventFilter(event_type="vm.end"), "ix_events_event_type_timestamp"),
        (EventFilter(event_type="vm.*"), "ix_events_event_type_timestamp"),
        (EventFilter(since=NOON, until=at(9)), "ix_events_timestamp"),
    ],
)
def test_events_are_counted_within_an_index_range(
    store: SqlStore, filters: EventFilter, index: str
) -> None:
    with metered(store.database) as meter:
        store.count_events(filters)
    (plan,) = plans(store, meter.statements).values()
    assert [step for step in plan if step.startswith("SEARCH") and index in step]


@pytest.mark.parametrize(
    "filters",
    [
        StreamFilter(name="vm"),
        StreamFilter(states=(StreamState.ACTIVE,)),
        StreamFilter(traits={"instance": "a"}),
        StreamFilter(last_event_older_than=NOON),
        StreamFilter(last_event_younger_than=NOON),
        StreamFilter(error_text="full"),
    ],
)
@pytest.mark.parametrize("order", ListOrder)
def test_a_window_of_streams_is_scanned_by_id(
    store: SqlStore, filters: StreamFilter, order: ListOrder
) -> None:
    ingest(store, VM, make_event("m"))
    with metered(store.database) as meter:
        store.find_streams(filters, order=order)
    _, near, *_ = plans(store, meter.statements).values()
    assert near[0].startswith("SEARCH streams USING INTEGER PRIMARY KEY")
    assert not [step for step in near if "TEMP B-TREE" in step]


def test_streams_with_an_old_last_event_are_found_through_the_index_of_first_events(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "SCAN_WINDOW_ROWS", 1)
    ingest(store, VM, make_event("m", instance="a"), make_event("n", instance="b"))
    with metered(store.database) as meter:
        store.find_streams(StreamFilter(last_event_older_than=NOON))
    assert full_scans(store, meter.statements) == []
    steps = [step for plan in plans(store, meter.statements).values() for step in plan]
    assert [step for step in steps if "ix_streams_first_event" in step]


@pytest.mark.parametrize("order", ListOrder)
def test_events_by_timestamp_are_read_in_the_order_of_an_index(
    store: SqlStore, order: ListOrder
) -> None:
    ingest(store, VM, *(make_event(f"m{number}") for number in range(3)))
    with metered(store.database) as meter:
        for filters in (EventFilter(), EventFilter(since=NOON), EventFilter("vm.*", until=NOON)):
            store.find_events(filters, by_timestamp=True, order=order)
            store.find_events(filters, cursor="m1", by_timestamp=True, order=order)
    listing = [each for each in meter.statements if "ORDER BY events.timestamp" in each]
    steps = [step for plan in plans(store, listing).values() for step in plan]
    assert len(steps) >= 6
    assert [step for step in steps if "INDEX ix_events_timestamp_id (timestamp" not in step] == []


def test_streams_are_found_by_a_distinguishing_trait_through_its_index(store: SqlStore) -> None:
    ingest(store, VM, make_event("m"))
    with metered(store.database) as meter:
        store.page_of_streams(StreamFilter(traits={"instance": "a"}))
        store.find_streams(StreamFilter(traits={"instance": "a"}))
    steps = [step for plan in plans(store, meter.statements).values() for step in plan]
    assert [step for step in steps if "ix_stream_traits_name_digest" in step]
    assert [step for step in steps if step.startswith("SCAN stream_traits")] == []
    assert [step for step in steps if step.startswith("SEARCH streams USING INTEGER PRIMARY KEY")]
