"""Every store: a run is completed or failed once, in one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

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
    only_stream,
)
from support.scenes.failing_transactions import crash_at
from winchester_core.clock import EventTime, FixedTime
from winchester_core.failpoints import Failpoint
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Claim, Completion, Failure

if TYPE_CHECKING:
    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import MatchedEvent

SUMMARIES = make_trigger(
    "summaries", match="summary", fire=[{"event_type": "summary", "number": 2}]
)
NOW = FixedTime(NOON)


def claims_of(store: Store, *names: str, lease: timedelta = LEASE) -> list[Claim]:
    """Return claims of the worker w1 on streams of these instances."""
    ingest(store, VM, *(make_event(f"end of {name}", "vm.end", instance=name) for name in names))
    claims = store.claim_ready(
        worker="w1", reason=Reason.FIRE, now=NOON, limit=len(names), lease=lease
    )
    by_name = {claim.distinguished_by["instance"]: claim for claim in claims}
    return [by_name[name] for name in names]


def summary(message_id: str, seconds: float = 0) -> Event:
    return make_event(message_id, "summary", seconds, instance="all")


def handler_events(*events: Event) -> tuple[MatchedEvent, ...]:
    """Return events from handlers with their matches."""
    return tuple(matched_events([VM, SUMMARIES], events))


class TestComplete:
    """A completed stream is purged or kept."""

    def test_a_completed_stream_is_purged_and_its_events_stay(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        assert store.complete([Completion(a)], NOW).stream_ids == {a.stream_id}
        assert store.count_streams(StreamFilter()) == 0
        assert store.events_of([a.stream_id]) == {a.stream_id: []}
        assert store.count_events(EventFilter()) == 1

    def test_a_completed_stream_may_be_kept(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        assert store.complete([Completion(a, purge=False)], NOW).stream_ids == {a.stream_id}
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no) == (StreamState.COMPLETED, 2)
        assert (stream.lease_until, stream.retry_at, stream.last_error) == (None, None, None)
        assert (stream.worker, stream.attempts, stream.is_open) == ("w1", 1, False)
        assert len(store.get_stream_events(stream.id)) == 1

    def test_completing_clears_the_error_of_an_earlier_attempt(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        store.fail(Failure(a, "failed", timedelta(0)), max_attempts=5)
        (again,) = store.claim_ready(
            worker="w1", reason=Reason.FIRE, now=None, limit=1, lease=LEASE
        )
        store.complete([Completion(again, purge=False)], NOW)
        assert only_stream(store).last_error is None

    def test_a_stream_with_a_commit_error_is_always_kept(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        assert store.complete([Completion(a, commit_error="commit raised")], NOW).stream_ids == {
            a.stream_id
        }
        stream = only_stream(store)
        assert (stream.state, stream.last_error) == (StreamState.COMPLETED, "commit raised")

    def test_an_expired_stream_is_completed_like_a_fired_one(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        claims = store.claim_ready(
            worker="w1", reason=Reason.EXPIRE, now=at(3600), limit=1, lease=LEASE
        )
        store.complete([Completion(claims[0], purge=False)], NOW)
        assert only_stream(store).state is StreamState.COMPLETED

    def test_no_completions_complete_nothing(self, store: Store) -> None:
        assert store.complete([], NOW).stream_ids == set()

    def test_a_new_event_of_the_group_opens_a_new_stream(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        store.complete([Completion(a, purge=False)], NOW)
        assert ingest(store, VM, make_event("2")).streams_opened == 1


class TestNewEvents:
    """Events from handlers are stored with the completion and matched against triggers."""

    def test_they_are_stored_and_matched_like_any_event(self, store: Store) -> None:
        a, b = claims_of(store, "a", "b")
        completions = [
            Completion(a, handler_events(summary("sum a"))),
            Completion(b, handler_events(summary("sum b"), make_event("again", instance="a"))),
        ]
        store.complete(completions, FixedTime(at(50)))
        stream = only_stream(store, instance="all")
        assert (stream.event_count, stream.fire_timestamp) == (2, at(50))
        assert only_stream(store, instance="a").name == "vm"
        assert store.count_events(EventFilter()) == 5

    def test_those_with_a_known_id_are_duplicates(self, store: Store) -> None:
        a, b = claims_of(store, "a", "b")
        completions = [
            Completion(a, handler_events(summary("sum"), make_event("end of a"))),
            Completion(b, handler_events(summary("sum", seconds=9))),
        ]
        assert store.complete(completions, NOW).stream_ids == {a.stream_id, b.stream_id}
        assert only_stream(store, instance="all").event_count == 1
        assert store.count_events(EventFilter()) == 3

    def test_they_never_move_the_event_clock(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        store.set_event_clock(at(100))
        completion = Completion(a, handler_events(summary("1", 9000), summary("2", 9000)))
        store.complete([completion], EventTime(advances=False))
        assert store.event_clock() == at(100)
        assert only_stream(store, instance="all").fire_timestamp == at(100)

    def test_before_the_event_clock_is_set_their_own_times_apply(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        completion = Completion(a, handler_events(summary("1", 100), summary("2", 200)))
        store.complete([completion], EventTime(advances=False))
        assert store.event_clock() is None
        assert only_stream(store, instance="all").fire_timestamp == at(200)

    @pytest.mark.parametrize(
        "point",
        [
            Failpoint.EVENTS_STORED,
            Failpoint.STREAMS_STORED,
            Failpoint.BEFORE_COMPLETION_COMMIT,
        ],
    )
    def test_a_crash_completes_nothing_and_stores_nothing(
        self, store: Store, point: Failpoint
    ) -> None:
        a, b = claims_of(store, "a", "b")
        before = store.find_streams(StreamFilter())
        completions = [
            Completion(a, handler_events(summary("sum a"))),
            Completion(b, handler_events(summary("sum b")), purge=False),
        ]
        with crash_at(point):
            store.complete(completions, NOW)
        assert store.find_streams(StreamFilter()) == before
        assert store.count_events(EventFilter()) == 2
        assert store.events_of([a.stream_id])[a.stream_id] != []
        assert store.complete(completions, NOW).stream_ids == {a.stream_id, b.stream_id}
        assert store.count_events(EventFilter()) == 4


class TestLostClaim:
    """A lost lease completes nothing and does not affect other streams."""

    def test_others_of_the_same_call_are_completed(self, store: Store) -> None:
        a, b, c = claims_of(store, "a", "b", "c")
        store.release([b])
        completions = [
            Completion(each, handler_events(summary(f"sum {each.stream_id}"))) for each in (a, b, c)
        ]
        assert store.complete(completions, NOW).stream_ids == {a.stream_id, c.stream_id}
        assert only_stream(store, instance="b").state is StreamState.RETRY_FIRE
        assert store.has_event(f"sum {a.stream_id}")
        assert not store.has_event(f"sum {b.stream_id}")

    def test_a_late_completion_after_a_rescue_is_refused(self, store: Store) -> None:
        (a,) = claims_of(store, "a", lease=-LEASE)
        assert store.rescue(max_attempts=5, limit=9) == (1, 0)
        assert (
            store.complete([Completion(a, handler_events(summary("late")))], NOW).stream_ids
            == set()
        )
        assert store.count_events(EventFilter()) == 1
        assert store.fail(Failure(a, "late", timedelta(0)), max_attempts=5) is None
        assert only_stream(store).last_error is None

    def test_a_late_completion_after_another_workers_claim_is_refused(self, store: Store) -> None:
        (a,) = claims_of(store, "a", lease=-LEASE)
        store.rescue(max_attempts=5, limit=9)
        new = store.claim_trial(worker="w1", lease=LEASE)
        assert new is not None
        assert store.complete([Completion(a)], NOW).stream_ids == set()
        assert store.complete([Completion(new)], NOW).stream_ids == {a.stream_id}

    def test_an_expired_lease_is_valid_until_the_rescue(self, store: Store) -> None:
        (a,) = claims_of(store, "a", lease=-LEASE)
        assert store.complete([Completion(a)], NOW).stream_ids == {a.stream_id}

    def test_a_stream_is_completed_once(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        assert store.complete([Completion(a, purge=False)], NOW).stream_ids == {a.stream_id}
        assert store.complete([Completion(a, purge=False)], NOW).stream_ids == set()
        assert only_stream(store).state_serial_no == 2

    def test_the_claim_of_a_purged_stream_is_invalid_for_its_successor(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        store.complete([Completion(a)], NOW)
        (b,) = claims_of(store, "b")
        assert b.stream_id != a.stream_id
        assert store.complete([Completion(a)], NOW).stream_ids == set()
        assert store.renew([b], LEASE) == [b]


class TestFail:
    """A failed run is retried after a delay, up to a maximum number of attempts."""

    def test_it_waits_for_its_retry(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        before = store.real_time()
        state = store.fail(Failure(a, "ValueError: no", timedelta(seconds=600)), max_attempts=5)
        after = store.real_time()
        assert state is StreamState.RETRY_FIRE
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no) == (StreamState.RETRY_FIRE, 2)
        assert (stream.attempts, stream.last_error) == (1, "ValueError: no")
        assert stream.lease_until is None
        assert stream.retry_at is not None
        assert timedelta(seconds=600) <= stream.retry_at - before
        assert stream.retry_at - after <= timedelta(seconds=600)

    def test_attempts_are_counted_up_to_the_maximum(self, store: Store) -> None:
        (claim,) = claims_of(store, "a")
        assert store.fail(Failure(claim, "1", timedelta(0)), max_attempts=2) == "retry_fire"
        (claim,) = store.claim_ready(
            worker="w2", reason=Reason.FIRE, now=None, limit=1, lease=LEASE
        )
        assert claim.attempt == 2
        assert store.fail(Failure(claim, "2", timedelta(0)), max_attempts=2) == "error"
        stream = only_stream(store)
        assert (stream.attempts, stream.worker, stream.last_error) == (2, "w2", "2")
        assert (stream.lease_until, stream.retry_at) == (None, None)
        assert (
            store.claim_ready(worker="w", reason=Reason.FIRE, now=NOON, limit=9, lease=LEASE) == []
        )

    def test_a_final_failure_moves_to_error_immediately(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        failure = Failure(a, "no such pipeline", timedelta(0), final=True)
        assert store.fail(failure, max_attempts=5) is StreamState.ERROR

    def test_an_expiring_run_fails_into_the_expire_states(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        for state in (StreamState.RETRY_EXPIRE, StreamState.EXPIRE_ERROR):
            (claim,) = store.claim_ready(
                worker="w", reason=Reason.EXPIRE, now=at(3600), limit=1, lease=LEASE
            )
            assert store.fail(Failure(claim, "no", timedelta(0)), max_attempts=2) is state

    def test_long_errors_with_any_character_are_stored(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        error = "\N{GRINNING FACE}" * 16_384
        store.fail(Failure(a, error, timedelta(0)), max_attempts=5)
        assert only_stream(store).last_error == error

    def test_a_crash_keeps_the_claim(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        with crash_at(Failpoint.BEFORE_FAILURE_COMMIT):
            store.fail(Failure(a, "no", timedelta(0)), max_attempts=5)
        assert store.renew([a], LEASE) == [a]
        assert only_stream(store).last_error is None
