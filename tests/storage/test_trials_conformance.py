"""Every store: streams that a dead worker held are tried alone, and count their own failures."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from support.builders.events import (
    FAR,
    LEASE,
    NOON,
    VM,
    claim_all,
    ingest,
    make_event,
    only_stream,
    ready_to_fire,
)
from winchester_core.clock import FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState, Trial
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Claim, Completion, Failure
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store
    from winchester_core.storage.sql.store import SqlStore

EXPIRED_LEASE = -LEASE
NOW = FixedTime(NOON)


def die_with(store: Store, worker: str = "dead") -> list[Claim]:
    """Let a worker die that has claimed every ready stream; return its claims."""
    held = [each for reason in CLAIM_REASONS for each in claim_all(store, reason, worker=worker)]
    assert held
    assert store.renew(held, EXPIRED_LEASE) == held
    assert store.rescue(max_attempts=5, limit=100) == (len(held), 0)
    return held


def try_alone(store: Store, worker: str = "w1", lease: timedelta = LEASE) -> Claim:
    claim = store.claim_trial(worker=worker, lease=lease)
    assert claim is not None
    return claim


def test_the_death_of_a_worker_is_no_failure_of_the_streams_it_held(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    ingest(store, VM, make_event("c", instance="c"))
    die_with(store)
    for stream in store.find_streams():
        assert (stream.trial, stream.failures, stream.attempts) == (Trial.DUE, 0, 1)
    assert claim_all(store) == claim_all(store, Reason.EXPIRE) == []


def test_marked_streams_of_both_reasons_are_claimed_one_at_a_time(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    ingest(store, VM, make_event("c", instance="c"))
    die_with(store)
    reasons = [try_alone(store).reason for _ in range(3)]
    assert reasons == [Reason.FIRE, Reason.FIRE, Reason.EXPIRE]
    assert {stream.trial for stream in store.find_streams()} == {Trial.ALONE}
    assert store.claim_trial(worker="w1", lease=LEASE) is None


def test_concurrent_workers_try_different_streams(store: Store) -> None:
    ready_to_fire(store, *(f"{i:02}" for i in range(24)))
    die_with(store)
    together = threading.Barrier(4)

    def work(worker: str) -> list[int]:
        together.wait()
        tried = []
        while claim := store.claim_trial(worker=worker, lease=LEASE):
            tried.append(claim.stream_id)
        return tried

    with ThreadPoolExecutor(4) as pool:
        tried = [each for part in pool.map(work, "wxyz") for each in part]
    left = []
    while claim := store.claim_trial(worker="last", lease=LEASE):
        left.append(claim.stream_id)  # seen as locked by the others
    assert sorted(tried + left) == sorted(each.id for each in store.find_streams())


def test_a_death_alone_is_a_failure_and_waits_for_its_backoff(store: Store) -> None:
    ready_to_fire(store, "a")
    die_with(store)
    delays: list[int] = []

    def backoff(failures: int) -> timedelta:
        delays.append(failures)
        return timedelta(hours=failures)

    for failures in (1, 2):
        claim = store.claim_one(
            stream_id=only_stream(store).id, worker="w", reason=Reason.FIRE, lease=EXPIRED_LEASE
        )
        assert claim is not None
        assert only_stream(store).trial is Trial.ALONE
        before = store.real_time()
        assert store.rescue(max_attempts=5, limit=9, backoff=backoff) == (1, 0)
        stream = only_stream(store)
        assert (stream.trial, stream.failures) == (Trial.DUE, failures)
        assert stream.retry_at is not None
        assert stream.retry_at >= before + timedelta(hours=failures)
    assert delays == [1, 2]
    assert store.claim_trial(worker="w", lease=LEASE) is None
    load = store.backlog(FAR)
    assert (load.ready, load.retrying, load.is_idle) == (0, 0, False)
    assert not load.has_trials
    assert load.next_trial_seconds == pytest.approx(7200, abs=60)


def test_at_the_bound_of_failures_the_stream_is_in_error(store: Store) -> None:
    ready_to_fire(store, "a")
    die_with(store)
    for rescued in ((1, 0), (0, 1)):
        try_alone(store, lease=EXPIRED_LEASE)
        assert store.rescue(max_attempts=2, limit=9) == rescued
    stream = only_stream(store)
    assert (stream.state, stream.failures, stream.attempts) == (StreamState.ERROR, 2, 3)
    assert stream.last_error == "worker died 2 times"
    assert store.reset_stream(stream.id) is StreamState.RETRY_FIRE
    stream = only_stream(store)
    assert (stream.failures, stream.attempts, stream.trial) == (0, 3, Trial.DUE)
    assert try_alone(store).attempt == 4


def test_a_release_leaves_the_stream_to_be_tried_alone(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    die_with(store)
    assert store.release([try_alone(store)]) == 1
    assert only_stream(store, instance="a").trial is Trial.DUE
    assert try_alone(store).attempt == 2
    assert try_alone(store).attempt == 2
    assert store.release_all("w1") == 2
    streams = store.find_streams()
    assert [(each.trial, each.failures) for each in streams] == [(Trial.DUE, 0)] * 2


def test_completion_and_failure_clear_the_mark(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    die_with(store)
    kept, failed = try_alone(store), try_alone(store)
    assert store.complete([Completion(kept, purge=False)], NOW).stream_ids == {kept.stream_id}
    state = store.fail(Failure(failed, "no", timedelta(0)), max_attempts=5)
    assert state is StreamState.RETRY_FIRE
    assert [each.trial for each in store.find_streams()] == [None, None]
    (again,) = claim_all(store)
    assert (again.attempt, again.failures) == (3, 1)


def test_failures_alone_are_bounded_and_not_attempts(store: Store) -> None:
    ready_to_fire(store, "a")
    for _ in range(3):
        store.release(claim_all(store), began_commit=True)
    (claim,) = claim_all(store)
    assert (claim.attempt, claim.failures) == (4, 0)
    state = store.fail(Failure(claim, "no", timedelta(0)), max_attempts=2)
    assert state is StreamState.RETRY_FIRE
    (claim,) = claim_all(store)
    assert store.fail(Failure(claim, "no", timedelta(0)), max_attempts=2) is StreamState.ERROR
    assert only_stream(store).failures == 2


def test_what_a_gone_worker_held_is_rescued_before_its_lease_ends(store: Store) -> None:
    ready_to_fire(store, "a", "b", "c")
    claim_all(store, worker="gone", limit=2)
    claim_all(store, worker="alive")
    assert sorted(store.claiming_workers()) == ["alive", "gone"]
    assert store.rescue(max_attempts=5, limit=9, workers=["gone"]) == (2, 0)
    assert store.claiming_workers() == ["alive"]
    assert store.backlog(FAR).has_trials
    assert store.count_streams(StreamFilter(has_trial=True)) == 2


def test_marked_streams_are_counted_and_found(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    die_with(store)
    ready_to_fire(store, "c")
    load = store.backlog(FAR)
    assert (load.ready, load.has_trials, load.claimed, load.is_idle) == (1, True, 0, False)
    assert store.statistics(FAR).trials == 2
    assert store.count_streams(StreamFilter(has_trial=True)) == 2
    assert store.count_streams(StreamFilter(has_trial=False)) == 1
    try_alone(store)
    assert store.statistics(FAR).trials == 1


def test_a_mark_that_a_worker_of_revision_0007_left_is_handled(sql_store: SqlStore) -> None:
    ready_to_fire(sql_store, "a", "b")
    die_with(sql_store)
    rescued, completed = try_alone(sql_store), try_alone(sql_store)
    retry = {"state": "retry_fire", "retry_at": sql_store.real_time(), "worker": None}
    for claim, values in ((rescued, retry), (completed, {"state": "completed"})):
        # that worker does not know the column `trial`
        row = update(streams).where(streams.c.id == claim.stream_id)
        change = row.values(lease_until=None, **values)
        sql_store.database.write(lambda connection, change=change: connection.execute(change))
    assert sql_store.backlog(FAR).has_trials
    assert sql_store.statistics(FAR).trials == 1
    (waiting,) = sql_store.find_streams(StreamFilter(has_trial=True))
    assert waiting.id == rescued.stream_id
    (other,) = sql_store.find_streams(StreamFilter(has_trial=False))
    assert (other.id, other.trial) == (completed.stream_id, None)
    assert claim_all(sql_store) == []
    assert try_alone(sql_store).stream_id == rescued.stream_id
