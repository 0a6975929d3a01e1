"""Every store: values are returned unchanged, and compared by type and code point."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, VM, at, ingest, make_event, make_trigger, only_stream
from winchester_core.model.time_range import TimeRange
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)

VALUES = [
    "",
    "a",
    " padded ",
    'quote " backslash \\ slash / and \N{LATIN SMALL LETTER E WITH ACUTE}',
    "line\nbreak\ttab \x01\x7f\x85\u2028",
    "four bytes: \N{GRINNING FACE} \U0010fffd",
    "e\N{COMBINING ACUTE ACCENT}",
    "null",
    "x" * 100_000,
    0,
    1,
    -1,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    0.0,
    -0.0,
    1.0,
    0.1,
    1e16,
    1e22,
    5e-324,
    1.7976931348623157e308,
    True,
    False,
    datetime(2015, 1, 20, 13, 14, 15, 161_718, tzinfo=UTC),
    datetime(2015, 1, 20, tzinfo=UTC),
    EARLIEST,
    LATEST,
]
DIFFERENT = ["a", "A", "a ", "\N{LATIN SMALL LETTER A WITH ACUTE}", "a\N{COMBINING ACUTE ACCENT}"]
DIFFERENT_TYPES = ["1", 1, 1.0, True, "True", datetime(1970, 1, 1, tzinfo=UTC)]


def identity(value: Any) -> tuple[type, str]:
    """Return a key that differs for 1, 1.0 and True, and for -0.0 and 0.0."""
    return type(value), repr(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_a_trait_keeps_type_and_value(store: Store, value: Any) -> None:
    ingest(store, VM, make_event("1", trait=value))
    event = store.get_event_by_message_id("1")
    assert event is not None
    assert identity(event["trait"]) == identity(value)
    (member,) = store.get_stream_events(only_stream(store).id)
    assert identity(member["trait"]) == identity(value)


def test_trait_names_keep_every_character(store: Store) -> None:
    names = ["A", "a", "a ", " ", "\N{GRINNING FACE}", "x" * 255, "$datetime", "dotted.name", '"']
    event = {**make_event("1"), **{name: name for name in names}}
    ingest(store, VM, event)
    assert store.get_event_by_message_id("1") == event


@pytest.mark.parametrize("moment", [EARLIEST, LATEST, datetime(2024, 2, 29, 23, 59, 59, 1, UTC)])
def test_timestamps_keep_microseconds_from_year_1000_to_9999(
    store: Store, moment: datetime
) -> None:
    ingest(store, VM, {**make_event("1"), "timestamp": moment}, now=EARLIEST)
    (event,) = store.find_events(EventFilter())
    assert event["timestamp"] == moment
    assert event["timestamp"].tzinfo is UTC
    stream = only_stream(store)
    assert (stream.first_event, stream.last_event) == (moment, moment)


def test_an_expiry_after_year_9999_is_its_last_moment(store: Store) -> None:
    ingest(store, VM, {**make_event("1"), "timestamp": LATEST})
    assert only_stream(store).expire_timestamp == LATEST


def test_returned_values_are_copies(store: Store) -> None:
    given = make_event("1")
    ingest(store, VM, given)
    stream_id = only_stream(store).id
    given["instance"] = "changed"
    for event in (
        store.get_event_by_message_id("1"),
        store.get_stream_events(stream_id)[0],
        store.events_of([stream_id])[stream_id][0],
        store.members_of([stream_id]).take(stream_id)[0],
        store.find_events(EventFilter())[0],
    ):
        assert event == make_event("1")
        event["instance"] = "changed"
    assert store.get_event_by_message_id("1") == make_event("1")


def test_message_ids_are_compared_by_code_point(store: Store) -> None:
    recorded = ingest(store, VM, *(make_event(message_id) for message_id in DIFFERENT))
    assert recorded.stored == (True,) * len(DIFFERENT)
    for message_id in DIFFERENT:
        assert store.get_event_by_message_id(message_id)["message_id"] == message_id
    assert not store.has_event("a  ")


@pytest.mark.parametrize("length", [1, 255])
def test_keys_may_have_1_to_255_characters_of_four_bytes(store: Store, length: int) -> None:
    name = "\N{GRINNING FACE}" * length
    trigger = make_trigger(name, by=[name], match="*")
    event = {**make_event(name, name), name: name}
    ingest(store, trigger, event)
    assert store.get_event_by_message_id(name) == event
    stream = only_stream(store)
    assert (stream.name, stream.distinguished_by) == (name, {name: name})


@pytest.mark.parametrize("values", [DIFFERENT, DIFFERENT_TYPES], ids=["by code point", "by type"])
def test_distinguishing_values_are_compared_by_type_and_value(
    store: Store, values: list[Any]
) -> None:
    events = [make_event(str(i), instance=value) for i, value in enumerate(values)]
    assert ingest(store, VM, *events).streams_opened == len(values)
    assert (
        ingest(
            store, VM, *(make_event(f"again {i}", instance=v) for i, v in enumerate(values))
        ).streams_opened
        == 0
    )
    for i, value in enumerate(values):
        stream = only_stream(store, instance=value)
        assert identity(stream.distinguished_by["instance"]) == identity(value)
        members = [event["message_id"] for event in store.get_stream_events(stream.id)]
        assert members == [str(i), f"again {i}"]


def test_minus_zero_and_zero_are_one_distinguishing_value(store: Store) -> None:
    recorded = ingest(store, VM, make_event("1", instance=0.0), make_event("2", instance=-0.0))
    assert recorded.streams_opened == 1


def test_a_time_range_is_a_distinguishing_value(store: Store) -> None:
    trigger = make_trigger(by=["instance", {"timestamp": "day"}], expiration="$last + 9d")
    ingest(store, trigger, *(make_event(str(day), seconds=day * 86_400) for day in range(2)))
    midnight = NOON.replace(hour=0)
    days = [TimeRange(midnight, at(43_200)), TimeRange(at(43_200), at(129_600))]
    found = [stream.distinguished_by["timestamp"] for stream in store.find_streams(StreamFilter())]
    assert sorted(found, key=lambda day: day.begin) == days
    assert only_stream(store, timestamp=days[1]).first_event == at(86_400)


def test_triggers_with_similar_names_have_separate_streams(store: Store) -> None:
    for i, name in enumerate(DIFFERENT):
        assert ingest(store, make_trigger(name), make_event(str(i))).streams_opened == 1
    for name in DIFFERENT:
        assert store.count_streams(StreamFilter(name=name)) == 1
