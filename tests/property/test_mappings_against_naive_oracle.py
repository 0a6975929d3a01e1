"""Mappings agree with a naive interpreter, and refuse no body with another error."""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.probes.hypothesis_examples import examples
from winchester_core.errors import InvalidEvent
from winchester_core.mapping import MappingSet, MessageDropped, validate_mappings
from winchester_core.model.event import Event, clean_event
from winchester_core.model.message import Message, MessageKind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([1.5, -0.0, 2**70, "", "x", "xy", "1", "2026-03-02T11:00:00Z", "true"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
STEPS = st.lists(KEYS | st.integers(-2, 2), max_size=2)
PATHS = st.builds(
    lambda root, steps: root + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps),
    st.sampled_from(["a", "b", "c", "_body", "_element", "_headers.h", "_properties.p"]),
    STEPS,
)
TYPES = st.sampled_from(["text", "int", "float", "boolean", "datetime", "epoch_seconds"])
TYPE_NAMES = {str: "text", int: "int", float: "float", bool: "boolean"}
CONSTANTS = st.sampled_from([True, 0, 1.5, "x"])
TEMPLATES = st.lists(PATHS.map("{{{}}}".format) | st.sampled_from(["-", "{{", "}}"]), min_size=1)
VALUES = st.one_of(
    PATHS,
    st.builds(lambda constant: {"constant": constant}, CONSTANTS),
    st.builds(
        lambda source, more: source | more,
        st.lists(PATHS, min_size=1, max_size=2).map(lambda paths: {"fields": paths})
        | TEMPLATES.map(lambda parts: {"template": "".join(parts)}),
        st.fixed_dictionaries({}, optional={"type": TYPES})
        | CONSTANTS.map(lambda constant: {"default": constant})
        | st.sampled_from(["x", 0, 1.5, True]).map(
            lambda default: {"type": TYPE_NAMES[type(default)], "default": default}
        ),
    ),
)
TESTS = st.sampled_from([None, True, False, 1, 0, 1.5, "x", "x*", "?", "[xy]*"])
CONDITIONS = st.dictionaries(
    PATHS,
    TESTS
    | st.lists(TESTS, min_size=1, max_size=2)
    | st.booleans().map(lambda exists: {"exists": exists}),
    min_size=1,
    max_size=2,
)


def mostly(usual: Any, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of the usual value, and in a quarter of the cases of others."""
    return st.integers(0, 3).flatmap(lambda number: st.just(usual) if number else others)


WHOLE_RULES = st.fixed_dictionaries(
    {
        "message_id": mostly({"constant": "id"}, VALUES),
        "event_type": mostly({"constant": "type"}, VALUES),
        "timestamp": mostly({"now": True}, PATHS.map(lambda path: {"fields": path, "now": True})),
        "traits": st.dictionaries(st.sampled_from(["s", "t", "u"]), VALUES, min_size=1),
    }
)
SPLITS = mostly({}, st.sampled_from(["a", "_body", "b.c"]).map(lambda path: {"split": path}))
RULES = st.builds(lambda rule, split: {**rule, **split}, WHOLE_RULES, SPLITS)
CONDITIONAL_RULES = st.builds(
    lambda rule, conditions: {**rule, "when": conditions}, RULES, CONDITIONS
)
DROPS = CONDITIONS.map(lambda conditions: {"when": conditions, "drop": True})


class Refused(Exception):  # noqa: N818
    """The naive interpreter refuses a value or a message."""


def look_up(path: str, scope: dict[str, Any]) -> Any:
    steps = re.findall(r"\w+|\[-?\d+\]", path)
    value: Any = scope if steps[0].startswith("_") else scope["_element"]
    for step in steps:
        try:
            if step[0] == "[":
                value = value[int(step[1:-1])] if isinstance(value, (list, str)) else None
            else:
                value = value[step] if isinstance(value, dict) else None
        except (IndexError, KeyError):
            return None
    return value


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def convert(value: Any, kind: str) -> Any:
    """Convert a value; raises `Refused`."""
    try:
        match kind:
            case "text":
                return as_text(value)
            case "int":
                return int(value)
            case "float":
                return float(value)
            case "boolean":
                words = {"true": True, "1": True, "false": False, "0": False}
                return words[str(value).lower() if isinstance(value, (str, int)) else "none"]
            case "datetime":
                return datetime.fromisoformat(value)
            case "epoch_seconds":
                if isinstance(value, bool):
                    raise TypeError
                return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, KeyError, OverflowError, OSError):
        raise Refused from None
    raise AssertionError(kind)


def evaluate(
    value: Any, scope: dict[str, Any], default_type: str | None = None, *, is_key: bool = False
) -> Any:
    setting = {"fields": [value]} if isinstance(value, str) else value
    if "constant" in setting:
        found = setting["constant"]
        return found if default_type is None else convert(found, default_type)
    if "template" in setting:
        found = render(setting["template"], scope)
    else:
        fields = setting.get("fields", [])
        paths = [fields] if isinstance(fields, str) else fields
        values = [look_up(path, scope) for path in paths]
        found = next((each for each in values if each is not None), None)
    kind = setting.get("type", default_type)
    if found is None or (found == "" and kind not in (None, "text")):
        return setting.get("default")
    if is_key and isinstance(found, dict | list):
        raise Refused
    return found if kind is None else convert(found, kind)


def render(template: str, scope: dict[str, Any]) -> str | None:
    text = ""
    for part in re.findall(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+", template):
        if part in ("{{", "}}"):
            text += part[0]
        elif part[0] == "{":
            value = look_up(part[1:-1], scope)
            if value is None:
                return None
            text += as_text(value)
        else:
            text += part
    return text


def holds(condition: Any, value: Any) -> bool:
    if isinstance(condition, dict):
        return (value is not None) == condition["exists"]
    if isinstance(condition, list):
        return any(holds(each, value) for each in condition)
    if isinstance(condition, str):
        return isinstance(value, str) and fnmatch.fnmatchcase(value, condition)
    return isinstance(value, bool) == isinstance(condition, bool) and value == condition


def make_event(rule: dict[str, Any], scope: dict[str, Any]) -> Event:
    event: dict[str, Any] = {}
    for name, value in rule["traits"].items():
        try:
            event[name] = evaluate(value, scope)
        except Refused:
            continue
    for key in ("message_id", "event_type"):
        event[key] = evaluate(rule[key], scope, "text", is_key=True)
    found = evaluate(rule["timestamp"], scope, "datetime")
    event["timestamp"] = NOON if found is None else found
    return clean_event(event).event


def naive(rules: list[dict[str, Any]], body: Any, facts: dict[str, Any]) -> list[Event] | None:
    """Return the events, None for an invalid message."""
    scope = {**facts, "_body": body, "_element": body}
    for rule in rules:
        conditions = rule.get("when", {})
        if all(holds(test, look_up(path, scope)) for path, test in conditions.items()):
            break
    else:
        return None
    if rule.get("drop"):
        return []
    try:
        if "split" not in rule:
            return [make_event(rule, scope)]
        elements = look_up(rule["split"], scope)
        if isinstance(elements, str):
            elements = json.loads(elements)
        if isinstance(elements, dict):
            elements = [elements]
        if not isinstance(elements, list):
            return None
        return [make_event(rule, {**scope, "_element": each}) for each in elements]
    except (Refused, InvalidEvent, ValueError):
        return None


FACTS = st.builds(
    lambda header, fact: {"_headers": {"h": header}, "_properties": {"p": fact}}, SCALARS, SCALARS
)


@settings(max_examples=examples(400), deadline=None)
@given(
    st.builds(
        lambda conditional, last: [*conditional, last],
        st.lists(CONDITIONAL_RULES | DROPS, max_size=2),
        RULES | CONDITIONAL_RULES,
    ),
    st.dictionaries(KEYS, JSON, min_size=1) | JSON,
    FACTS,
)
def test_a_mapping_agrees_with_a_naive_interpreter(
    rules: list[dict[str, Any]], body: Any, facts: dict[str, Any]
) -> None:
    mappings = MappingSet(validate_mappings({"m": rules}, {}), {})
    message = Message(
        json.dumps(body).encode(),
        MessageKind.EVENT,
        headers=facts["_headers"],
        properties=facts["_properties"],
        mappings=("m",),
    )
    try:
        events = [each.event for each in mappings.convert(message, lambda: NOON).events]
    except MessageDropped:
        events = []
    except InvalidEvent:
        events = None
    assert events == naive(rules, body, facts)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
BODIES = st.binary(max_size=50) | ANY_JSON.map(lambda document: json.dumps(document).encode())
HOSTILE = {
    "event_type": {"template": "{_body}"},
    "timestamp": {"fields": ["a", "_headers.x"], "type": "epoch_nanoseconds", "now": True},
    "traits": {
        "text": {"fields": "_body", "type": "text"},
        **{
            kind: {"fields": ["a", "_body"], "type": kind}
            for kind in ("int", "float", "boolean", "datetime", "epoch_seconds", "utf8_text")
        },
    },
}


@settings(max_examples=examples(300), deadline=None)
@given(BODIES, st.dictionaries(st.text() | st.integers(), ANY_JSON | st.binary(), max_size=3))
@example(b"[" * 5000 + b"]" * 5000, {})
@example(b"9" * 5000, {"x": "1e999999999"})
@example(b'{"a": 1e400}', {})
@example(b'"\\ud800"', {"x": b"\xff"})
def test_any_body_and_headers_make_events_or_an_invalid_message(
    body: bytes, headers: dict[Any, Any]
) -> None:
    mappings = MappingSet({"m": [{**HOSTILE, "when": {"a": "*"}, "split": "_body"}, HOSTILE]}, {})
    message = Message(body, MessageKind.EVENT, headers=headers, properties=headers, mappings=("m",))
    mappings.used_values(message)
    try:
        events = mappings.convert(message, lambda: NOON).events
    except (InvalidEvent, MessageDropped):
        return
    assert events
    for each in events:
        assert clean_event(each.event).event == each.event
