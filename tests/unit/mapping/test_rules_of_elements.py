"""Rules for the elements of a message, and messages that are split at objects and texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MappingSet, MessageDropped, validate_mappings
from winchester_core.model import Message, MessageKind

ARRIVAL = datetime(2026, 3, 14, 10, tzinfo=UTC)
SENSORS: dict[str, Any] = {
    "split": "sensors",
    "rules": [
        {"when": {"state": "off"}, "drop": True},
        {
            "when": {"kind": "door"},
            "message_id": "id",
            "event_type": {"constant": "door"},
            "timestamp": {"now": True},
            "traits": {"open": "value", "site": "_body.site"},
        },
        {
            "when": {"kind": {"exists": True}},
            "event_type": {"template": "sensor.{kind}"},
            "timestamp": {"now": True},
        },
    ],
}


def events_of(rule: dict[str, Any], body: Any, **headers: str) -> list[dict[str, Any]]:
    """Return the events that a rule makes of a body."""
    validate_mappings({"site": rule}, {})
    message = Message(
        json.dumps(body).encode(), MessageKind.EVENT, headers=headers, mappings=("site",)
    )
    converted = MappingSet({"site": rule}, {}).convert(message, lambda: ARRIVAL)
    return [clean.event for clean in converted.events]


def problems_of(rule: dict[str, Any]) -> list[str]:
    """Return the problems of an invalid rule."""
    with pytest.raises(MultipleInvalid) as caught:
        validate_mappings({"site": rule}, {})
    return [str(error) for error in caught.value.errors]


def test_the_first_rule_that_matches_an_element_makes_its_event() -> None:
    door = {"id": "d1", "kind": "door", "value": True}
    events = events_of(SENSORS, {"site": "north", "sensors": [door, {"kind": "smoke"}]})

    assert events[0] == {
        "message_id": "d1",
        "event_type": "door",
        "timestamp": ARRIVAL,
        "open": True,
        "site": "north",
    }
    assert events[1]["event_type"] == "sensor.smoke"


def test_a_rule_drops_single_elements() -> None:
    off = {"id": "d1", "kind": "door", "state": "off"}
    events = events_of(SENSORS, {"sensors": [off, {"kind": "smoke"}, off]})

    assert [event["event_type"] for event in events] == ["sensor.smoke"]


def test_a_message_is_dropped_if_all_its_elements_are() -> None:
    with pytest.raises(MessageDropped, match=r"site\[0\]: no element makes an event"):
        events_of(SENSORS, {"sensors": [{"state": "off"}]})


def test_an_element_without_a_rule_makes_the_message_invalid() -> None:
    with pytest.raises(InvalidEvent) as caught:
        events_of(SENSORS, {"sensors": [{"kind": "smoke"}, {"value": 1}]})

    assert str(caught.value) == (
        "site[0].rules: none of them matches; conditions that do not hold: state, kind "
        "(element 1 of sensors)"
    )


def test_an_invalid_event_names_the_rule_of_its_element() -> None:
    with pytest.raises(InvalidEvent) as caught:
        events_of(SENSORS, {"sensors": [{"kind": "door"}]})

    assert str(caught.value) == (
        "site[0].rules[1].message_id: there is no value at id (element 0 of sensors)"
    )


def test_ids_that_are_derived_differ_between_equal_elements_but_not_between_deliveries() -> None:
    body = {"sensors": [{"kind": "smoke"}, {"kind": "smoke"}]}

    ids = [event["message_id"] for event in events_of(SENSORS, body)]

    assert len(set(ids)) == 2
    assert ids == [event["message_id"] for event in events_of(SENSORS, body)]


def test_ids_that_are_derived_cover_the_headers_that_rules_of_elements_read() -> None:
    rule = {
        "split": "sensors",
        "rules": [
            {
                "event_type": {"constant": "reading"},
                "timestamp": {"now": True},
                "traits": {"gateway": "_headers.x-gateway"},
            }
        ],
    }

    first, second, unread = (
        events_of(rule, {"sensors": [{}]}, **headers)[0]["message_id"]
        for headers in ({"X-Gateway": "a"}, {"X-Gateway": "b"}, {"X-Gateway": "a", "Date": "now"})
    )

    assert first != second
    assert first == unread


@pytest.mark.parametrize("envelope", [{"id": "n1"}, json.dumps({"id": "n1"}), [{"id": "n1"}]])
def test_a_message_is_split_at_an_object_and_at_json_text(envelope: Any) -> None:
    rule = {
        "split": "envelope",
        "message_id": "id",
        "event_type": {"template": "from.{_body.sender}"},
        "timestamp": {"now": True},
    }

    (event,) = events_of(rule, {"sender": "hub", "envelope": envelope})

    assert (event["message_id"], event["event_type"]) == ("n1", "from.hub")


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ("{", r"site\[0\].split: is not JSON"),
        ('"text"', "must be a list, an object, or text with JSON of one, not str"),
        (7, "must be a list, an object, or text with JSON of one, not int"),
        (None, "must be a list, an object, or text with JSON of one, not nothing"),
    ],
)
def test_a_message_is_not_split_at_other_values(envelope: Any, reason: str) -> None:
    rule = {"split": "envelope", "event_type": "x", "timestamp": {"now": True}}

    with pytest.raises(InvalidEvent, match=reason):
        events_of(rule, {"envelope": envelope})


def test_rules_of_elements_are_validated() -> None:
    assert problems_of({"split": "a", "rules": [{"event_type": "x"}]}) == [
        (
            "required key 'timestamp' is missing; for the time of arrival: {now: true} "
            "@ data['site']['rules'][0]"
        )
    ]
    assert problems_of({"split": "a", "rules": {"drop": True}}) == [
        "must be a list of rules, not a map @ data['site']['rules']"
    ]
    assert problems_of({"rules": [{"drop": True}]}) == [
        "needs 'split', because it has the rules of elements @ data['site']['rules']"
    ]
    assert problems_of({"split": "a", "event_type": "x", "rules": [{"drop": True}]}) == [
        "has no effect besides 'rules': write it in them @ data['site']['event_type']"
    ]
    assert problems_of({"split": "a", "rules": [{"split": "b", "rules": [{"drop": True}]}]}) == [
        "an element cannot be split again @ data['site']['rules'][0]['split']"
    ]
