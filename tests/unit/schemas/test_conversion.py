"""Conversion of voluptuous to JSON Schema: never stricter, and as strict as possible."""

from __future__ import annotations

import re
from typing import Any

import pytest
from voluptuous import (
    ALLOW_EXTRA,
    All,
    Coerce,
    Extra,
    In,
    Length,
    Match,
    Maybe,
    Optional,
    Range,
    Required,
    Schema,
    Upper,
)
from voluptuous import Any as AnyOf

from winchester_core.interfaces import json_schema
from winchester_core.interfaces.json_schema import case_insensitive_enum, definition_placeholder
from winchester_core.schemas import describe_schema, json_schema_of, list_parameters
from winchester_core.schemas.documents import (
    VARIABLE_REFERENCE,
    with_default_descriptions,
    with_variables,
)

TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
INTEGER, BOOLEAN = {"type": "integer"}, {"type": "boolean"}


def undescribed(value: Any) -> Any:
    return value


def annotated(value: NotThere) -> int:  # type: ignore[name-defined] # noqa: F821
    return int(value)


@json_schema(type="integer", minimum=1, title="port")
def port(value: Any) -> int:
    return int(value)


@json_schema(AnyOf(port, None), title="port or none")
def maybe_port(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("schema", "converted"),
    [
        (str, TEXT),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (object, {}),
        (dict, {"type": "object"}),
        (list, {"type": "array"}),
        ("off", {"const": "off"}),
        (7, {"const": 7}),
        ([], {"type": "array"}),
        ([str], {"type": "array", "items": TEXT}),
        ([str, int], {"type": "array", "items": {"anyOf": [TEXT, {"type": "integer"}]}}),
        (In(("a", "b")), {"enum": ["a", "b"]}),
        (Maybe(str), {"type": ["string", "null"]}),
        (Maybe(In(["a"])), {"anyOf": [{"type": "null"}, {"enum": ["a"]}]}),
        (AnyOf(int, float), {"type": "number"}),
        (AnyOf(str, object), {}),
        (AnyOf(str, AnyOf(str, int)), {"anyOf": [TEXT, {"type": "integer"}]}),
        (All(str, Length(min=1, max=5)), {**TEXT, "minLength": 1, "maxLength": 5}),
        (All([str], Length(min=1)), {"type": "array", "items": TEXT, "minItems": 1}),
        (All({str: str}, Length(max=1)), {**TEXTS, "maxProperties": 1}),
        (All(int, Range(min=1, max=5)), {"type": "integer", "minimum": 1, "maximum": 5}),
        (All(float, Range(min=0, min_included=False)), {"type": "number", "exclusiveMinimum": 0}),
        (All(Range(min=1), Range(min=2)), {"allOf": [{"minimum": 1}, {"minimum": 2}]}),
        (All(str, Upper, In(["A"])), TEXT),  # accepts "a", too; not expressible
        (All(undescribed, int), {}),
        (All(port, Range(max=9)), {"type": "integer", "minimum": 1, "title": "port", "maximum": 9}),
        (Coerce(int), {"type": ["number", "string"]}),
        (Coerce(str), {}),
        (Match("[ab]+"), {**TEXT, "pattern": "^(?:[ab]+)"}),
        (Match(re.compile("a", re.IGNORECASE)), TEXT),
        (Match(r"[ab]+\Z"), {**TEXT, "pattern": "^(?:[ab]+$)"}),
        (Match(r"(?P<x>a)b"), TEXT),
        (Match(r"a++b"), TEXT),
        (undescribed, {}),
        (annotated, {}),
        (port, {"type": "integer", "minimum": 1, "title": "port"}),
        (maybe_port, {"anyOf": [json_schema_of(port), {"type": "null"}], "title": "port or none"}),
        (definition_placeholder("trigger"), {"$ref": "#/definitions/trigger"}),
    ],
)  # fmt: skip
def test_each_kind_of_validator_is_converted(schema: Any, converted: dict[str, Any]) -> None:
    assert json_schema_of(schema) == converted
    assert json_schema_of(Schema(schema)) == converted


def test_a_mapping_has_keys_with_description_and_default() -> None:
    schema = {
        Required("path", description="where"): str,
        Required("mode", default="r"): str,
        Optional("names", default=list): [str],
        Optional("none", default=None): object,
        "plain": bool,
        7: str,
    }

    assert json_schema_of(schema) == {
        "type": "object",
        "properties": {
            "path": {**TEXT, "description": "where"},
            "mode": {**TEXT, "default": "r"},
            "names": {"type": "array", "items": TEXT, "default": []},
            "none": {},
            "plain": {"type": "boolean"},
            "7": TEXT,
        },
        "required": ["path"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "others"),
    [
        (Schema({"a": str}), False),
        (Schema({"a": str}, extra=ALLOW_EXTRA), None),
        (Schema({"a": str, Extra: object}), None),
        (Schema({"a": str, Optional(str): int}), {"type": "integer"}),
        (Schema({"a": str, str: int, object: bool}), {"anyOf": [INTEGER, BOOLEAN]}),
    ],
)  # fmt: skip
def test_additional_keys_of_a_mapping(schema: Schema, others: Any) -> None:
    assert json_schema_of(schema).get("additionalProperties") == others


def test_allowed_key_names_are_described() -> None:
    name = All(str, Length(min=1, max=9))

    assert json_schema_of({name: int})["propertyNames"] == {**TEXT, "minLength": 1, "maxLength": 9}


def test_one_of_several_keys_is_required() -> None:
    converted = json_schema_of({Required(AnyOf("host", "url")): str})

    assert set(converted["properties"]) == {"host", "url"}
    assert "required" not in converted


def test_case_insensitive_values_are_offered_as_written() -> None:
    converted = case_insensitive_enum("info", "x-1")

    assert converted["anyOf"][0] == {"enum": ["info", "x-1"]}
    for text, fits in [("INFO", True), ("iNfo", True), ("X-1", True), ("informed", False)]:
        assert bool(re.search(converted["anyOf"][1]["pattern"], text)) is fits


@pytest.mark.parametrize(
    ("converted", "words"),
    [
        ({}, "anything"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number, 1 to 9"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, "number, over 0 and at most 9"),
        ({"type": ["integer", "null"], "minimum": 1}, "whole number, at least 1 or null"),
        ({"anyOf": [{"type": "null"}, TEXT]}, "text or null"),
        ({"allOf": [TEXT, {"const": 7}]}, "text, 7"),
        ({"enum": ["a", 7, False, ";", " "]}, 'one of a, 7, false, ;, " "'),
        ({"type": "array", "items": TEXT}, "list (items: text)"),
        ({"type": "object", "additionalProperties": TEXT}, "mapping of text to text"),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, "mapping of a, b"),
        ({"type": "object", "properties": {key: {} for key in "abcde"}}, "mapping"),
        ({"$ref": "#/definitions/event_source"}, "event source"),
        ({**TEXT, "title": "URL"}, "URL"),
        ({**TEXT, "maxLength": 9}, "text of at most 9 characters"),
    ],
)
def test_schemas_are_described_in_words(converted: dict[str, Any], words: str) -> None:
    assert describe_schema(converted) == words


def test_nested_parameters_follow_their_parent() -> None:
    tls = {Required("ca_file"): str}
    schema = {
        Optional("queues", default=list): [AnyOf(str, {Required("name", description="its"): str})],
        Optional("tls"): AnyOf(bool, tls, None),
    }

    described = [
        (each.name, each.required, each.default) for each in list_parameters(json_schema_of(schema))
    ]

    assert described == [
        ("queues", False, []),
        ("queues[].name", True, None),
        ("tls", False, None),
        ("tls.ca_file", True, None),
    ]
    assert list_parameters(json_schema_of(port)) == []


@pytest.mark.parametrize(
    "converted",
    [
        {},
        TEXT,
        {**TEXT, "minLength": 1},
        {"type": ["string", "null"], "title": "text"},
        {"type": "object", "additionalProperties": False},
        {"type": ["array", "null"]},
        {"type": "null"},
        {"anyOf": [{"type": "integer"}, TEXT]},
        {"$ref": "#/definitions/predicate"},
        {"description": "anything"},
    ],
)
def test_schemas_that_need_no_variable_are_unchanged(converted: dict[str, Any]) -> None:
    assert with_variables(converted) == converted


@pytest.mark.parametrize(
    "converted",
    [
        {"type": "integer"},
        {"type": ["boolean", "null"]},
        {"enum": ["a"]},
        {"const": 7},
        {**TEXT, "pattern": "^a"},
        {**TEXT, "maxLength": 3},
        {**TEXT, "minLength": 11},
        {"allOf": [{"minimum": 1, "type": "number"}, {"minimum": 2}]},
    ],
)
def test_a_scalar_may_be_given_as_a_variable(converted: dict[str, Any]) -> None:
    described = {"description": "it", "default": 1}

    assert with_variables({**converted, **described}) == {
        **described,
        "anyOf": [converted, VARIABLE_REFERENCE],
    }
    assert with_variables({"anyOf": [converted, {"type": "array"}]}) == {
        "anyOf": [converted, {"type": "array"}, VARIABLE_REFERENCE]
    }
    assert with_variables({"type": "array", "items": converted})["items"] == {
        "anyOf": [converted, VARIABLE_REFERENCE]
    }


def test_descriptions_state_defaults_at_every_depth() -> None:
    converted = json_schema_of(
        {
            Optional("a", default=1, description="one"): int,
            Optional("default", default={"x": 2}): {Optional("b", default="c"): str},
        }
    )

    described = with_default_descriptions(converted)["properties"]

    assert described["a"]["description"] == "one\n\nDefault: 1"
    assert described["default"]["description"] == 'Default: {"x": 2}'
    assert described["default"]["properties"]["b"]["description"] == 'Default: "c"'
