"""Events and streams in the database, as programs of the older system query and repair them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import AUGUST, ScriptedHandler, make_event, make_trigger
from winchester_core import EventFilter, StreamFilter
from winchester_core.errors import IllegalTransition, UnknownEvent, UnknownStream
from winchester_core.model import StreamState, TimeRange

if TYPE_CHECKING:
    from support.scenes.embedding import EmbeddingProgram

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRAITS: dict[str, Any] = {
    "test_string": "foobar",
    "test_number": 42,
    "test_float": 3.1415,
    "test_date": datetime(2014, 7, 1, tzinfo=UTC),
    "test_flag": True,
    "test_unicode": "näive ☃",
}
SEVERAL = [
    make_event("1", "test.thing.begin", AUGUST + 2 * HOUR, memory_mb=1024),
    make_event("2", "test.thing.end", AUGUST + 3 * HOUR, memory_mb=1024.0),
    make_event("3", "test.other.foo", AUGUST),
    make_event("4", "test.other.foo", AUGUST + HOUR, memory_mb=2048),
]


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [each["message_id"] for each in events]


def several_streams(program: EmbeddingProgram, number: int = 3) -> None:
    manager = program.ingest(make_trigger())
    for n in range(number):
        manager.add_event(make_event(f"m{n}", instance_id=f"i-{n}"))


# Events


def test_an_event_type_needs_no_registration(program: EmbeddingProgram) -> None:
    manager = program.ingest()
    manager.add_event(make_event("1", "test.new_type"))
    manager.add_event(make_event("2", "test.new_type"))
    assert manager.store.count_events(EventFilter(event_type="test.new_type")) == 2
    assert manager.store.count_events(EventFilter(event_type="test.not_in_db")) == 0


def test_traits_keep_their_types(program: EmbeddingProgram) -> None:
    program.ingest().add_event(make_event("1", **TRAITS))
    event = program.store.get_event_by_message_id("1")
    assert len(event) == 10
    assert {name: (type(event[name]), event[name]) for name in TRAITS} == {
        name: (type(value), value) for name, value in TRAITS.items()
    }
    assert (event["event_type"], event["timestamp"]) == ("test.start", AUGUST)


def test_naive_datetimes_are_utc_and_come_back_aware(program: EmbeddingProgram) -> None:
    naive = AUGUST.replace(tzinfo=None)
    program.ingest().add_event(make_event("1", at=naive, launched_at=naive))
    event = program.store.get_event_by_message_id("1")
    assert event["timestamp"] == event["launched_at"] == AUGUST
    assert event["timestamp"].tzinfo is UTC


def test_a_second_event_with_a_known_id_is_not_stored(program: EmbeddingProgram) -> None:
    manager = program.ingest()
    assert manager.add_event(make_event("1", size=1)) is True
    assert manager.add_event(make_event("1", size=2)) is False
    assert manager.store.get_event_by_message_id("1")["size"] == 1


def test_an_event_is_read_by_its_message_id(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    assert program.store.get_event_by_message_id("4") == SEVERAL[3]


def test_an_unknown_message_id_raises(program: EmbeddingProgram) -> None:
    with pytest.raises(UnknownEvent, match="nowhere"):
        program.store.get_event_by_message_id("nowhere")


def test_find_events_returns_all_in_the_order_in_which_they_were_stored(
    program: EmbeddingProgram,
) -> None:
    manager = program.ingest()
    for each in SEVERAL:
        manager.add_event(each)
    assert ids(program.store.find_events()) == ["1", "2", "3", "4"]


def test_events_are_counted(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    assert program.store.count_events() == 4
    assert program.store.count_events(EventFilter(event_type="test.other.foo")) == 2


def test_events_are_found_by_time_from_inclusive_to_exclusive(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    between = EventFilter(since=AUGUST + HOUR, until=AUGUST + 3 * HOUR)
    assert sorted(ids(program.store.find_events(between))) == ["1", "4"]


def test_events_are_found_by_type(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    found = program.store.find_events(EventFilter(event_type="test.other.foo"))
    assert sorted(ids(found)) == ["3", "4"]


def test_events_are_found_by_traits_of_the_same_type(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    found = program.store.find_events(EventFilter(traits={"memory_mb": 1024}))
    assert ids(found) == ["1"]


def test_find_events_has_a_limit_of_100_by_default(program: EmbeddingProgram) -> None:
    program.ingest().add_events([make_event(str(n)) for n in range(101)])
    assert len(program.store.find_events()) == 100
    assert len(program.store.find_events(limit=101)) == 101


def test_find_events_goes_on_after_a_cursor(program: EmbeddingProgram) -> None:
    program.ingest().add_events(SEVERAL)
    first = ids(program.store.find_events(limit=2))
    second = ids(program.store.find_events(limit=2, cursor=first[-1]))
    assert sorted(first + second) == ["1", "2", "3", "4"]


# Streams


def test_the_first_event_opens_a_stream(program: EmbeddingProgram) -> None:
    by_day = make_trigger(distinguished_by=["instance_id", {"timestamp": "day"}])
    program.ingest(by_day).add_event(make_event("1"))
    (stream,) = program.store.find_streams()
    assert (stream.name, stream.state, stream.state_serial_no) == (
        "test_trigger",
        StreamState.ACTIVE,
        0,
    )
    assert stream.first_event == stream.last_event == AUGUST
    assert stream.expire_timestamp == AUGUST + DAY
    assert stream.fire_timestamp is None
    midnight = AUGUST.replace(hour=0, minute=0, second=0, microsecond=0)
    assert dict(stream.distinguished_by) == {
        "instance_id": "i-1",
        "timestamp": TimeRange(midnight, midnight + DAY),
    }
    assert program.ids(stream.id) == ["1"]


def test_a_further_event_moves_the_times_of_its_stream(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger(expiration="$last + 3h"))
    for message_id, at in (("1", AUGUST), ("2", AUGUST + HOUR), ("3", AUGUST - HOUR)):
        manager.add_event(make_event(message_id, at=at))
    (stream,) = program.store.find_streams()
    assert (stream.first_event, stream.last_event) == (AUGUST - HOUR, AUGUST + HOUR)
    assert stream.expire_timestamp == AUGUST + 4 * HOUR
    assert stream.event_count == 3


def test_a_streams_events_are_ordered_by_time(program: EmbeddingProgram) -> None:
    program.ingest(make_trigger()).add_events(SEVERAL)
    (stream,) = program.store.find_streams()
    assert program.ids(stream.id) == ["3", "4", "1", "2"]


def test_distinguishing_traits_keep_their_types(program: EmbeddingProgram) -> None:
    names = ["instance_id", *TRAITS]
    program.ingest(make_trigger(distinguished_by=names)).add_event(make_event("1", **TRAITS))
    (stream,) = program.store.find_streams()
    expected = {"instance_id": "i-1", **TRAITS}
    assert dict(stream.distinguished_by) == expected
    assert {name: type(value) for name, value in stream.distinguished_by.items()} == {
        name: type(value) for name, value in expected.items()
    }


@pytest.mark.parametrize("name", TRAITS)
def test_streams_are_found_by_a_distinguishing_trait(program: EmbeddingProgram, name: str) -> None:
    manager = program.ingest(make_trigger(distinguished_by=[name]))
    manager.add_event(make_event("1", **TRAITS))
    manager.add_event(make_event("2", **{name: "another"}))
    (stream,) = program.store.find_streams(StreamFilter(traits={name: TRAITS[name]}))
    assert program.ids(stream.id) == ["1"]


def test_streams_are_found_by_a_distinguishing_range(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger(distinguished_by=[{"timestamp": "day"}]))
    manager.add_events([make_event("1"), make_event("2", at=AUGUST + DAY)])
    midnight = AUGUST.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = StreamFilter(traits={"timestamp": TimeRange(midnight, midnight + DAY)})
    (stream,) = program.store.find_streams(of_day)
    assert program.ids(stream.id) == ["1"]


@pytest.mark.parametrize(("late", "streams"), [(timedelta(0), 2), (-HOUR, 1)])
def test_a_stream_accepts_events_until_it_expires(
    program: EmbeddingProgram, late: timedelta, streams: int
) -> None:
    manager = program.ingest(make_trigger(expiration="$first + 1d"))
    manager.add_event(make_event("1"))
    program.advance(AUGUST + DAY + late)
    manager.add_event(make_event("2"))
    assert program.store.count_streams() == streams


def test_streams_fire_when_their_fire_time_is_reached(program: EmbeddingProgram) -> None:
    trigger = make_trigger(fire_delay=3600)
    program.ingest(trigger).add_events(
        [make_event("1", "test.thing"), make_event("2", instance_id="i-2")]
    )
    worker = program.worker(trigger)
    assert worker.process_ready_streams(10) == 0
    program.advance(AUGUST + HOUR)
    assert worker.process_ready_streams(10) == 1
    assert program.store.count_states() == {StreamState.ACTIVE: 1, StreamState.COMPLETED: 1}


def test_streams_expire_when_their_expire_time_is_reached(program: EmbeddingProgram) -> None:
    trigger = make_trigger()
    program.ingest(trigger).add_event(make_event("1"))
    worker = program.worker(trigger)
    assert worker.process_ready_streams(10, expire=True) == 0
    program.advance(AUGUST + DAY)
    assert worker.process_ready_streams(10, expire=True) == 1


def test_a_stream_that_is_to_fire_does_not_expire(program: EmbeddingProgram) -> None:
    trigger = make_trigger(fire_delay=3 * 86400)
    program.ingest(trigger).add_event(make_event("1", "test.thing"))
    program.advance(AUGUST + 2 * DAY)
    assert program.worker(trigger).process_ready_streams(10, expire=True) == 0


def test_at_most_a_batch_of_streams_is_loaded(program: EmbeddingProgram) -> None:
    several_streams(program)
    program.advance(AUGUST + 2 * DAY)
    worker = program.worker(make_trigger())
    assert [worker.process_ready_streams(2, expire=True) for _ in range(3)] == [2, 1, 0]


def test_a_change_of_state_increments_the_serial_number(program: EmbeddingProgram) -> None:
    program.ingest(make_trigger()).add_event(make_event("1"))
    (before,) = program.store.find_streams()
    assert program.worker(make_trigger()).fire_stream(before.id)
    after = program.store.get_stream_by_id(before.id)
    assert after.state is StreamState.COMPLETED
    assert after.state_serial_no > before.state_serial_no


@pytest.mark.parametrize(
    ("run", "failed", "ready"),
    [
        ("fire_stream", StreamState.ERROR, StreamState.RETRY_FIRE),
        ("expire_stream", StreamState.EXPIRE_ERROR, StreamState.RETRY_EXPIRE),
    ],
)
def test_reset_makes_a_failed_stream_ready_again(
    program: EmbeddingProgram, run: str, failed: StreamState, ready: StreamState
) -> None:
    program.ingest(make_trigger()).add_event(make_event("1"))
    (stream,) = program.store.find_streams()
    failing = {"mine": ScriptedHandler(fails_in="handle_events")}
    worker = program.worker(make_trigger(), handlers=failing, max_attempts=1)
    assert getattr(worker, run)(stream.id) is False
    assert program.store.get_stream_by_id(stream.id).state is failed
    assert worker.store.reset_stream(stream.id) is ready


def test_only_a_failed_stream_is_reset(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1"))
    (stream,) = program.store.find_streams()
    with pytest.raises(IllegalTransition):
        manager.store.reset_stream(stream.id)


def test_purge_deletes_the_stream_and_keeps_its_events(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1"))
    (stream,) = program.store.find_streams()
    manager.store.purge_stream(stream.id)
    with pytest.raises(UnknownStream):
        program.store.get_stream_by_id(stream.id)
    assert program.store.has_event("1")


def test_streams_are_counted(program: EmbeddingProgram) -> None:
    several_streams(program, 8)
    assert program.store.count_streams() == 8
    assert program.store.count_streams(StreamFilter(name="another")) == 0


def test_find_streams_has_a_limit_and_goes_from_the_oldest(program: EmbeddingProgram) -> None:
    several_streams(program)
    found = program.store.find_streams(limit=2)
    assert [program.ids(each.id) for each in found] == [["m0"], ["m1"]]


def test_find_streams_goes_on_after_a_cursor(program: EmbeddingProgram) -> None:
    several_streams(program)
    first = program.store.find_streams(limit=2)
    (last,) = program.store.find_streams(limit=2, cursor=first[-1].id)
    assert program.ids(last.id) == ["m2"]


def test_streams_are_found_by_name_state_and_the_age_of_their_first_event(
    program: EmbeddingProgram,
) -> None:
    manager = program.ingest(make_trigger(), make_trigger(name="another"))
    manager.add_events([make_event("1"), make_event("2", at=AUGUST + DAY / 2)])
    manager.add_event(make_event("3", at=AUGUST + HOUR, instance_id="i-2"))
    of_name = program.store.find_streams(StreamFilter(name="another"))
    assert [program.ids(each.id) for each in of_name] == [["1", "2"], ["3"]]
    assert program.store.count_streams(StreamFilter(states=(StreamState.ERROR,))) == 0
    for at, expected in {
        "older_than": ["i-1"],
        "younger_than": ["i-2"],
    }.items():
        filters = StreamFilter(name="another", **{at: AUGUST + HOUR})
        found = program.store.find_streams(filters)
        assert [each.distinguished_by["instance_id"] for each in found] == expected
