"""Every store: the event clock, and the store's own clock."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from support.builders.events import at, make_event, make_trigger, matched_events, only_stream
from winchester_core.clock import EventTime, FixedTime
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import MatchedEvent

if TYPE_CHECKING:
    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import IngestResult

VM = make_trigger(expiration="$timestamp + 1h")
DAY = timedelta(days=1)


def record(
    store: Store,
    *events: Event,
    policy: EventTime | FixedTime = EventTime(),  # noqa: B008 - immutable
) -> IngestResult:
    return store.record(matched_events([VM], events), policy)


def test_real_time_is_aware_utc_and_does_not_go_back(store: Store) -> None:
    times = [store.real_time() for _ in range(3)]
    assert times == sorted(times)
    assert times[0].tzinfo is UTC


class TestEventClock:
    """The event clock is the greatest ingested timestamp, and never moves backwards."""

    def test_it_is_unset_at_first(self, store: Store) -> None:
        assert store.event_clock() is None

    def test_it_is_the_greatest_timestamp_ingested(self, store: Store) -> None:
        record(store, make_event("1", seconds=5), make_event("2", seconds=90))
        record(store, make_event("3", seconds=30))
        assert store.event_clock() == at(90)

    def test_it_keeps_microseconds(self, store: Store) -> None:
        record(store, make_event("1", seconds=0.000001))
        assert store.event_clock() == at(0) + timedelta(microseconds=1)

    def test_each_events_now_is_the_greatest_up_to_its_own(self, store: Store) -> None:
        record(store, make_event("0", seconds=20, instance="0"))
        stamps = {"a": 10, "b": 40, "c": 30, "d": 50}
        record(store, *(make_event(name, seconds=stamps[name], instance=name) for name in "abcd"))
        nows = {name: only_stream(store, instance=name).expire_timestamp for name in "abcd"}
        expected = {"a": 20, "b": 40, "c": 40, "d": 50}
        assert nows == {name: at(3600 + now) for name, now in expected.items()}

    def test_a_duplicate_does_not_move_it(self, store: Store) -> None:
        record(store, make_event("1"))
        record(store, make_event("1", seconds=500), make_event("2", seconds=3))
        assert store.event_clock() == at(3)

    def test_it_moves_to_the_stamp_that_a_replay_sets(self, store: Store) -> None:
        store.record([MatchedEvent(make_event("1"), (), stamp=at(77))], EventTime())
        assert store.event_clock() == at(77)

    def test_the_system_clock_does_not_move_it(self, store: Store) -> None:
        record(store, make_event("1"), policy=FixedTime(at(10)))
        assert store.event_clock() is None

    def test_the_clock_that_does_not_move_is_read(self, store: Store) -> None:
        store.set_event_clock(at(100))
        record(store, make_event("1", seconds=500), policy=EventTime(advances=False))
        assert store.event_clock() == at(100)
        assert only_stream(store).expire_timestamp == at(3700)


class TestJump:
    """An event too far ahead is stored but does not move the clock."""

    def test_it_is_refused_and_reported(self, store: Store) -> None:
        record(store, make_event("0"))
        far = make_event("far", seconds=86_400.5, instance="far")
        recorded = record(
            store,
            make_event("1", seconds=1),
            far,
            make_event("2", seconds=2),
            policy=EventTime(max_jump=DAY),
        )
        assert recorded.stored == (True, True, True)
        assert recorded.refused_jumps == ()  # 1 second later, it is within a day
        assert store.event_clock() == at(86_400.5)

    def test_later_events_move_the_clock(self, store: Store) -> None:
        record(store, make_event("0"))
        recorded = record(
            store,
            make_event("0"),
            make_event("far", seconds=86_401, instance="far"),
            make_event("1", seconds=60),
            policy=EventTime(max_jump=DAY),
        )
        assert recorded.stored == (False, True, True)
        assert recorded.refused_jumps == (1,)
        assert store.event_clock() == at(60)
        assert only_stream(store, instance="far").expire_timestamp == at(3600)

    def test_the_first_event_sets_the_clock_to_any_time(self, store: Store) -> None:
        policy = EventTime(max_jump=DAY)
        recorded = record(store, make_event("1", seconds=9e8), policy=policy)
        assert recorded.refused_jumps == ()
        assert store.event_clock() == at(9e8)

    def test_without_max_jump_any_event_moves_it(self, store: Store) -> None:
        record(store, make_event("0"))
        record(store, make_event("1", seconds=9e8))
        assert store.event_clock() == at(9e8)


class TestSetting:
    """A replay advances the event clock, an operator sets it."""

    def test_advancing_sets_it_for_the_first_time(self, store: Store) -> None:
        store.advance_event_clock(at(5))
        assert store.event_clock() == at(5)

    def test_advancing_never_moves_it_back(self, store: Store) -> None:
        store.advance_event_clock(at(5))
        store.advance_event_clock(at(4))
        assert store.event_clock() == at(5)
        store.advance_event_clock(at(6))
        assert store.event_clock() == at(6)

    def test_setting_can_move_it_back(self, store: Store) -> None:
        store.set_event_clock(at(5))
        store.set_event_clock(at(-5))
        assert store.event_clock() == at(-5)

    def test_the_next_batch_uses_the_time_that_was_set(self, store: Store) -> None:
        store.set_event_clock(at(100))
        record(store, make_event("1"))
        (stream,) = store.find_streams(StreamFilter())
        assert stream.expire_timestamp == at(3700)
        assert store.event_clock() == at(100)
