"""The JSON forms of an event: stored, shown, read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import orjson
import pytest

from winchester_core.model import json
from winchester_core.model.event import clean_event
from winchester_core.model.json import (
    MAX_ENCODED_DATETIMES,
    dump_traits,
    flat_event,
    load_event,
    load_traits,
    read_event,
)

NOON = datetime(2015, 1, 20, 12, 0, 0, 7, tzinfo=UTC)


def test_a_stored_datetime_is_tagged_text_with_microseconds_and_offset() -> None:
    assert dump_traits({"launched_at": datetime(2015, 1, 20, tzinfo=UTC)}) == (
        '{"launched_at":{"datetime":"2015-01-20T00:00:00.000000+00:00"}}'
    )


def test_a_datetime_of_another_zone_is_stored_in_utc() -> None:
    there = datetime(2015, 1, 20, 2, tzinfo=timezone(timedelta(hours=2)))
    assert load_traits(dump_traits({"t": there})) == {"t": datetime(2015, 1, 20, tzinfo=UTC)}


def test_equal_datetimes_of_different_zones_are_stored_as_the_same_text() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=2)))
    for first, second in ((NOON, there), (there, NOON)):
        assert dump_traits({"t": first}) == dump_traits({"t": second})


def test_both_times_at_which_a_clock_shows_the_same_are_stored() -> None:
    first = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    for time, hour in ((first, 0), (first.replace(fold=1), 1)):
        expected = datetime(2024, 10, 27, hour, 30, tzinfo=UTC)
        assert load_traits(dump_traits({"t": time})) == {"t": expected}


def test_any_number_of_datetimes_survive_storage_while_the_cache_stays_bounded() -> None:
    for number in range(2 * MAX_ENCODED_DATETIMES + 1):
        time = NOON + timedelta(microseconds=number)
        assert load_traits(dump_traits({"t": time, "u": NOON})) == {"t": time, "u": NOON}
    assert len(json._encoded_datetimes) <= MAX_ENCODED_DATETIMES


@pytest.mark.parametrize("value", [1, 1.0, True, 10**16, 1e16, -0.0, 2**63 - 1, -(2**63), "1", ""])
def test_type_and_value_survive_storage(value: object) -> None:
    loaded = load_traits(dump_traits({"t": value}))["t"]
    assert (type(loaded), repr(loaded)) == (type(value), repr(value))


@pytest.mark.parametrize("value", [2**64, [object()], {"datetime": object()}, int, b"x"])
def test_unsupported_values_are_not_stored_as_something_else(value: object) -> None:
    with pytest.raises(TypeError):
        dump_traits({"t": value})


def test_stored_traits_may_be_read_from_bytes() -> None:
    assert load_traits(b'{"a":1}') == {"a": 1}


@pytest.mark.parametrize("traits", [{}, {"z": 1, "launched_at": NOON, "a": 'of "x"\\'}])
def test_a_stored_event_has_its_values_before_its_traits(traits: dict[str, object]) -> None:
    event = load_event("m-1", "vm.end", NOON, dump_traits(traits))
    values = {"message_id": "m-1", "event_type": "vm.end", "timestamp": NOON}
    assert list(event.items()) == [*values.items(), *traits.items()]


def test_a_shown_event_is_flat_and_lists_its_datetimes() -> None:
    event = {"message_id": "m", "event_type": "t", "timestamp": NOON, "n": 1.0, "launched_at": NOON}
    assert flat_event(event) == {
        "message_id": "m",
        "event_type": "t",
        "timestamp": "2015-01-20T12:00:00.000007+00:00",
        "n": 1.0,
        "launched_at": "2015-01-20T12:00:00.000007+00:00",
        "@datetime_traits": "launched_at",
    }


def test_the_datetime_list_is_omitted_when_the_timestamp_is_the_only_one() -> None:
    assert "@datetime_traits" not in flat_event({"timestamp": NOON, "a": "b"})


def test_names_with_spaces_and_percent_signs_are_encoded_and_restored() -> None:
    event = {"timestamp": NOON, "a b": NOON, "100%": NOON, "für": NOON, "ü\u2003%20": NOON}
    flat = flat_event(event)
    assert flat["@datetime_traits"] == "a%20b 100%25 für %C3%BC%E2%80%83%2520"
    read, drops = read_event(flat)
    assert (clean_timestamp(read), drops) == (event, [])


def test_a_trait_with_the_name_of_the_reserved_key_survives() -> None:
    event = {"timestamp": NOON, "@datetime_traits": NOON, "@@datetime_traits": "x", "@": 1}
    read, drops = read_event(flat_event(event))
    assert (clean_timestamp(read), drops) == (event, [])


def test_the_source_setting_also_lists_datetimes() -> None:
    read, drops = read_event({"launched_at": "2015-01-20 12:00:00.000007"}, ["launched_at"])
    assert (read, drops) == ({"launched_at": NOON}, [])


def test_a_tagged_value_is_a_datetime_without_being_listed() -> None:
    read, _ = read_event({"launched_at": {"datetime": "2015-01-20T14:00:00.000007+02:00"}})
    assert read == {"launched_at": NOON}


@pytest.mark.parametrize(
    "value", ["", "yesterday", "0001-01-01T00:00:00", "2015-02-30", 7, 1.5, True, [1], {"a": 1}]
)
def test_an_invalid_datetime_is_dropped_with_its_reason(
    value: object,
) -> None:
    read, drops = read_event({"message_id": "m", "launched_at": value}, ["launched_at"])
    assert read == {"message_id": "m"}
    assert [drop.trait for drop in drops] == ["launched_at"]
    assert drops[0].reason


@pytest.mark.parametrize("value", [{"datetime": 5}, {"datetime": "x"}, {"datetime": []}])
def test_an_invalid_tagged_value_is_dropped_with_its_reason(value: object) -> None:
    read, drops = read_event({"launched_at": value})
    assert read == {}
    assert [drop.trait for drop in drops] == ["launched_at"]


@pytest.mark.parametrize("value", [None, {"datetime": None}])
def test_null_is_neither_a_value_nor_a_drop(value: object) -> None:
    assert read_event({"deleted_at": value}, ["deleted_at"]) == ({"deleted_at": None}, [])


def test_the_timestamp_is_checked_by_event_cleaning() -> None:
    assert read_event({"timestamp": "soon"}, ["timestamp"]) == ({"timestamp": "soon"}, [])
    assert read_event({"timestamp": {"datetime": "soon"}}) == ({"timestamp": "soon"}, [])


@pytest.mark.parametrize("listed", [5, ["launched_at"], {"a": 1}, True])
def test_a_malformed_datetime_list_is_dropped_with_its_reason(listed: object) -> None:
    read, drops = read_event({"a": 1, "@datetime_traits": listed})
    assert read == {"a": 1}
    assert [drop.trait for drop in drops] == ["@datetime_traits"]


def test_a_listed_name_without_a_trait_is_ignored() -> None:
    assert read_event({"a": 1, "@datetime_traits": "b"}) == ({"a": 1}, [])


def test_a_shown_event_survives_json_and_cleaning_unchanged() -> None:
    event = {"message_id": "m", "event_type": "t", "timestamp": NOON, "x": 1e16, "when": NOON}
    read, _ = read_event(orjson.loads(orjson.dumps(flat_event(event))))
    assert clean_event(read).event == event


def clean_timestamp(read: dict[str, object]) -> dict[str, object]:
    """Return `read` with its timestamp as a datetime, which event cleaning converts."""
    return read | {"timestamp": datetime.fromisoformat(str(read["timestamp"]))}
