"""Valid events, and traits dropped from them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from typing import Any

import pytest

from winchester_core.errors import InvalidEvent
from winchester_core.model.event import clean_event, parse_timestamp, to_utc

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def raw(**changes: Any) -> dict[str, Any]:
    return {"message_id": "m", "event_type": "a.b", "timestamp": NOON, **changes}


class Size(IntEnum):
    LARGE = 3


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("", ""),
        ("ü 🎈", "ü 🎈"),
        (Text("t"), "t"),
        (0, 0),
        (Size.LARGE, 3),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (1.0, 1.0),
        (1e16, 1e16),
        (True, True),
        (datetime(2026, 1, 1, 5), datetime(2026, 1, 1, 5, tzinfo=UTC)),
        (
            datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            datetime(2025, 12, 31, 23, 30, tzinfo=UTC),
        ),
        (datetime(1000, 1, 1, tzinfo=UTC), datetime(1000, 1, 1, tzinfo=UTC)),
    ],
)
def test_storable_values_are_kept_with_their_plain_type(value: Any, stored: Any) -> None:
    clean = clean_event(raw(x=value))
    assert clean.drops == ()
    assert clean.event["x"] == stored
    assert type(clean.event["x"]) is type(stored)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1], "of type list"),
        ({"a": 1}, "of type dict"),
        (b"bytes", "of type bytes"),
        (date(2026, 1, 1), "of type date"),
        (float("nan"), "nan cannot be stored by every"),
        (float("-inf"), "-inf cannot be stored by every"),
        (2**63, "beyond signed 64 bits"),
        (-(2**63) - 1, "beyond signed 64 bits"),
        (2**70, "beyond signed 64 bits"),
        ("a\0b", "NUL"),
        ("a\ud800b", "lone surrogate"),
        (datetime(999, 12, 31, tzinfo=UTC), "outside the years 1000-9999"),
        (
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
            "outside the years 1000-9999",
        ),
    ],
)
def test_unstorable_values_are_dropped_with_a_reason(value: Any, reason: str) -> None:
    clean = clean_event(raw(x=value, y=1))
    assert clean.event == raw(y=1)
    (drop,) = clean.drops
    assert drop.trait == "x"
    assert reason in drop.reason


def test_none_is_dropped_silently() -> None:
    assert clean_event(raw(x=None)).drops == ()
    assert "x" not in clean_event(raw(x=None)).event


class Trait(str):
    """Names whose text differs from what `str` returns of them."""

    def __str__(self) -> str:
        return "message_id"


def test_the_name_of_a_trait_is_its_plain_text() -> None:
    for _ in range(2):  # the second time with a cached name
        event = clean_event({**raw(), Trait("flavor_of_test"): 5}).event
        assert event == raw(flavor_of_test=5)
        assert [type(name) for name in event] == [str] * len(event)


@pytest.mark.parametrize("name", ["n" * 256, "", "a\0", "\ud800", 5])
def test_a_trait_with_an_unstorable_name_is_dropped(name: Any) -> None:
    event = raw()
    event[name] = 1
    clean = clean_event(event)
    assert clean.event == raw()
    assert len(clean.drops) == 1
    clean.drops[0].trait.encode()


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"message_id": None}, "message_id", "missing"),
        ({"message_id": ""}, "message_id", "1 to 255"),
        ({"message_id": "x" * 256}, "message_id", "1 to 255"),
        ({"message_id": 7}, "message_id", "must be text, not int"),
        ({"message_id": "a\0"}, "message_id", "NUL"),
        ({"event_type": None}, "event_type", "missing"),
        ({"event_type": ["a"]}, "event_type", "must be text, not list"),
        ({"event_type": "\udfff"}, "event_type", "surrogate"),
        ({"timestamp": None}, "timestamp", "missing"),
        ({"timestamp": 1234}, "timestamp", "not int"),
        ({"timestamp": "soon"}, "timestamp", "not an RFC 3339 date and time"),
        ({"timestamp": "0999-01-01T00:00:00"}, "timestamp", "outside the years"),
        ({"timestamp": datetime(1, 1, 1, tzinfo=UTC)}, "timestamp", "outside the years"),
    ],
)
def test_an_event_without_a_usable_key_is_invalid(
    changes: dict[str, Any], key: str, reason: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        clean_event(raw(**changes))
    assert caught.value.key == key
    assert reason in caught.value.reason


def test_an_invalid_time_is_not_quoted_in_the_error() -> None:
    with pytest.raises(InvalidEvent) as caught:
        clean_event(raw(timestamp="hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("item", ["text", None, 5, ["message_id"]])
def test_a_value_that_is_not_a_mapping_is_an_invalid_event(item: Any) -> None:
    with pytest.raises(InvalidEvent, match="must be a mapping"):
        clean_event(item)


def test_iso_text_is_accepted_for_the_timestamp_only() -> None:
    clean = clean_event(raw(timestamp="2026-03-14T14:00:00+02:00", other="2026-03-14T14:00:00"))
    assert clean.event["timestamp"] == NOON
    assert clean.event["other"] == "2026-03-14T14:00:00"


def test_the_given_event_is_not_modified() -> None:
    given = raw(x=None, y=[1])
    clean_event(given)
    assert given == raw(x=None, y=[1])


class Instant(datetime):
    """A datetime of another library, such as pandas.Timestamp or pendulum.DateTime."""


class Misleading(str):
    """A string whose methods return something else."""

    def __str__(self) -> str:
        return "another text"

    def isascii(self) -> bool:
        raise RuntimeError


class FailingZone(tzinfo):
    def utcoffset(self, _at: datetime | None) -> timedelta:
        raise RuntimeError


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=2))])
def test_a_subclass_of_datetime_is_stored_as_a_plain_datetime(zone: tzinfo | None) -> None:
    moment = Instant(2026, 3, 14, 12, 0, 0, 5, tzinfo=zone)
    event = clean_event(raw(timestamp=moment, at=moment)).event
    assert {type(event["timestamp"]), type(event["at"])} == {datetime}
    assert event["at"] == event["timestamp"] == to_utc(datetime(2026, 3, 14, 12, 0, 0, 5, zone))


def test_a_subclass_of_text_is_stored_as_the_text_that_it_holds() -> None:
    event = clean_event(raw(message_id=Misleading("m1"), name=Misleading("a"))).event
    assert (event["message_id"], event["name"]) == ("m1", "a")
    assert {type(event["message_id"]), type(event["name"])} == {str}


def test_subclasses_of_numbers_are_stored_as_plain_numbers() -> None:
    class Level(IntEnum):
        HIGH = 3

    class Share(float):
        def __float__(self) -> float:
            return 9.0

    event = clean_event(raw(level=Level.HIGH, share=Share(0.5))).event
    assert (event["level"], event["share"]) == (3, 0.5)
    assert (type(event["level"]), type(event["share"])) == (int, float)


def test_a_time_zone_that_fails_costs_its_trait() -> None:
    clean = clean_event(raw(at=NOON.replace(tzinfo=FailingZone()), b=1))
    assert clean.event == raw(b=1)
    assert [drop.reason for drop in clean.drops] == ["its time zone raised RuntimeError"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-14T10:00:00Z", datetime(2026, 3, 14, 10, tzinfo=UTC)),
        ("2026-03-14t10:00:00z", datetime(2026, 3, 14, 10, tzinfo=UTC)),
        ("2026-03-14 10:00:00", datetime(2026, 3, 14, 10, tzinfo=UTC)),
        ("2026-03-14T10:00:00+0200", datetime(2026, 3, 14, 8, tzinfo=UTC)),
        ("2026-03-14T10:00:00.1234567+01:00", datetime(2026, 3, 14, 9, 0, 0, 123456, UTC)),
        ("2026-12-31T23:59:60Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T23:59:60.25Z", datetime(2027, 1, 1, 0, 0, 0, 250000, UTC)),
    ],
)
def test_times_of_rfc_3339_are_read(text: str, moment: datetime) -> None:
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "1799090150458",
        "1711112021530",
        "2026-W10-1",
        "2026-074T10:00:00",
        "20260314T100000Z",
        "2026-03-14",
        "2026-03-14T24:00:00",
        "2026-02-30T00:00:00Z",
        "2026-03-14T10:00:61Z",
        "2026-03-14T10:00:00+00:00:30",
        "2026-03-14 10:00:00+00:00:30",
        "2026-03-14T10:00:00.5-01:00:30.25",
        "2026-03-14 10:00:00 +0000 UTC",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-03-14T10:00:00Z",
        "",
    ],
)
def test_what_only_resembles_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an RFC 3339|outside the years"):
        parse_timestamp(text)


def test_the_error_of_a_time_out_of_range_does_not_quote_it() -> None:
    with pytest.raises(ValueError, match="outside the years 1000-9999") as raised:
        parse_timestamp("0999-03-14T10:00:00Z")
    assert "0999-03" not in str(raised.value)


def test_a_date_is_its_midnight_where_people_write_it() -> None:
    assert parse_timestamp("2026-03-14", date_only=True) == datetime(2026, 3, 14, tzinfo=UTC)
