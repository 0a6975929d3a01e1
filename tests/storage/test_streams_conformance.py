"""Every store: how events open, join, close and fire streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from support.builders.events import (
    LEASE,
    VM,
    at,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from winchester_core.clock import EventTime, FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store


def members(store: Store, stream: StreamRecord) -> list[str]:
    return [event["message_id"] for event in store.get_stream_events(stream.id)]


def test_a_new_stream_is_active_open_and_unclaimed(store: Store) -> None:
    recorded = ingest(store, VM, make_event("1", seconds=7, size=3))
    assert (recorded.streams_opened, recorded.streams_opened_expired) == (1, 0)
    stream = only_stream(store)
    assert stream.name == "vm"
    assert stream.state is StreamState.ACTIVE
    assert stream.state_serial_no == 0
    assert stream.is_open
    assert stream.distinguished_by == {"instance": "a"}
    assert (stream.first_event, stream.last_event) == (at(7), at(7))
    assert stream.expire_timestamp == at(7 + 3600)
    assert stream.fire_timestamp is None
    assert (stream.event_count, stream.progress) == (1, (0,))
    assert (stream.attempts, stream.worker, stream.lease_until) == (0, None, None)
    assert (stream.retry_at, stream.last_error) == (None, None)


def test_a_trigger_without_distinguishing_traits_has_one_open_stream(store: Store) -> None:
    trigger = make_trigger(by=[])
    ingest(store, trigger, make_event("1", instance="a"), make_event("2", instance="b"))
    assert only_stream(store).distinguished_by == {}
    assert only_stream(store).event_count == 2


def test_events_join_the_open_stream_of_their_group_over_batches(store: Store) -> None:
    ingest(store, VM, make_event("1", seconds=10))
    recorded = ingest(store, VM, make_event("2", seconds=30), make_event("3", seconds=5))
    assert recorded.streams_opened == 0
    stream = only_stream(store)
    assert stream.event_count == 3
    assert (stream.first_event, stream.last_event) == (at(5), at(30))
    assert stream.expire_timestamp == at(30 + 3600)
    assert stream.state_serial_no == 0


def test_members_are_ordered_by_timestamp_and_arrival(store: Store) -> None:
    ingest(store, VM, make_event("z", seconds=5), make_event("y", seconds=9))
    ingest(store, VM, make_event("x", seconds=5), make_event("a", seconds=5))
    ingest(store, VM, make_event("first", seconds=1), make_event("b", seconds=5))
    stream = only_stream(store)
    assert members(store, stream) == ["first", "z", "x", "a", "b", "y"]
    assert store.events_of([stream.id]) == {stream.id: store.get_stream_events(stream.id)}


def test_events_of_several_streams_are_separate(store: Store) -> None:
    ingest(
        store,
        VM,
        *(make_event(name, instance=name) for name in "cab"),
        make_event("c2", instance="c"),
    )
    ids = {name: only_stream(store, instance=name).id for name in "abc"}
    found = store.events_of([ids["c"], ids["a"], -1])
    assert {key: [event["message_id"] for event in value] for key, value in found.items()} == {
        ids["c"]: ["c", "c2"],
        ids["a"]: ["a"],
        -1: [],
    }
    assert store.events_of([]) == {}
    taken = store.members_of([ids["c"], ids["a"], -1])
    assert {key: taken.take(key) for key in (-1, ids["a"], ids["c"])} == found


class TestFiring:
    """The fire time is set once every criterion has its number of events."""

    def test_each_criterion_requires_its_number_of_events(self, store: Store) -> None:
        trigger = make_trigger(
            fire=[{"event_type": "vm.end"}, {"event_type": "vm.update", "number": 2}]
        )
        ingest(store, trigger, make_event("1"), make_event("2", "vm.end"))
        assert only_stream(store).progress == (1, 1)
        assert only_stream(store).fire_timestamp is None
        ingest(store, trigger, make_event("3", "vm.end"), make_event("4"), now=at(8))
        assert only_stream(store).progress == (1, 2)
        assert only_stream(store).fire_timestamp == at(8)

    def test_an_event_may_meet_several_criteria(self, store: Store) -> None:
        trigger = make_trigger(fire=[{"event_type": "vm.*"}, {"traits": {"size": 1}}])
        ingest(store, trigger, make_event("1", size=1), now=at(3))
        assert only_stream(store).fire_timestamp == at(3)

    def test_without_criteria_a_stream_never_fires(self, store: Store) -> None:
        trigger = make_trigger(fire=[])
        ingest(store, trigger, make_event("1"), now=at(3))
        ingest(store, trigger, make_event("2"), now=at(4))
        stream = only_stream(store)
        assert (stream.progress, stream.fire_timestamp) == ((), None)

    def test_fire_delay_counts_from_the_stream_time_at_which_criteria_are_met(
        self, store: Store
    ) -> None:
        trigger = make_trigger(fire_delay=90)
        ingest(store, trigger, make_event("1", "vm.end", seconds=-500), now=at(10))
        assert only_stream(store).fire_timestamp == at(100)

    def test_a_fire_time_is_never_moved(self, store: Store) -> None:
        trigger = make_trigger(fire_delay=90)
        ingest(store, trigger, make_event("1", "vm.end"), now=at(10))
        ingest(store, trigger, make_event("2", "vm.end"), now=at(50))
        assert only_stream(store).fire_timestamp == at(100)

    def test_events_go_on_joining_until_a_worker_claims_the_stream(self, store: Store) -> None:
        ingest(store, VM, make_event("1", "vm.end"), now=at(10))
        ingest(store, VM, make_event("2"), now=at(20))
        assert only_stream(store).event_count == 2
        (claim,) = store.claim_ready(
            worker="w", reason=Reason.FIRE, now=at(20), limit=9, lease=LEASE
        )
        assert claim.event_count == 2
        assert ingest(store, VM, make_event("3"), now=at(20)).streams_opened == 1


class TestClosing:
    """A closed stream never reopens, and a group never has two open streams."""

    def test_an_event_at_the_expiry_closes_the_stream_and_opens_its_successor(
        self, store: Store
    ) -> None:
        ingest(store, VM, make_event("1"))
        recorded = ingest(store, VM, make_event("2", seconds=3600), now=at(3600))
        assert recorded.streams_opened == 1
        old, new = store.find_streams(StreamFilter())
        assert (old.is_open, old.state, members(store, old)) == (False, StreamState.ACTIVE, ["1"])
        assert (new.is_open, members(store, new)) == (True, ["2"])
        assert old.expire_timestamp == at(3600)

    def test_events_join_until_just_before_the_expiry(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        ingest(store, VM, make_event("2"), now=at(3600) - timedelta(microseconds=1))
        assert only_stream(store).event_count == 2

    def test_the_arrival_time_counts_not_the_timestamp(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        ingest(store, VM, make_event("late", seconds=5), now=at(4000))
        assert store.count_streams(StreamFilter()) == 2

    def test_one_batch_may_close_and_open_several_streams_of_a_group(self, store: Store) -> None:
        ingest(store, VM, make_event("0"))
        stamps = [(f"{hour}-{i}", hour * 4000 + i) for hour in (1, 2, 3) for i in range(2)]
        batch = [make_event(message_id, seconds=seconds) for message_id, seconds in stamps]
        recorded = store.record(matched_events([VM], batch), EventTime())
        assert recorded.streams_opened == 3
        streams = store.find_streams(StreamFilter())
        assert [members(store, stream) for stream in streams] == [
            ["0"],
            ["1-0", "1-1"],
            ["2-0", "2-1"],
            ["3-0", "3-1"],
        ]
        assert [stream.is_open for stream in streams] == [False, False, False, True]
        assert {stream.state for stream in streams} == {StreamState.ACTIVE}

    def test_a_closed_stream_expires(self, store: Store) -> None:
        ingest(store, VM, make_event("1"))
        ingest(store, VM, make_event("2", seconds=3600), now=at(3600))
        (claim,) = store.claim_ready(
            worker="w", reason=Reason.EXPIRE, now=at(3600), limit=9, lease=LEASE
        )
        assert claim.stream_id == store.find_streams(StreamFilter())[0].id

    def test_a_closed_stream_whose_criteria_were_met_fires(self, store: Store) -> None:
        trigger = make_trigger(fire_delay=9000)
        ingest(store, trigger, make_event("1", "vm.end"))
        ingest(store, trigger, make_event("2"), now=at(3600))
        old = store.find_streams(StreamFilter())[0]
        assert (old.is_open, old.fire_timestamp) == (False, at(9000))
        claims = {
            reason: store.claim_ready(worker="w", reason=reason, now=at(9000), limit=9, lease=LEASE)
            for reason in CLAIM_REASONS
        }
        assert [claim.stream_id for claim in claims[Reason.FIRE]] == [old.id]
        assert old.id not in {claim.stream_id for claim in claims[Reason.EXPIRE]}

    def test_groups_close_independently(self, store: Store) -> None:
        ingest(store, VM, make_event("a"), make_event("b", instance="b"), now=at(0))
        ingest(store, VM, make_event("b2", instance="b", seconds=1000), now=at(1000))
        recorded = ingest(
            store,
            VM,
            *(make_event(f"{name}3", instance=name, seconds=3700) for name in "abc"),
            now=at(3700),
        )
        assert recorded.streams_opened == 2  # the successor of a, and c
        assert only_stream(store, instance="b").event_count == 3


class TestOpenedExpired:
    """A new stream may already be expired: yesterday's file under the system clock."""

    def test_it_is_counted(self, store: Store) -> None:
        yesterday = [make_event(str(i), seconds=-86_400, instance=str(i)) for i in range(3)]
        recorded = ingest(store, VM, *yesterday, make_event("now"))
        assert (recorded.streams_opened, recorded.streams_opened_expired) == (4, 3)

    def test_it_is_not_counted_if_it_fires(self, store: Store) -> None:
        recorded = ingest(store, VM, make_event("1", "vm.end", seconds=-86_400))
        assert recorded.streams_opened_expired == 0

    def test_the_next_event_of_its_group_opens_another(self, store: Store) -> None:
        yesterday = [make_event(str(i), seconds=-86_400) for i in range(3)]
        assert ingest(store, VM, *yesterday).streams_opened == 3
        assert [s.is_open for s in store.find_streams(StreamFilter())] == [False, False, True]


def test_expiration_may_depend_on_first_and_on_now(store: Store) -> None:
    by_first = make_trigger("first", expiration="$first + 2h")
    by_now = make_trigger("now", expiration="$timestamp + 10m")
    batch = [make_event("1"), make_event("2", seconds=60)]
    store.record(matched_events([by_first, by_now], batch), FixedTime(at(100)))
    expiries = {s.name: s.expire_timestamp for s in store.find_streams(StreamFilter())}
    assert expiries == {"first": at(7200), "now": at(700)}


def test_streams_expire_in_the_last_year(store: Store) -> None:
    event = {**make_event("1"), "timestamp": datetime(9999, 12, 31, 23, 30, tzinfo=UTC)}
    ingest(store, VM, event)
    assert only_stream(store).expire_timestamp.year == 9999
