"""Every store: which streams are claimed, their order, and leases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
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
from support.scenes.failing_transactions import crash_at
from winchester_core.errors import UnknownStream
from winchester_core.failpoints import Failpoint
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Claim, Failure

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOTHING = timedelta(0)


def instances(claims: list[Claim]) -> list[str]:
    return [claim.distinguished_by["instance"] for claim in claims]


class TestReady:
    """Active streams that are due are claimed in the order of their times."""

    def test_streams_to_fire_are_ordered_by_fire_time(self, store: Store) -> None:
        ready_to_fire(store, "c", "a", "b")
        assert instances(claim_all(store)) == ["c", "a", "b"]

    def test_streams_to_expire_are_ordered_by_expiry(self, store: Store) -> None:
        for name, seconds in (("c", 3), ("a", 1), ("b", 2)):
            ingest(store, VM, make_event(name, instance=name, seconds=seconds))
        assert instances(claim_all(store, Reason.EXPIRE)) == ["a", "b", "c"]

    def test_a_stream_is_ready_at_its_time_and_not_before(self, store: Store) -> None:
        ready_to_fire(store, "a", now=at(5))
        ingest(store, VM, make_event("b", instance="b"))
        just_before = timedelta(microseconds=1)
        assert claim_all(store, Reason.FIRE, at(5) - just_before) == []
        assert claim_all(store, Reason.EXPIRE, at(3600) - just_before) == []
        assert instances(claim_all(store, Reason.FIRE, at(5))) == ["a"]
        assert instances(claim_all(store, Reason.EXPIRE, at(3600))) == ["b"]

    def test_a_stream_whose_criteria_are_met_does_not_expire(self, store: Store) -> None:
        ingest(store, make_trigger(fire_delay=9_000_000), make_event("1", "vm.end"))
        assert claim_all(store, Reason.EXPIRE) == []
        assert claim_all(store, Reason.FIRE) == []

    def test_no_more_than_the_limit_are_claimed(self, store: Store) -> None:
        ready_to_fire(store, *"abcde")
        assert instances(claim_all(store, limit=2)) == ["a", "b"]
        assert instances(claim_all(store, limit=2)) == ["c", "d"]
        assert instances(claim_all(store, limit=2)) == ["e"]

    def test_without_a_stream_time_only_retries_are_ready(self, store: Store) -> None:
        ready_to_fire(store, "a", "b")
        (first,) = claim_all(store, limit=1)
        store.release([first])
        assert instances(claim_all(store, now=None)) == ["a"]

    def test_due_retries_come_first(self, store: Store) -> None:
        ready_to_fire(store, *"abc")
        _, b = claim_all(store, limit=2)
        store.release([b])
        assert instances(claim_all(store, limit=1)) == ["b"]

    def test_retries_that_are_not_due_are_not_claimed(self, store: Store) -> None:
        ready_to_fire(store, "a", "b")
        (a,) = claim_all(store, limit=1)
        store.fail(Failure(a, "failed", timedelta(hours=1)), max_attempts=5)
        assert instances(claim_all(store)) == ["b"]

    def test_retries_of_the_other_reason_are_not_claimed(self, store: Store) -> None:
        ready_to_fire(store, "a")
        store.release(claim_all(store))
        assert claim_all(store, Reason.EXPIRE) == []


class TestClaim:
    """The contents of a claim, and its effect on the stream."""

    @pytest.mark.parametrize(
        ("reason", "state"),
        [(Reason.FIRE, StreamState.FIRING), (Reason.EXPIRE, StreamState.EXPIRING)],
    )
    def test_a_claim_has_the_serial_and_worker_of_the_row(
        self, store: Store, reason: Reason, state: StreamState
    ) -> None:
        kind = "vm.end" if reason is Reason.FIRE else "vm.update"
        ingest(store, VM, make_event("1", kind), make_event("2"))
        before = store.real_time()
        (claim,) = claim_all(store, reason)
        after = store.real_time()
        stream = only_stream(store)
        assert claim == Claim(
            stream_id=stream.id,
            name="vm",
            serial=1,
            worker="w1",
            reason=reason,
            attempt=1,
            distinguished_by={"instance": "a"},
            event_count=2,
            stream_time=stream.fire_timestamp or stream.expire_timestamp,
        )
        assert (stream.fire_timestamp is None) == (reason is Reason.EXPIRE)
        assert (stream.state, stream.state_serial_no, stream.worker) == (state, 1, "w1")
        assert (stream.attempts, stream.retry_at) == (1, None)
        assert stream.lease_until is not None
        assert before + LEASE <= stream.lease_until <= after + LEASE

    def test_a_claim_releases_the_group_key(self, store: Store) -> None:
        ready_to_fire(store, "a")
        claim_all(store)
        assert not only_stream(store).is_open
        assert ingest(store, VM, make_event("2")).streams_opened == 1

    def test_a_claimed_stream_is_not_claimed_again(self, store: Store) -> None:
        ready_to_fire(store, *"abc")
        assert instances(claim_all(store, worker="w1", limit=2)) == ["a", "b"]
        assert instances(claim_all(store, worker="w2")) == ["c"]
        assert claim_all(store, worker="w1") == []

    def test_concurrent_workers_share_the_streams(self, store: Store) -> None:
        ready_to_fire(store, *(f"{i:02}" for i in range(40)))
        together = threading.Barrier(4)

        def work(worker: str) -> list[Claim]:
            together.wait()
            mine: list[Claim] = []
            while claims := claim_all(store, worker=worker, limit=3):
                mine += claims
            return mine

        with ThreadPoolExecutor(4) as pool:
            taken = [each for part in pool.map(work, "wxyz") for each in part]
        assert sorted(instances(taken)) == [f"{i:02}" for i in range(40)]
        held = {s.id: s.worker for s in store.find_streams(StreamFilter())}
        assert held == {claim.stream_id: claim.worker for claim in taken}

    def test_a_claim_that_crashes_claims_nothing(self, store: Store) -> None:
        ready_to_fire(store, "a")
        before = only_stream(store)
        with crash_at(Failpoint.BEFORE_CLAIM_COMMIT):
            claim_all(store)
        assert only_stream(store) == before
        assert ingest(store, VM, make_event("2")).streams_opened == 0


class TestClaimOne:
    """Claiming one stream regardless of its time."""

    def claim(self, store: Store, stream_id: int, reason: Reason) -> Claim | None:
        return store.claim_one(stream_id=stream_id, worker="w1", reason=reason, lease=LEASE)

    @pytest.mark.parametrize("reason", CLAIM_REASONS)
    def test_an_active_stream_is_claimed_before_its_time(
        self, store: Store, reason: Reason
    ) -> None:
        ingest(store, VM, make_event("1"))
        stream = only_stream(store)
        claim = self.claim(store, stream.id, reason)
        assert claim is not None
        assert (claim.reason, claim.serial, claim.attempt) == (reason, 1, 1)
        assert not only_stream(store).is_open

    def test_a_retry_is_claimed_before_it_is_due(self, store: Store) -> None:
        ready_to_fire(store, "a")
        (claim,) = claim_all(store)
        store.fail(Failure(claim, "failed", timedelta(hours=1)), max_attempts=5)
        assert self.claim(store, claim.stream_id, Reason.EXPIRE) is None
        again = self.claim(store, claim.stream_id, Reason.FIRE)
        assert again is not None
        assert (again.serial, again.attempt) == (3, 2)

    def test_a_claimed_stream_or_one_in_error_is_not_claimed(self, store: Store) -> None:
        ready_to_fire(store, "a")
        (claim,) = claim_all(store)
        assert self.claim(store, claim.stream_id, Reason.FIRE) is None
        store.fail(Failure(claim, "failed", NOTHING, final=True), max_attempts=5)
        assert self.claim(store, claim.stream_id, Reason.FIRE) is None

    def test_an_unknown_stream_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownStream, match="4711"):
            self.claim(store, 4711, Reason.FIRE)


class TestLease:
    """Leases are renewed while valid, and released."""

    def test_renewing_extends_valid_leases(self, store: Store) -> None:
        ready_to_fire(store, "a", "b")
        a, b = claim_all(store)
        store.release([b])
        before = store.real_time()
        assert store.renew([a, b], timedelta(hours=2)) == [a]
        stream = only_stream(store, instance="a")
        assert stream.lease_until is not None
        assert stream.lease_until >= before + timedelta(hours=2)
        assert stream.state_serial_no == a.serial
        assert only_stream(store, instance="b").lease_until is None
        assert store.renew([], LEASE) == []

    def test_an_expired_lease_can_be_renewed_until_the_rescue(self, store: Store) -> None:
        ready_to_fire(store, "a")
        (claim,) = store.claim_ready(
            worker="w1", reason=Reason.FIRE, now=FAR, limit=1, lease=-LEASE
        )
        assert store.renew([claim], LEASE) == [claim]
        assert store.rescue(max_attempts=5, limit=9) == (0, 0)
        assert store.renew([claim], -LEASE) == [claim]
        assert store.rescue(max_attempts=5, limit=9) == (1, 0)
        assert store.renew([claim], LEASE) == []

    @pytest.mark.parametrize("difference", [{"serial": 0}, {"worker": "w2"}, {"stream_id": -1}])
    def test_a_claim_with_another_serial_or_worker_is_invalid(
        self, store: Store, difference: dict[str, int]
    ) -> None:
        ready_to_fire(store, "a")
        (claim,) = claim_all(store)
        other = claim._replace(**difference)
        assert store.renew([other], LEASE) == []
        assert store.release([other]) == 0
        assert store.renew([claim], LEASE) == [claim]

    def test_a_released_stream_is_ready_and_the_attempt_does_not_count(self, store: Store) -> None:
        ready_to_fire(store, "a")
        claims = claim_all(store)
        assert store.release(claims) == 1
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no) == (StreamState.RETRY_FIRE, 2)
        assert (stream.attempts, stream.worker, stream.lease_until) == (0, None, None)
        assert not stream.is_open
        assert store.release(claims) == 0
        (again,) = claim_all(store, worker="w2")
        assert (again.attempt, again.serial) == (1, 3)

    def test_streams_are_released_to_the_retry_state_of_their_reason(self, store: Store) -> None:
        ready_to_fire(store, "a")
        ingest(store, VM, make_event("b", instance="b"))
        claims = claim_all(store) + claim_all(store, Reason.EXPIRE)
        assert store.release(claims) == 2
        assert only_stream(store, instance="a").state is StreamState.RETRY_FIRE
        assert only_stream(store, instance="b").state is StreamState.RETRY_EXPIRE
        assert store.release([]) == 0

    def test_release_all_releases_only_the_workers_own_claims(self, store: Store) -> None:
        ready_to_fire(store, "a", "b", "c")
        claim_all(store, limit=2, worker="forgetful")
        (other,) = claim_all(store, worker="other")
        assert store.release_all("forgetful") == 2
        assert store.release_all("forgetful") == 0
        assert store.renew([other], LEASE) == [other]
        again = claim_all(store, worker="next")
        assert sorted(instances(again)) == ["a", "b"]
        assert [claim.attempt for claim in again] == [2, 2]

    def test_release_all_keeps_the_claims_that_the_worker_holds(self, store: Store) -> None:
        ready_to_fire(store, "a", "b")
        held, _ = claim_all(store, worker="forgetful")
        assert store.release_all("forgetful", {held.stream_id}) == 1
        assert store.renew([held], LEASE) == [held]

    def test_the_attempt_of_a_run_that_began_to_commit_counts(self, store: Store) -> None:
        ready_to_fire(store, "a")
        assert store.release(claim_all(store), began_commit=True) == 1
        (again,) = claim_all(store, worker="w2")
        assert (again.attempt, again.failures) == (2, 0)
