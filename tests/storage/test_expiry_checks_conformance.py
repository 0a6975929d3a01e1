"""Every store: a stream whose expiry has moved expires at the new time."""

from __future__ import annotations

import re
import threading
import time
from functools import partial
from operator import sub
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from support.builders.events import (
    FAR,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from support.probes.statement_counts import metered
from support.scenes.threads import run_concurrently
from support.scenes.workers import Scene
from winchester_core.clock import FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Claim, Completion
from winchester_core.storage.sql import claim_rows
from winchester_core.storage.sql.claim_rows import RESCHEDULE_BATCH
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store
    from winchester_core.storage.sql.store import SqlStore

FROM_NOW = make_trigger(expiration="$timestamp + 1h")
"""A trigger whose streams expire an hour after their last event."""


def instances(claims: list[Claim]) -> list[str]:
    return [claim.distinguished_by["instance"] for claim in claims]


def expire(store: Store, seconds: float, limit: int = 100) -> list[str]:
    return instances(claim_all(store, Reason.EXPIRE, at(seconds), limit))


def touch(store: Store, instance: str, seconds: float, number: int = 0) -> None:
    """Add an event of this time; its stream expires an hour later."""
    event = make_event(f"{instance}/{number}/{seconds}", instance=instance, seconds=seconds)
    ingest(store, VM, event, now=at(seconds))


def test_a_stream_expires_at_the_time_to_which_its_last_event_moved_it(store: Store) -> None:
    for seconds in (0, 100, 200):
        touch(store, "a", seconds)
    assert expire(store, 3600) == []
    assert expire(store, 3799.999999) == []
    assert expire(store, 3800) == ["a"]


def test_moved_streams_are_ordered_by_their_new_times(store: Store) -> None:
    for instance, first, last in (("late", 0, 300), ("early", 10, 100), ("middle", 20, 200)):
        touch(store, instance, first)
        touch(store, instance, last)
    touch(store, "never moved", 150)
    assert expire(store, 3710, limit=1) == ["early"]
    assert expire(store, 4000, limit=2) == ["never moved", "middle"]
    assert expire(store, 4000) == ["late"]


def test_a_stream_that_moved_repeatedly_expires_once(store: Store) -> None:
    for hour in range(5):
        touch(store, "a", hour * 3000)
        assert expire(store, hour * 3000 + 3599) == []
    assert expire(store, 15_600) == ["a"]
    assert expire(store, 1e6) == []


def test_a_stream_that_moved_to_an_earlier_time_expires_then(store: Store) -> None:
    for number, now in enumerate((1000, 2000, 500, 3000, 200)):
        ingest(store, FROM_NOW, make_event(str(number)), now=at(now))
    assert only_stream(store).expire_timestamp == at(3800)
    assert expire(store, 3799) == []
    assert expire(store, 3800) == ["a"]


def test_one_batch_may_move_a_stream_both_ways(store: Store) -> None:
    ingest(store, FROM_NOW, make_event("1"), now=at(1000))
    ingest(store, FROM_NOW, make_event("2"), make_event("3"), now=at(400))
    ingest(store, VM, make_event("4", instance="b"), make_event("5", instance="b", seconds=50))
    assert expire(store, 3640) == []
    assert expire(store, 4000) == ["b", "a"]


def test_a_changed_trigger_may_move_streams_to_an_earlier_time(store: Store) -> None:
    touch(store, "a", 0)
    touch(store, "a", 100)
    shorter = make_trigger(expiration="$last + 10m")
    assert store.recalculate(shorter, at(200), 10) == 1
    assert expire(store, 699) == []
    assert expire(store, 700) == ["a"]


def test_a_changed_trigger_may_move_the_streams_that_an_event_joins(store: Store) -> None:
    touch(store, "a", 0)
    ingest(store, make_trigger(expiration="$last + 10m"), make_event("1"), now=at(100))
    assert expire(store, 600) == ["a"]


def test_a_stream_that_will_fire_does_not_expire(store: Store) -> None:
    patient = make_trigger(fire_delay=9000)
    for number, event_type in enumerate(("vm.update", "vm.update", "vm.end", "vm.update")):
        ingest(store, patient, make_event(str(number), event_type, seconds=number))
    assert expire(store, 1e6) == []
    assert instances(claim_all(store, Reason.FIRE, at(9000))) == ["a"]


def test_an_expired_stream_is_found_behind_thousands_of_moved_ones(store: Store) -> None:
    many = [f"m{number}" for number in range(2 * RESCHEDULE_BATCH + 7)]
    for seconds in (0, 500):
        batch = [make_event(f"{each}/{seconds}", instance=each, seconds=seconds) for each in many]
        ingest(store, VM, *batch, now=at(seconds))
    touch(store, "expired", 100)
    assert expire(store, 3800, limit=1) == ["expired"]
    assert expire(store, 4099) == []
    assert len(expire(store, 4100, limit=10_000)) == len(many)


def test_a_claim_may_exceed_the_reschedule_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_rows, "RESCHEDULE_BATCH", 2)
    for place, instance in enumerate("abcdef"):
        touch(store, instance, place)
    touch(store, "d", 100)
    assert expire(store, 3650, limit=6) == ["a", "b", "c", "e", "f"]
    assert expire(store, 3700) == ["d"]


class TestBacklog:
    """The backlog and statistics of moved streams."""

    def test_a_moved_stream_is_not_ready_at_its_old_time(self, store: Store) -> None:
        touch(store, "a", 0)
        touch(store, "a", 500)
        for seconds, ready in ((3600, 0), (4099, 0), (4100, 1)):
            load = store.backlog(at(seconds))
            assert (load.ready, load.is_idle) == (ready, not ready)

    def test_nothing_is_due_before_next_due(self, store: Store) -> None:
        touch(store, "a", 0)
        touch(store, "a", 500)
        next_due = store.backlog(at(0)).next_due
        assert next_due is not None
        assert at(3600) <= next_due <= at(4100)

    def test_after_a_claim_next_due_is_the_first_expiry(self, store: Store) -> None:
        for instance, last in (("a", 500), ("b", 400)):
            touch(store, instance, 0)
            touch(store, instance, last)
        assert expire(store, 3700) == []
        load = store.backlog(at(3700))
        assert load.next_due == at(4000)
        assert not load.may_be_due(at(3700))
        assert load.may_be_due(at(4000))

    def test_the_oldest_ready_stream_is_an_expired_one(self, store: Store) -> None:
        touch(store, "moved", 0)
        touch(store, "moved", 900)
        touch(store, "moved less", 50)
        touch(store, "moved less", 120)
        touch(store, "waits", 150)
        seconds = dict.fromkeys(CLAIM_REASONS, 0.0)
        assert store.statistics(at(3700)).oldest_ready_seconds == seconds
        seconds[Reason.EXPIRE] = 280.0
        assert store.statistics(at(4000)).oldest_ready_seconds == seconds


def test_an_idle_worker_reschedules_moved_streams(
    sql_store: SqlStore,
) -> None:
    """Otherwise every poll until they expire would find their checks due."""
    scene = Scene(sql_store)
    worker = scene.worker(handlers=())
    touch(sql_store, "a", 0)
    touch(sql_store, "a", 500)
    for seconds, loaded, next_due in ((3599, 0, 3600), (3600, 0, 4100), (4100, 1, None)):
        scene.clock.set(at(seconds))
        assert worker.run_once() == loaded
        expected = None if next_due is None else at(next_due)
        assert sql_store.backlog(at(seconds)).next_due == expected


GROUPS = 24
STEPS = 40


def test_workers_expire_concurrently_moved_streams_once_and_not_early(
    sql_store: SqlStore,
) -> None:
    """Time advances in steps of ten minutes; each event postpones its stream by an hour."""
    passed, done = [0], threading.Event()
    too_early: list[int] = []

    def move() -> int:
        for step in range(STEPS):
            passed[0] = step * 600
            batch = [
                make_event(f"{step}/{group}", instance=group, seconds=step * 600)
                for group in range(GROUPS)
                if (step * 7 + group * 5) % 11 < 2  # some have an hour without an event
            ]
            sql_store.record(matched_events([VM], batch), FixedTime(at(step * 600)))
        done.set()
        return 0

    def work(name: str) -> int:
        expired = 0
        while True:
            last, now = done.is_set(), at(passed[0])
            claims = claim_all(sql_store, Reason.EXPIRE, now, limit=3, worker=name)
            taken = [sql_store.get_stream_by_id(each.stream_id) for each in claims]
            too_early.extend(each.id for each in taken if each.expire_timestamp > now)
            expired += len(claims)
            sql_store.complete([Completion(each, purge=False) for each in claims], FixedTime(now))
            if last and not claims:
                return expired
            time.sleep(0.001)  # a worker that never pauses blocks other writers of SQLite

    expired = run_concurrently(move, partial(work, "w1"), partial(work, "w2"))
    assert too_early == []
    rest = claim_all(sql_store, Reason.EXPIRE, FAR, limit=1000)
    found = sql_store.find_streams(StreamFilter(), limit=10_000)
    assert len(found) > GROUPS
    assert expired + len(rest) == len(found)
    assert sum(each.event_count for each in found) == sql_store.count_events()


def test_no_stream_is_checked_later_than_it_expires(sql_store: SqlStore) -> None:
    for number, now in enumerate((1000, 2000, 500, 3000)):
        ingest(sql_store, FROM_NOW, make_event(str(number), instance=number % 2), now=at(now))
        expire(sql_store, 2000)
    query = select(streams.c.check_at, streams.c.expire_timestamp)
    rows = sql_store.database.read(lambda it: it.execute(query).all())
    assert len(rows) == 2
    assert all(check_at <= expiry for check_at, expiry in rows)


def test_a_row_without_a_check_time_is_checked_at_once(sql_store: SqlStore) -> None:
    touch(sql_store, "a", 0)
    without = text("UPDATE streams SET check_at = DEFAULT")
    if sql_store.database.dialect.name == "sqlite":
        without = text("UPDATE streams SET check_at = '1000-01-01 00:00:00.000000'")
    sql_store.database.write(lambda it: it.execute(without))
    assert expire(sql_store, 3599) == []
    assert sql_store.backlog(at(0)).next_due == at(3600)
    assert expire(sql_store, 3600) == ["a"]


def test_joining_events_update_no_indexed_column(sql_store: SqlStore) -> None:
    """Without indexed columns, an update writes to no index on PostgreSQL and SQLite."""
    indexed = {column.name for index in streams.indexes for column in index.columns}
    touch(sql_store, "a", 0)
    query = select(*(streams.c[name] for name in sorted(indexed)))
    before = sql_store.database.read(lambda it: it.execute(query).all())
    with metered(sql_store.database) as meter:
        touch(sql_store, "a", 500)
    assert sql_store.database.read(lambda it: it.execute(query).all()) == before
    (update,) = (each for each in meter.statements if re.search("UPDATE.*streams.* SET ", each))
    assert indexed.isdisjoint(re.findall(r"\w+", update))
    assert only_stream(sql_store).expire_timestamp == at(4100)


@pytest.mark.parametrize("sql_store", ["postgresql"], indirect=True)
def test_postgresql_updates_rows_within_their_page(sql_store: SqlStore) -> None:
    sql_store.database.engine.dispose()  # one new connection reports its own statistics
    sql_store.database.write(lambda it: it.execute(text("TRUNCATE streams")))
    before = _updates(sql_store)
    many = [f"m{number}" for number in range(200)]
    for seconds in range(2):  # with more updates, space of dead rows is reused
        batch = [make_event(f"{each}/{seconds}", instance=each, seconds=seconds) for each in many]
        ingest(sql_store, VM, *batch, now=at(seconds))
    updates, in_page = map(sub, _updates(sql_store), before)
    assert updates == len(many)
    assert in_page >= 0.95 * updates


def _updates(store: SqlStore) -> tuple[int, int]:
    """Return PostgreSQL's number of updates of streams, and of those within a page (HOT)."""
    flush = text("SELECT pg_stat_force_next_flush()")
    query = text(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'streams'"
    )
    store.database.read(lambda it: it.execute(flush).all())
    updates, in_page = store.database.read(lambda it: it.execute(query).one())
    return updates, in_page
