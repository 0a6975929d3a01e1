"""Every store: streams of triggers that a worker does not know are left to other workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.builders.bulk_rows import analyze
from support.builders.events import (
    FAR,
    LEASE,
    NOON,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    matched_events,
)
from support.probes.query_plans import readings
from winchester_core.clock import FixedTime
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Claim, Completion, StreamVersion, TriggerScope
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from datetime import datetime

    from support.servers.databases import Databases
    from winchester_core.storage.interface import Store

KNOWN = make_trigger("known")
OTHERS = [make_trigger(f"other {i}") for i in range(3)]


@pytest.fixture
def scope() -> TriggerScope:
    return TriggerScope(frozenset({"known"}))


def fill(store: Store, kind: str = "vm.end", known_seconds: float = 60) -> None:
    """Store 12 ready streams of unknown triggers, then 2 of the known one."""
    for number in range(12):
        event = make_event(f"o{number}", kind, number, instance=f"o{number}")
        ingest(store, OTHERS[number % 3], event, now=at(number))
    for number in range(2):
        seconds = known_seconds + number
        event = make_event(f"k{number}", kind, seconds, instance=f"k{number}")
        ingest(store, KNOWN, event, now=at(seconds))


def claim(
    store: Store,
    scope: TriggerScope,
    reason: Reason = Reason.FIRE,
    limit: int = 5,
    now: datetime | None = FAR,
) -> list[Claim]:
    return store.claim_ready(
        worker="w1", reason=reason, now=now, limit=limit, lease=LEASE, scope=scope
    )


@pytest.mark.parametrize(
    ("reason", "kind"), [(Reason.FIRE, "vm.end"), (Reason.EXPIRE, "vm.update")]
)
def test_only_streams_of_known_triggers_are_claimed(
    store: Store, scope: TriggerScope, reason: Reason, kind: str
) -> None:
    fill(store, kind)
    for expected in (["k0"], ["k1"], []):
        claims = claim(store, scope, reason, limit=1)
        assert [each.distinguished_by["instance"] for each in claims] == expected
    assert scope.skipped == {each.name for each in OTHERS}
    states = store.count_states_by_trigger()
    assert all(states[each.name] == {StreamState.ACTIVE: 4} for each in OTHERS)


def test_retries_of_unknown_triggers_are_not_claimed(store: Store, scope: TriggerScope) -> None:
    fill(store)
    store.release(claim_all(store))
    claims = claim(store, scope, now=None, limit=1) + claim(store, scope, now=None)
    assert [each.name for each in claims] == ["known", "known"]


def test_trials_of_unknown_triggers_are_not_claimed(store: Store, scope: TriggerScope) -> None:
    fill(store)
    claim_all(store, lease=-LEASE)
    store.rescue(max_attempts=5, limit=100)
    for _ in range(2):
        trial = store.claim_trial(worker="w1", lease=LEASE, scope=scope)
        assert trial is not None
        assert trial.name == "known"
    assert store.claim_trial(worker="w1", lease=LEASE, scope=scope) is None


def test_a_single_stream_of_an_unknown_trigger_is_not_claimed(
    store: Store, scope: TriggerScope
) -> None:
    fill(store)
    claims = [
        store.claim_one(
            stream_id=stream.id, worker="w", reason=Reason.FIRE, lease=LEASE, scope=scope
        )
        for stream in store.find_streams()
    ]
    assert [claim.name for claim in claims if claim is not None] == ["known", "known"]


def test_the_backlog_is_that_of_the_known_triggers(store: Store, scope: TriggerScope) -> None:
    fill(store)
    assert claim_all(store, limit=3)  # another worker claims streams of unknown triggers
    for each in claim(store, scope):
        store.complete([Completion(each)], FixedTime(NOON))
    assert scope.skipped
    load = store.backlog(FAR, scope)
    assert load.is_idle
    assert load.next_due is None
    assert not store.backlog(FAR).is_idle
    assert store.backlog(FAR, TriggerScope(scope.known)).ready == 9


def test_a_trigger_that_appears_later_is_not_claimed_either(
    store: Store, scope: TriggerScope
) -> None:
    fill(store)
    claim(store, scope)
    late = make_trigger("late")
    ingest(store, late, make_event("late", "vm.end", 100, instance="late"), now=at(100))
    assert claim(store, scope) == []
    assert "late" in scope.skipped


def test_any_number_of_unknown_triggers_is_skipped(store: Store, scope: TriggerScope) -> None:
    """MariaDB ends a recursive query after 1,000 rows, and PostgreSQL accepts 65,535 parameters."""
    others = [make_trigger(f"other {number:04}") for number in range(4200)]
    store.record(matched_events(others, [make_event("o", "vm.end")]), FixedTime(NOON))
    ingest(store, KNOWN, make_event("k", "vm.end", 1), now=at(1))
    assert [each.name for each in claim(store, scope)] == ["known"]
    assert scope.skipped == {each.name for each in others}
    assert store.backlog(FAR, scope).ready == 0


def test_checks_of_known_streams_are_rescheduled_after_many_unknown_streams(
    store: Store, scope: TriggerScope
) -> None:
    others = [make_trigger(f"other {number:04}") for number in range(1100)]
    store.record(matched_events(others, [make_event("o")]), FixedTime(NOON))
    ingest(store, KNOWN, make_event("k", seconds=1), now=at(1))
    ingest(store, KNOWN, make_event("l", seconds=1800), now=at(1800))
    assert claim(store, scope, Reason.EXPIRE, now=at(3700)) == []
    (claimed,) = claim(store, scope, Reason.EXPIRE, now=at(5500))
    assert claimed.name == "known"


def test_known_streams_that_become_ready_later_are_claimed(
    store: Store, scope: TriggerScope
) -> None:
    fill(store)
    assert len(claim(store, scope, now=at(200))) == 2
    ingest(store, KNOWN, make_event("k9", "vm.end", 190, instance="k9"), now=at(190))
    assert len(claim(store, scope, now=at(201))) == 1


def test_the_oldest_ready_stream_of_each_is_remembered(store: Store, scope: TriggerScope) -> None:
    fill(store)
    claim(store, scope, limit=12)
    streams = store.find_streams(StreamFilter(unknown_to=frozenset({"known"})))
    oldest: dict[str, int] = {}
    for stream in streams:
        oldest.setdefault(stream.name, stream.id)
    assert scope.first_ready == oldest
    scope.clear()
    assert (scope.skipped, scope.first_ready, scope.floors) == (frozenset(), {}, {})


def test_streams_of_unknown_triggers_are_found_and_discarded(store: Store) -> None:
    fill(store)
    unknown = StreamFilter(unknown_to=frozenset({"known"}))
    claimed = claim_all(store, limit=1)[0].stream_id
    versions = [
        StreamVersion(each.id, each.state_serial_no) for each in store.find_streams(unknown)
    ]
    assert store.count_streams(StreamFilter(unknown_to=frozenset())) == 14
    discarded = store.discard_streams(versions, [StreamState.ACTIVE, StreamState.RETRY_FIRE])
    assert discarded == {each.stream_id for each in versions} - {claimed}
    assert [each.id for each in store.find_streams(unknown)] == [claimed]
    assert store.discard_streams(versions) == frozenset()


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
@pytest.mark.parametrize("statistics", ["current", "of an empty table"])
def test_unknown_triggers_are_found_without_reading_a_stream_twice(
    databases: Databases, server: str, statistics: str
) -> None:
    store = SqlStore(databases.emptied(server))
    triggers = [make_trigger(f"other {number}") for number in range(20)]

    def fill_streams() -> None:
        for trigger in triggers:
            events = [make_event(f"{trigger.name}/{i}", instance=i) for i in range(50)]
            ingest(store, trigger, *events)

    fill_streams()
    if statistics == "current":
        analyze(store.database)
    else:
        databases.emptied(server)
        with store.database.engine.begin() as connection:  # not VACUUM: the pages stay
            is_mariadb = server == "mariadb"
            connection.execute(text("ANALYZE TABLE streams" if is_mariadb else "ANALYZE streams"))
        fill_streams()
    scope = TriggerScope(frozenset())
    with readings(store.database) as measured:
        store.skip_unknown_triggers(scope)
    assert scope.skipped == {trigger.name for trigger in triggers}
    assert sum(each.rows for each in measured) <= 20 * 50 + 1
