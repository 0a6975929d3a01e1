"""Parameters of the emit handler."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.schemas import json_schema_of
from winchester_handlers.emit import EmitHandler
from winchester_handlers.emit.aggregates import AGGREGATES

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def problems(**params: Any) -> list[str]:
    with pytest.raises(MultipleInvalid) as caught:
        EmitHandler.config_schema({"event_type": "digest", **params})
    return [f"{'.'.join(map(str, error.path))}: {error.msg}" for error in caught.value.errors]


def test_only_the_event_type_is_required() -> None:
    assert EmitHandler.config_schema({"event_type": "digest"}) == {
        "event_type": "digest",
        "timestamp": "last",
        "traits": {},
    }


def test_a_trait_is_a_constant_a_distinguishing_trait_or_an_aggregate() -> None:
    traits = {
        "text": "high",
        "number": 5,
        "share": 0.5,
        "flag": True,
        "time": NOON,
        "user": {"distinguished_by": "user"},
        **{name: {name: "bytes"} for name in AGGREGATES},
    }
    assert EmitHandler.config_schema({"event_type": "digest", "traits": traits})["traits"] == traits


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"event_type": ""}, "event_type: expected an event type: text of 1 to 255 characters"),
        ({"event_type": 5}, "event_type: expected an event type: text of 1 to 255 characters"),
        ({"event_type": "a\0"}, "event_type: expected an event type, but this is text with a NUL"),
        ({"event_type": "a.*"}, "event_type: expected one event type, without the wildcards"),
        ({"timestamp": "middle"}, "timestamp: value must be one of ['first', 'last', 'now']"),
        ({"traits": ["a"]}, "traits: expected a mapping of new traits"),
        ({"traits": {5: 1}}, "traits.5: expected the name of a new trait: text of 1 to 255"),
        ({"traits": {"a" * 256: 1}}, f"traits.{'a' * 256}: expected the name of a new trait"),
        ({"traits": {"timestamp": 1}}, "traits.timestamp: the handler itself sets timestamp"),
        ({"traits": {"emit_depth": 1}}, "traits.emit_depth: the handler itself sets emit_depth"),
        ({"traits": {"a": None}}, "traits.a: expected a constant, or a mapping as in {sum: bytes}"),
        ({"traits": {"a": [1]}}, "traits.a: expected a constant, or a mapping"),
        ({"traits": {"a": date(2024, 1, 1)}}, "traits.a: expected a constant, or a mapping"),
        ({"traits": {"a": 2**63}}, "traits.a: expected a constant that can be stored, but this is"),
        ({"traits": {"a": {}}}, "traits.a: expected exactly one of distinguished_by, count, first"),
        ({"traits": {"a": {"sum": "b", "min": "b"}}}, "traits.a: expected exactly one of"),
        ({"traits": {"a": {"summ": "b"}}}, "traits.a.summ: extra keys not allowed"),
        ({"traits": {"a": {"sum": 5}}}, "traits.a.sum: expected the name of a trait"),
        ({"trait": {}}, "trait: extra keys not allowed"),
    ],
)
def test_an_invalid_parameter_is_refused(params: dict[str, Any], expected: str) -> None:
    (problem,) = problems(**params)
    assert problem.startswith(expected)


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems(traits={"timestamp": 1, "a": None, "b": {"sum": 5}}, timestamp=1)) == 4


def test_the_json_schema_lists_the_aggregates_and_the_keys_that_are_not_allowed() -> None:
    traits = json_schema_of(EmitHandler.config_schema)["properties"]["traits"]
    *_, mapping = traits["additionalProperties"]["anyOf"]
    assert set(mapping["properties"]) == {"distinguished_by", *AGGREGATES}
    assert (mapping["minProperties"], mapping["maxProperties"]) == (1, 1)
    assert "emit_depth" in traits["propertyNames"]["not"]["enum"]
