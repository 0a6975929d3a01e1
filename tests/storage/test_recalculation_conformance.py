"""Every store: open streams are recalculated when their trigger changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders.events import (
    LEASE,
    at,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from winchester_core.clock import FixedTime
from winchester_core.model.stream import Reason
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

OLD = make_trigger()
TWO_KINDS: list[dict[str, Any]] = [
    {"event_type": "vm.start"},
    {"event_type": "vm.update", "number": 2},
]
NEW = make_trigger(fire=TWO_KINDS, expiration="$first + 2h", fire_delay=5)


def test_progress_and_expiry_are_recalculated_from_the_members(store: Store) -> None:
    ingest(store, OLD, make_event("1", "vm.start"), make_event("2", seconds=60))
    assert store.recalculate(NEW, at(100), limit=9) == 1
    stream = only_stream(store)
    assert (stream.progress, stream.expire_timestamp) == ((1, 1), at(7200))
    assert stream.fire_timestamp is None
    assert (stream.event_count, stream.is_open, stream.state_serial_no) == (2, True, 0)


def test_a_stream_whose_criteria_are_now_met_fires(store: Store) -> None:
    ingest(store, OLD, *(make_event(kind, kind) for kind in ("vm.start", "vm.update")))
    ingest(store, OLD, make_event("3"))
    assert store.recalculate(NEW, at(100), limit=9) == 1
    assert only_stream(store).fire_timestamp == at(105)


def test_a_fire_time_is_never_changed_or_removed(store: Store) -> None:
    ingest(store, OLD, make_event("1", "vm.end"), now=at(1))
    assert store.recalculate(NEW, at(100), limit=9) == 1
    stream = only_stream(store)
    assert (stream.progress, stream.fire_timestamp) == ((0, 0), at(1))
    assert stream.expire_timestamp == at(7200)


def test_streams_are_recalculated_in_bounded_batches(store: Store) -> None:
    ingest(store, OLD, *(make_event(str(i), instance=i) for i in range(5)))
    assert [store.recalculate(NEW, at(0), limit=2) for _ in range(4)] == [2, 2, 1, 0]
    streams = store.find_streams(StreamFilter())
    assert {stream.expire_timestamp for stream in streams} == {at(7200)}
    assert [stream.event_count for stream in streams] == [1] * 5


def test_an_unchanged_trigger_recalculates_nothing(store: Store) -> None:
    ingest(store, OLD, make_event("1"))
    assert store.recalculate(make_trigger(match="*", fire_delay=3), at(0), limit=9) == 0


def test_streams_of_other_triggers_are_not_recalculated(store: Store) -> None:
    other = make_trigger("other", expiration="$last + 3h")
    ingest(store, other, make_event("1"))
    assert store.recalculate(NEW, at(0), limit=9) == 0
    assert only_stream(store).expire_timestamp == at(3 * 3600)


def test_closed_and_claimed_streams_are_not_recalculated(store: Store) -> None:
    ingest(store, OLD, make_event("1"), make_event("fires", "vm.end", instance="b"))
    ingest(store, OLD, make_event("2", seconds=3600), now=at(3600))
    store.claim_ready(worker="w", reason=Reason.FIRE, now=at(3600), limit=9, lease=LEASE)
    closed, claimed, _ = store.find_streams(StreamFilter())
    assert store.recalculate(NEW, at(3600), limit=9) == 1
    assert store.find_streams(StreamFilter(), limit=2) == [closed, claimed]


def test_a_recalculated_stream_accepts_events_and_is_claimed(store: Store) -> None:
    ingest(store, OLD, make_event("1", "vm.start"))
    store.recalculate(NEW, at(0), limit=9)
    ingest(store, NEW, make_event("2"), make_event("3"), now=at(5000))
    assert only_stream(store).fire_timestamp == at(5005)
    (claim,) = store.claim_ready(worker="w", reason=Reason.FIRE, now=at(5005), limit=9, lease=LEASE)
    assert claim.event_count == 3


class TestIngestIntoAnOutdatedStream:
    """Ingest recalculates an outdated stream before an event joins it."""

    def test_it_is_recalculated_and_the_event_joins(self, store: Store) -> None:
        ingest(store, OLD, make_event("1", "vm.start"), make_event("2"))
        ingest(store, NEW, make_event("3"), now=at(4000))
        stream = only_stream(store)
        assert (stream.event_count, stream.progress) == (3, (1, 2))
        assert (stream.fire_timestamp, stream.expire_timestamp) == (at(4005), at(7200))
        assert store.recalculate(NEW, at(4000), limit=9) == 0

    def test_it_closes_if_it_has_expired_by_the_new_definition(self, store: Store) -> None:
        ingest(store, OLD, make_event("1"))
        shorter = make_trigger(expiration="$last + 10s")
        assert ingest(store, shorter, make_event("2"), now=at(60)).streams_opened == 1
        old, _ = store.find_streams(StreamFilter())
        assert (old.expire_timestamp, old.is_open) == (at(10), False)

    def test_several_in_one_batch(self, store: Store) -> None:
        ingest(store, OLD, *(make_event(name, "vm.start", instance=name) for name in "abc"))
        batch = [make_event(f"{name}{i}", instance=name) for i in range(2) for name in "ab"]
        store.record(matched_events([NEW], batch), FixedTime(at(7)))
        fires = {
            stream.distinguished_by["instance"]: (stream.progress, stream.fire_timestamp)
            for stream in store.find_streams(StreamFilter())
        }
        assert fires == {"a": ((1, 2), at(12)), "b": ((1, 2), at(12)), "c": ((0,), None)}
