"""Every store: statistics for monitoring, counts and ages."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    LEASE,
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    ready_to_fire,
)
from winchester_core.clock import FixedTime
from winchester_core.errors import SchemaMismatch
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.statistics import EffectBacklog, StoreStatistics
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.effect_records import EffectRefused
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Completion, Failure, Rejection
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store
    from winchester_core.storage.sql.store import SqlStore

MAIL = Endpoint("fire", "mail")
FAX = Endpoint("fire", "fax", 1)
HOUR = timedelta(hours=1)
NOTHING_READY = {Reason.FIRE: 0.0, Reason.EXPIRE: 0.0}


def put(store: Store, instance: str, *endpoints: Endpoint) -> None:
    """Complete a stream with an effect for each of these endpoints."""
    ready_to_fire(store, instance)
    (claim,) = claim_all(store)
    effects = tuple(QueuedEffect(str(uuid.uuid4()), each, "1") for each in endpoints)
    store.complete([Completion(claim, effects=effects)], FixedTime(NOON))


def test_an_empty_store_has_zero_counts_and_ages(store: Store) -> None:
    assert store.statistics(None) == StoreStatistics(None, {}, NOTHING_READY, 0.0, {}, 0)
    assert store.statistics(NOON).stream_time == NOON


def test_numbers_are_counted_up_to_a_limit(store: Store) -> None:
    ready_to_fire(store, "a", "b", "c")
    claim_all(store, limit=1)
    ingest(store, make_trigger("other"), make_event("1"))
    for body in (b"1", b"2", b"3"):
        store.insert_rejected([Rejection("s", "event", "bad", body, 1, body * 32)])
    whole = store.statistics(at(60))
    bounded = store.statistics(at(60), up_to=2)
    assert (whole.streams["vm"][StreamState.ACTIVE], whole.rejected) == (2, 3)
    assert store.statistics(at(60), up_to=100) == replace(whole, counted_up_to=100)
    assert bounded == replace(whole, rejected=2, counted_up_to=2)
    least = store.statistics(at(60), up_to=1)
    assert least.streams == {
        "vm": {StreamState.FIRING: 1, StreamState.ACTIVE: 1},
        "other": {StreamState.ACTIVE: 1},
    }
    assert least.counted_up_to == least.rejected == 1


def test_streams_are_counted_by_trigger_and_state(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    claim_all(store, limit=1)
    ingest(store, make_trigger("other"), make_event("1"))
    assert store.statistics(NOON).streams == {
        "vm": {StreamState.FIRING: 1, StreamState.ACTIVE: 1},
        "other": {StreamState.ACTIVE: 1},
    }


def test_ready_streams_wait_since_their_fire_or_expire_time(store: Store) -> None:
    ready_to_fire(store, "a", "b")  # a second apart
    ingest(store, VM, make_event("1", instance="c"))  # expires an hour after noon
    assert store.statistics(at(60)).oldest_ready_seconds == {Reason.FIRE: 60, Reason.EXPIRE: 0}
    assert store.statistics(at(3660)).oldest_ready_seconds == {Reason.FIRE: 3660, Reason.EXPIRE: 60}


def test_a_claimed_stream_is_not_ready(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    claim_all(store, limit=1)
    assert store.statistics(at(60)).oldest_ready_seconds[Reason.FIRE] == 59


def test_a_retry_is_ready_when_it_is_due_in_real_time(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    due, to_come = claim_all(store)
    store.fail(Failure(due, "no", -HOUR), max_attempts=5)
    store.fail(Failure(to_come, "no", HOUR), max_attempts=5)
    waits = store.statistics(None).oldest_ready_seconds
    assert HOUR <= timedelta(seconds=waits[Reason.FIRE]) < HOUR + LEASE
    assert waits[Reason.EXPIRE] == 0


def test_the_oldest_unexpired_stream_is_as_old_as_its_first_event(store: Store) -> None:
    ingest(store, VM, make_event("1", seconds=10, instance="a"))
    ingest(store, VM, make_event("2", seconds=5, instance="b"))
    ingest(store, VM, make_event("3", "vm.end", seconds=1, instance="fires"))
    claim_all(store)
    assert store.statistics(at(100)).oldest_unexpired_seconds == 95
    assert store.statistics(None).oldest_unexpired_seconds == 0


def test_the_oldest_unexpired_stream_is_found_behind_completed_ones(
    store: Store,
) -> None:
    done = [make_event(f"d{i}", "vm.end", i, instance=f"d{i}") for i in range(120)]
    ingest(store, VM, *done)
    claims = claim_all(store, limit=200)
    store.complete([Completion(each, purge=False) for each in claims], FixedTime(NOON))
    assert store.statistics(at(1000)).oldest_unexpired_seconds == 0
    ingest(store, VM, *(make_event(f"e{i}", seconds=200 + i, instance=i) for i in range(3)))
    assert store.statistics(at(1000)).oldest_unexpired_seconds == 800


def test_a_stream_in_the_future_has_age_0(store: Store) -> None:
    ingest(store, VM, make_event("1", "vm.end", seconds=500), now=at(500))
    statistics = store.statistics(NOON)
    assert (statistics.oldest_ready_seconds, statistics.oldest_unexpired_seconds) == (
        NOTHING_READY,
        0,
    )


def test_effects_are_counted_by_endpoint_and_dead_letters_separately(store: Store) -> None:
    put(store, "a", MAIL, MAIL, FAX)
    (claim,) = store.claim_effects(FAX, worker="w", limit=1, lease=LEASE)
    store.apply_effect_results([EffectRefused(claim, "no")])
    effects = store.statistics(NOON).effects
    assert effects.keys() == {MAIL, FAX}
    assert (effects[MAIL].pending, effects[MAIL].dead) == (2, 0)
    assert effects[FAX] == EffectBacklog(pending=0, dead=1)


@pytest.mark.parametrize("more", [MAIL, FAX])
def test_the_oldest_effect_of_each_endpoint_is_found(store: Store, more: Endpoint) -> None:
    put(store, "first", MAIL)
    put(store, "second", FAX)
    for i in range(3):
        put(store, f"more {i}", more)
    earliest = store.real_time()
    effects = store.statistics(NOON).effects
    latest = store.real_time()
    stored = store.find_effects()
    for endpoint in (MAIL, FAX):
        waits = timedelta(seconds=effects[endpoint].oldest_seconds)
        since = min(each.waiting_since for each in stored if each.endpoint == endpoint)
        assert earliest - since <= waits <= latest - since


def test_rejected_messages_are_counted(store: Store) -> None:
    store.insert_rejected(
        [Rejection(source, "event", "broken", b"{", 1, bytes(32)) for source in ("a", "b")]
    )
    assert store.statistics(None).rejected == 2


def test_statistics_change_nothing(store: Store) -> None:
    put(store, "a", MAIL)
    ready_to_fire(store, "b")
    before = store.find_streams(StreamFilter()), store.find_effects()
    store.statistics(at(60))
    assert (store.find_streams(StreamFilter()), store.find_effects()) == before


def test_a_current_store_passes_its_check(store: Store) -> None:
    store.check()


def test_a_store_of_another_revision_fails_its_check(sql_store: SqlStore) -> None:
    schema = DatabaseSchema(sql_store.database)
    schema.downgrade("0002")
    try:
        with pytest.raises(SchemaMismatch):
            sql_store.check()
    finally:
        schema.upgrade()
