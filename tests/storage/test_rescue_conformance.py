"""Every store: rescue of streams from dead workers, and the backlog."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    FAR,
    LEASE,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    only_stream,
    ready_to_fire,
)
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Backlog, Claim, Failure

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOTHING = timedelta(0)


class TestRescue:
    """Streams with an expired lease are released."""

    def abandon(self, store: Store, reason: Reason = Reason.FIRE) -> Claim:
        expired = timedelta(seconds=-1)
        trial = store.claim_trial(worker="w1", lease=expired)
        if trial is not None:
            return trial
        (claim,) = store.claim_ready(worker="w1", reason=reason, now=FAR, limit=1, lease=expired)
        return claim

    def test_a_stream_with_a_valid_lease_is_not_rescued(self, store: Store) -> None:
        ready_to_fire(store, "a")
        claim_all(store)
        assert store.rescue(max_attempts=5, limit=9) == (0, 0)
        assert only_stream(store).state is StreamState.FIRING

    @pytest.mark.parametrize(
        ("reason", "kind", "state"),
        [
            (Reason.FIRE, "vm.end", StreamState.RETRY_FIRE),
            (Reason.EXPIRE, "vm.update", StreamState.RETRY_EXPIRE),
        ],
    )
    def test_a_rescued_stream_is_ready_again_and_the_attempt_counts(
        self, store: Store, reason: Reason, kind: str, state: StreamState
    ) -> None:
        ingest(store, VM, make_event("1", kind))
        self.abandon(store, reason)
        assert store.rescue(max_attempts=5, limit=9) == (1, 0)
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no, stream.attempts) == (state, 2, 1)
        assert (stream.worker, stream.lease_until) == (None, None)
        assert claim_all(store, reason, now=None, worker="w2") == []
        again = store.claim_trial(worker="w2", lease=LEASE)
        assert again is not None
        assert (again.attempt, again.failures, again.serial) == (2, 0, 3)

    @pytest.mark.parametrize(
        ("reason", "kind", "state"),
        [
            (Reason.FIRE, "vm.end", StreamState.ERROR),
            (Reason.EXPIRE, "vm.update", StreamState.EXPIRE_ERROR),
        ],
    )
    def test_after_max_attempts_it_moves_to_error(
        self, store: Store, reason: Reason, kind: str, state: StreamState
    ) -> None:
        ingest(store, VM, make_event("1", kind))
        for rescued in ((1, 0), (1, 0), (1, 0), (0, 1)):
            self.abandon(store, reason)
            assert store.rescue(max_attempts=3, limit=9) == rescued
        stream = only_stream(store)
        assert (stream.state, stream.attempts, stream.failures) == (state, 4, 3)
        assert (stream.last_error, stream.worker) == ("worker died 3 times", "w1")
        assert (stream.lease_until, stream.retry_at) == (None, None)

    def test_the_error_of_an_earlier_attempt_is_kept(self, store: Store) -> None:
        ready_to_fire(store, "a")
        (claim,) = claim_all(store)
        store.fail(Failure(claim, "ValueError: no", NOTHING), max_attempts=2)
        self.abandon(store)
        assert store.rescue(max_attempts=2, limit=9) == (1, 0)
        self.abandon(store)
        assert store.rescue(max_attempts=2, limit=9) == (0, 1)
        note = "worker died in attempt 3; before that: ValueError: no"
        assert only_stream(store).last_error == note

    def test_no_more_than_the_limit_are_rescued_the_oldest_first(self, store: Store) -> None:
        ready_to_fire(store, *"abc")
        for seconds in (30, 10, 20):  # a, b, c
            store.claim_ready(
                worker="w1",
                reason=Reason.FIRE,
                now=FAR,
                limit=1,
                lease=-timedelta(hours=1, seconds=seconds),
            )
        assert store.rescue(max_attempts=5, limit=2) == (2, 0)
        assert only_stream(store, instance="b").state is StreamState.FIRING

    def test_streams_with_and_without_failures_left(self, store: Store) -> None:
        ready_to_fire(store, "old", now=at(1))
        self.abandon(store)
        store.rescue(max_attempts=1, limit=9)
        ready_to_fire(store, "new", now=at(2))
        ingest(store, VM, make_event("late", instance="late"))
        store.claim_ready(worker="w", reason=Reason.FIRE, now=FAR, limit=9, lease=-LEASE)
        store.claim_ready(worker="w", reason=Reason.EXPIRE, now=FAR, limit=9, lease=-LEASE)
        self.abandon(store)
        assert store.rescue(max_attempts=1, limit=9) == (2, 1)
        states = {
            s.distinguished_by["instance"]: s.state for s in store.find_streams(StreamFilter())
        }
        assert states == {
            "old": StreamState.ERROR,
            "new": StreamState.RETRY_FIRE,
            "late": StreamState.RETRY_EXPIRE,
        }


class TestBacklog:
    """The work pending for workers."""

    def test_an_empty_store_is_idle(self, store: Store) -> None:
        assert store.backlog(None) == Backlog(ready=0, claimed=0, retrying=0)
        assert store.backlog(FAR).is_idle

    def test_every_stream_is_counted_once(self, store: Store) -> None:
        ready_to_fire(store, "fires", "claimed", "fails", "released")
        ingest(store, VM, make_event("1", instance="expires"), now=at(0))
        ingest(store, VM, make_event("2", instance="waits", seconds=100_000), now=at(0))
        claims = {c.distinguished_by["instance"]: c for c in claim_all(store, now=at(9))}
        store.release([claims["fires"], claims["released"]])
        store.fail(Failure(claims["fails"], "failed", timedelta(hours=1)), max_attempts=5)
        load = store.backlog(at(3600))
        assert (load.ready, load.claimed, load.retrying) == (3, 1, 1)
        assert load.next_retry_seconds == pytest.approx(3600, abs=60)
        assert load.next_due == at(3600)
        assert not load.is_idle
        assert store.backlog(None).ready == 2

    def test_the_next_due_time_is_the_earliest_to_fire_or_to_expire(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        assert store.backlog(at(0)).next_due == at(3600)
        ingest(store, make_trigger("t", fire_delay=60), make_event("2", "vm.end"))
        assert store.backlog(at(0)).next_due == at(60)
        ingest(store, make_trigger("u", fire_delay=3e9), make_event("3", "vm.end", -9000))
        # that one has expired, yet it will fire, much later
        assert store.backlog(at(0)).next_due == at(60)

    def test_streams_in_error_and_completed_ones_are_not_pending(self, store: Store) -> None:
        ready_to_fire(store, "a")
        (claim,) = claim_all(store)
        store.fail(Failure(claim, "failed", NOTHING, final=True), max_attempts=5)
        assert store.backlog(FAR).is_idle
