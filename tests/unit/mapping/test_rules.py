"""The events that a mapping makes of a message, and the reasons for which it refuses one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MappingSet, MessageDropped, validate_mappings
from winchester_core.model.message import Message, MessageKind
from winchester_core.plugins import TRAIT_PLUGINS, PluginRegistry

if TYPE_CHECKING:
    from winchester_core.mapping.mapping_set import MappedMessage

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLUGINS = PluginRegistry(TRAIT_PLUGINS)
RULE = {"event_type": {"constant": "t"}, "timestamp": {"now": True}, "message_id": "id"}


def convert(rules: Any, body: Any, **fields: Any) -> MappedMessage:
    """Convert a body with the rules (or their YAML) of a mapping called `m`."""
    definition = yaml.safe_load(rules) if isinstance(rules, str) else rules
    mappings = MappingSet(validate_mappings({"m": definition}, PLUGINS), PLUGINS)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"mappings": ("m",), **fields}
    return mappings.convert(Message(data, MessageKind.NOTIFICATION, **fields), lambda: NOON)


def trait_of(value: Any, body: Any) -> Any:
    """Return the trait `t` with this value, None if there is none, or the reason of its drop."""
    (clean,) = convert({**RULE, "traits": {"t": value}}, {"id": "1", **body}).events
    if clean.drops:
        (drop,) = clean.drops
        return drop.reason
    return clean.event.get("t")


ALERTS = """
- when: {version: "4"}
  split: alerts
  message_id: {template: "{fingerprint}-{status}"}
  event_type: {template: "alert.{status}"}
  timestamp: {fields: startsAt, type: datetime}
  traits:
    name: labels.alertname
    group: _body.groupKey
    host: _headers.X-Host
    queue: _properties.queue
"""


def test_a_rule_with_split_makes_an_event_of_each_element() -> None:
    body = {
        "version": "4",
        "groupKey": "g",
        "alerts": [
            {"fingerprint": "a", "status": "firing", "startsAt": "2026-03-02T11:00:00Z"},
            {
                "fingerprint": "b",
                "status": "resolved",
                "startsAt": "2026-03-02T12:00:00+02:00",
                "labels": {"alertname": "Down"},
            },
        ],
    }
    mapped = convert(ALERTS, body, headers={"x-HOST": b"web-1"}, properties={"queue": "q"})
    shared = {"group": "g", "host": "web-1", "queue": "q"}
    assert mapped.rule == "m[0]"
    assert [each.event for each in mapped.events] == [
        {
            "message_id": "a-firing",
            "event_type": "alert.firing",
            "timestamp": datetime(2026, 3, 2, 11, tzinfo=UTC),
            **shared,
        },
        {
            "message_id": "b-resolved",
            "event_type": "alert.resolved",
            "timestamp": datetime(2026, 3, 2, 10, tzinfo=UTC),
            "name": "Down",
            **shared,
        },
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"version": "4"},
            "m[0].split: alerts must be a list, an object, or text with JSON of one, not nothing",
        ),
        ({"version": "4", "alerts": 5}, "or text with JSON of one, not int"),
        (
            {"version": 4, "alerts": []},
            "mapping: no rule of the mapping m matches the message",
        ),
        (
            {"version": "4", "alerts": [{}]},
            "m[0].message_id: there is no value at fingerprint and status (element 0 of alerts)",
        ),
        (
            {
                "version": "4",
                "alerts": [
                    {"fingerprint": "a", "status": "x", "startsAt": "2026-03-02T11:00:00Z"},
                    {"fingerprint": "b", "status": "x", "startsAt": "soon"},
                ],
            },
            (
                "m[0].timestamp: 'soon' is not an RFC 3339 date and time in the years 1000-9999"
                " (element 1 of alerts)"
            ),
        ),
        ({"version": "4", "alerts": [0] * 10_001}, "alerts has 10001 elements, over 10000"),
        (5, "mapping: no rule of the mapping m matches the message"),
    ],
)
def test_an_invalid_message_is_refused_as_a_whole_with_the_place(body: Any, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        convert(ALERTS, body)
    assert reason in str(caught.value)


def test_a_body_that_is_no_json_is_invalid() -> None:
    with pytest.raises(InvalidEvent, match="body: is not JSON"):
        convert(ALERTS, b"{")


def test_an_empty_list_and_a_rule_with_drop_make_no_event() -> None:
    with pytest.raises(MessageDropped, match="there are no elements"):
        convert(ALERTS, {"version": "4", "alerts": []})
    with pytest.raises(MessageDropped, match=r"m\[0\]: the rule drops the message"):
        convert([{"drop": True, "when": {"a": 1}}, RULE], {"a": 1})


def test_the_first_rule_that_matches_decides_in_the_order_of_the_mappings() -> None:
    rules = {**RULE, "when": {"kind": "x"}}
    definitions = {
        "a": [rules],
        "b": [{**rules, "event_type": {"constant": "b0"}, "when": {"kind": "y"}}, RULE],
    }
    mappings = MappingSet(definitions, {})

    def rule_for(kind: str, *names: str) -> str:
        body = json.dumps({"kind": kind, "id": "1"}).encode()
        message = Message(body, MessageKind.EVENT, mappings=names)
        return mappings.convert(message, lambda: NOON).rule

    assert rule_for("x", "a", "b") == "a[0]"
    assert rule_for("y", "a", "b") == "b[0]"
    assert rule_for("z", "a", "b") == "b[1]"
    assert rule_for("x", "b", "a") == "b[1]"


def test_an_unknown_mapping_makes_the_message_invalid() -> None:
    with pytest.raises(InvalidEvent, match="unknown mapping 'githb': did you mean 'github'"):
        convert(RULE, {}, mappings=("githb",))


def test_a_mapping_of_the_configuration_replaces_the_ready_one() -> None:
    message = Message(b'{"id": "1"}', MessageKind.EVENT, mappings=("github",))
    mapped = MappingSet({"github": RULE}, {}).convert(message, lambda: NOON)
    assert mapped.events[0].event["event_type"] == "t"


# --- ids --------------------------------------------------------------------------------------

CONTENT = {
    "event_type": {"constant": "t"},
    "timestamp": {"now": True},
    "traits": {"topic": "_properties.topic", "kind": "_headers.kind"},
}


def content_id(body: Any, **fields: Any) -> str:
    message_id: str = convert(CONTENT, body, **fields).events[0].event["message_id"]
    return message_id


def test_an_id_is_derived_from_the_content_that_the_rule_reads() -> None:
    first = content_id(b'{"a": 1, "b": [2]}', properties={"topic": "x", "offset": 1})
    assert first == content_id(b'{"b":[2],  "a":1}', properties={"topic": "x", "offset": 2})
    assert first != content_id(b'{"a": 1, "b": [2]}', properties={"topic": "y", "offset": 1})
    assert first != content_id(b'{"a": 1, "b": [3]}', properties={"topic": "x"})
    headers = {"kind": "k"}
    assert first != content_id({"a": 1, "b": [2]}, properties={"topic": "x"}, headers=headers)


def test_a_derived_id_is_the_same_in_every_version() -> None:
    assert content_id({"a": 1}) == "b45f4b89-07a7-5f61-974e-1b083ba69330"


def test_equal_elements_have_ids_of_their_own() -> None:
    rule = {"event_type": {"constant": "t"}, "timestamp": {"now": True}, "split": "_body"}
    ids = [each.event["message_id"] for each in convert(rule, [1, 1]).events]
    assert len(set(ids)) == 2
    assert ids == [each.event["message_id"] for each in convert(rule, [1, 1]).events]


@pytest.mark.parametrize("body", [b"[" * 990 + b"]" * 990, b"1" * 5000, b'"\\ud800"', b"1e999"])
def test_every_body_has_an_id(body: bytes) -> None:
    assert content_id(body) == content_id(body)
    assert content_id(body) != content_id(b"[0]")


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "body", "expected"),
    [
        ("a", {"a": "x"}, "x"),
        ("a", {"a": 1.5}, 1.5),
        ("a", {"a": False}, False),
        ("a", {"a": None}, None),
        ("a", {"a": [1]}, "a trait cannot be of type list"),
        ({"fields": ["a.b[1]", "c"]}, {"a": {"b": [1, None]}, "c": 3}, 3),
        ({"fields": "'a.b'.\"c d\""}, {"a.b": {"c d": 1}}, 1),
        ({"fields": "metadata.timestamp"}, {"timestamp": "not this"}, None),
        ({"fields": "a", "default": 0}, {}, 0),
        ({"fields": "a", "type": "int", "default": 0}, {"a": ""}, 0),
        ({"fields": "a", "type": "int"}, {"a": "12"}, 12),
        ({"fields": "a", "type": "int"}, {"a": "x"}, "'x' is not an int"),
        ({"fields": "a", "type": "float"}, {"a": 1}, 1.0),
        ({"fields": "a", "type": "text"}, {"a": {"b": [1, True, None]}}, '{"b":[1,true,null]}'),
        ({"fields": "a", "type": "text"}, {"a": True}, "true"),
        ({"fields": "a", "type": "boolean"}, {"a": "No"}, False),
        ({"fields": "a", "type": "boolean"}, {"a": 1}, True),
        (
            {"fields": "token", "type": "int"},
            {"token": "x"},
            "a text of 1 characters is not an int",
        ),
        ({"constant": 5}, {}, 5),
        ({"template": "{{{a}}} {b.c}"}, {"a": 1, "b": {"c": "x"}}, "{1} x"),
        ({"template": "{a}{b}"}, {"a": 1}, None),
        ({"template": "{a}{b}", "default": "-"}, {"a": 1}, "-"),
        ({"template": "{a}", "type": "int"}, {"a": 7}, 7),
        (
            {"fields": "a", "plugin": {"name": "split", "parameters": {"segment": 1}}},
            {"a": "x.y"},
            "y",
        ),
        ("_element.a", {"a": 1}, 1),
        ("_body.a", {"a": 1}, 1),
        ("a", {"a": 2**70}, "an integer beyond signed 64 bits"),
    ],
)
def test_a_value_is_found_and_converted(value: Any, body: dict[str, Any], expected: Any) -> None:
    found = trait_of(value, body)
    assert found == expected
    if not isinstance(expected, str):
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("seconds", 1772452800, NOON),
        ("seconds", "1772452800.5", NOON.replace(microsecond=500_000)),
        ("seconds", 1772452800.000001, NOON.replace(microsecond=1)),
        ("milliseconds", 1772452800001, NOON.replace(microsecond=1000)),
        ("microseconds", 1772452800000001, NOON.replace(microsecond=1)),
        ("seconds", -1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_number_of_units_since_1970_is_a_datetime(unit: str, number: Any, expected: Any) -> None:
    assert trait_of({"fields": "a", "type": f"epoch_{unit}"}, {"a": number}) == expected


@pytest.mark.parametrize("number", ["1e400000000", 10**30, 1e300, True, "x", [], 10**17, "-" * 99])
def test_no_other_value_is_such_a_number(number: Any) -> None:
    reason = trait_of({"fields": "a", "type": "epoch_seconds"}, {"a": number})
    assert "is not a number of seconds since 1970-01-01" in reason


@pytest.mark.parametrize("key", ["message_id", "event_type"])
def test_an_object_is_neither_an_id_nor_a_type(key: str) -> None:
    with pytest.raises(InvalidEvent, match=rf"m\[0\]\.{key}: an object of 1 keys is not a text"):
        convert({**RULE, key: "a"}, {"a": {"b": 1}, "id": "1"})


def test_numbers_are_converted_to_texts_for_ids_and_types() -> None:
    (clean,) = convert({**RULE, "event_type": "n"}, {"id": 5, "n": 1.5}).events
    assert (clean.event["message_id"], clean.event["event_type"]) == ("5", "1.5")


def test_the_time_of_arrival_is_used_if_no_other_is_found() -> None:
    rule = {**RULE, "timestamp": {"fields": "at", "now": True}}
    assert convert(rule, {"id": "1"}).events[0].event["timestamp"] == NOON
    (clean,) = convert(rule, {"id": "1", "at": "2026-01-01"}).events
    assert clean.event["timestamp"] == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidEvent, match="timestamp: 'x' is not"):
        convert(rule, {"id": "1", "at": "x"})


def test_texts_that_are_repeated_too_often_are_refused() -> None:
    rule = {**RULE, "split": "_body.items", "message_id": "_element.n", "traits": {"t": "_body.t"}}
    body = {"t": "x" * 10_000, "items": [{"n": n} for n in range(9_000)]}
    with pytest.raises(InvalidEvent, match="the texts of the events have more than"):
        convert(rule, body)


def test_a_path_with_wildcards_begins_at_the_element_or_its_first_key() -> None:
    rule = """
      split: items
      event_type: {constant: t}
      timestamp: {now: true}
      traits: {first: "$..name", tags: "tags[*].k", header: "_headers.*"}
    """
    body = {"name": "body", "items": [{"a": {"name": "element"}, "tags": [{"k": "v"}]}]}
    (clean,) = convert(rule, body, headers={"H": "h"}).events
    assert {key: clean.event[key] for key in ("first", "tags", "header")} == {
        "first": "element",
        "tags": "v",
        "header": "h",
    }


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("opened", "opened", True),
        ("opened", "Opened", False),
        ("open*", "opened", True),
        ("open*", "reopened", False),
        ("*", 5, False),
        (["a", "b?"], "bc", True),
        (["a", 1], 1, True),
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        (True, 1, False),
        ("1", 1, False),
        (None, None, True),
        (None, 0, False),
        ({"exists": True}, 0, True),
        ({"exists": True}, None, False),
        ({"exists": False}, None, True),
        ("a", ["a"], False),
    ],
)
def test_a_condition_holds_by_type_and_value(condition: Any, value: Any, expected: bool) -> None:
    rules = [{"when": {"a": condition}, "drop": True}, RULE]
    try:
        found = convert(rules, {"id": "1", "a": value}).rule == "m[0]"
    except MessageDropped:
        found = True
    assert found is expected


def test_a_missing_value_is_like_null() -> None:
    rules = [{"when": {"a.b": None, "c": {"exists": False}}, "drop": True}, RULE]
    with pytest.raises(MessageDropped):
        convert(rules, {"id": "1"})
    assert convert(rules, {"id": "1", "c": 1}).rule == "m[1]"


# --- values for rejected messages -------------------------------------------------------------


def test_only_the_headers_and_properties_that_rules_read_are_used() -> None:
    rules = {
        **RULE,
        "when": {"_headers.Kind": "x"},
        "traits": {"t": {"template": "{_properties.topic}"}},
    }
    fields: dict[str, Any] = {
        "headers": {"KIND": "x", "Authorization": "s"},
        "properties": {"topic": "t", "offset": 1},
    }
    message = Message(b"{}", MessageKind.EVENT, mappings=("m",), **fields)
    assert MappingSet({"m": rules}, {}).used_values(message) == ({"kind": "x"}, {"topic": "t"})
    unknown = Message(b"{}", MessageKind.EVENT, mappings=("gone",), **fields)
    headers, properties = MappingSet({}, {}).used_values(unknown)
    assert set(headers) == {"kind", "authorization"}
    assert properties == fields["properties"]
