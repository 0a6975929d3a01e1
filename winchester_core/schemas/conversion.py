"""Conversion of voluptuous schemas to JSON Schema draft-07, which editors support.

The result is never stricter than the schema: rules that JSON Schema cannot express are omitted.
`voluptuous_openapi` is used only for single types and ranges, because it generates OpenAPI, which
treats unknown keys, lengths of lists, and `object` differently.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from voluptuous import (
    ALLOW_EXTRA,
    UNDEFINED,
    All,
    Coerce,
    Extra,
    In,
    Length,
    Marker,
    Match,
    Required,
    Schema,
    Union,
)
from voluptuous import Any as AnyOf

from winchester_core.interfaces.json_schema import annotation_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JsonSchema: TypeAlias = dict[str, Any]

COERCIBLE: Mapping[Any, JsonSchema] = {
    int: {"type": ["number", "string"]},
    float: {"type": ["number", "string"]},
}
"""Schemas of the values that `Coerce` accepts, by type; other types accept any value."""

LENGTH_KEYWORDS = {"array": "Items", "object": "Properties"}
"""Suffixes of length keywords for types other than strings."""


def json_schema_of(schema: Any) -> JsonSchema:
    """Convert a schema or a part of it. If it is unknown, return `{}`, which accepts anything."""
    annotation = annotation_of(schema)
    if annotation is not None:
        base = {} if annotation.like is UNDEFINED else json_schema_of(annotation.like)
        return {**base, **annotation.keywords}
    match schema:
        case Schema():
            return _convert_schema(schema)
        case Mapping():
            return mapping_schema(schema, json_schema_of)
        case list() | tuple() | set() | frozenset():
            return _convert_sequence(cast("Sequence[Any]", schema))
        case All():
            return _convert_all(schema.validators)
        case AnyOf() | Union():
            return any_of(map(json_schema_of, schema.validators))
        case In():
            return {"enum": list(cast("Iterable[Any]", schema.container))}
        case Coerce():
            return dict(COERCIBLE.get(schema.type, {}))
        case Match():
            return _convert_pattern(schema.pattern)
        case Length():
            return _convert_length(schema, None)
        case None:
            return {"type": "null"}
    return _convert_leaf(schema)


def _convert_schema(schema: Schema) -> JsonSchema:
    if isinstance(schema.schema, Mapping):
        is_open = schema.extra == ALLOW_EXTRA
        return mapping_schema(schema.schema, json_schema_of, is_open=is_open)
    return json_schema_of(schema.schema)


def _convert_sequence(items: Sequence[Any]) -> JsonSchema:
    item_schema = any_of(map(json_schema_of, items)) if items else {}
    return {"type": "array", "items": item_schema} if item_schema else {"type": "array"}


def _convert_all(validators: Iterable[Any]) -> JsonSchema:
    """Convert `All`, up to the first validator that may change the value from the file."""
    result: JsonSchema = {}
    for validator in validators:
        if isinstance(validator, Length):
            part = _convert_length(validator, result.get("type"))
        else:
            part = json_schema_of(validator)
        if any(result[key] != part[key] for key in result.keys() & part.keys()):
            result = {"allOf": [result, part]}
        else:
            result |= part
        if inspect.isroutine(validator) and annotation_of(validator) is None:
            break
    return result


def _convert_length(length: Length, kind: Any) -> JsonSchema:
    noun = LENGTH_KEYWORDS.get(kind, "Length")
    bounds = {"min": length.min, "max": length.max}
    return {f"{prefix}{noun}": bound for prefix, bound in bounds.items() if bound is not None}


PYTHON_FLAGS = re.IGNORECASE | re.VERBOSE | re.DOTALL | re.MULTILINE
PYTHON_SYNTAX = re.compile(r"\\[AZ]|\(\?(?!:|=|!|<=|<!)|[*+?}]\+")
"""Syntax of Python's regular expressions that does not exist in JavaScript's."""


def _convert_pattern(pattern: re.Pattern[str]) -> JsonSchema:
    text = re.sub(r"(?<!\\)\\Z$", "$", pattern.pattern)
    if pattern.flags & PYTHON_FLAGS or PYTHON_SYNTAX.search(text):
        return {"type": "string"}
    return {"type": "string", "pattern": f"^(?:{text})"}


def _convert_leaf(schema: Any) -> JsonSchema:
    if isinstance(schema, bool | int | float | str):
        return {"const": schema}
    if schema is object or inspect.isroutine(schema):
        return {}
    if schema in (dict, list):
        return {"type": "object" if schema is dict else "array"}
    return dict(_convert_by_openapi(schema))


def _convert_by_openapi(schema: Any) -> JsonSchema:
    """Convert with `voluptuous_openapi`; return `{}` if it does not know the type."""
    from voluptuous_openapi import OpenApiVersion, convert

    try:
        converted = convert(schema, openapi_version=OpenApiVersion.V3_1)
    except Exception:  # noqa: BLE001 - a plugin's type, whose annotations may be invalid
        return {}
    return {key: value for key, value in converted.items() if key != "format"}


NULL = {"type": "null"}


def any_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the simplified alternative of `schemas`; for no schemas, `{}` accepts anything."""
    flat: list[dict[str, Any]] = []
    for schema in schemas:
        nested = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
        flat += [each for each in nested if each not in flat]
    if not flat or {} in flat:
        return {}
    if {"type": "number"} in flat:
        flat = [each for each in flat if each != {"type": "integer"}]
    if len(flat) == 2 and NULL in flat:
        (other,) = (each for each in flat if each != NULL)
        if _has_single_type(other):
            return {**other, "type": [other["type"], "null"]}
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _has_single_type(schema: dict[str, Any]) -> bool:
    """Return whether another type can be added, because no keyword restricts the values."""
    return isinstance(schema.get("type"), str) and not schema.keys() & {
        "enum",
        "const",
        "allOf",
        "anyOf",
        "not",
        "title",
    }


Convert: TypeAlias = Callable[[Any], dict[str, Any]]


def mapping_schema(
    keys: Mapping[Any, Any], convert: Convert, *, is_open: bool = False
) -> dict[str, Any]:
    """Convert a mapping of keys; `is_open` allows other keys."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    others: list[dict[str, Any]] = [{}] if is_open else []
    names: list[dict[str, Any]] = [{}] if is_open else []
    for key, validator in keys.items():
        value_schema = {**convert(validator), **_annotations(key)}
        literals = literal_keys(key)
        properties |= dict.fromkeys(literals, value_schema)
        if not literals:
            others.append(value_schema)
            names.append(_key_schema(key, convert))
        elif len(literals) == 1 and is_required(key):
            required += literals
    return _object_schema(properties, required, any_of(others) if others else False, any_of(names))


def literal_keys(key: Any) -> list[str]:
    """Return the literal keys of a schema's `key`, or none if `key` is a validator."""
    key = key.schema if isinstance(key, Marker) else key
    if isinstance(key, AnyOf):
        return [name for each in key.validators for name in literal_keys(each)]
    return [str(key)] if isinstance(key, str | int) and key is not Extra else []


def is_required(key: Any) -> bool:
    """Return whether a mapping without `key` is rejected."""
    return isinstance(key, Required) and default_of(key) is UNDEFINED


def default_of(key: Any) -> Any:
    """Return the default of `key` as a JSON value, or `UNDEFINED` if it has none."""
    default: Any = getattr(key, "default", UNDEFINED)
    return UNDEFINED if isinstance(default, type(UNDEFINED)) else to_json(default())


def _annotations(key: Any) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    if getattr(key, "description", None):
        keywords["description"] = key.description
    default = default_of(key)
    if default is not UNDEFINED and default is not None:
        keywords["default"] = default
    return keywords


def _key_schema(key: Any, convert: Convert) -> dict[str, Any]:
    key = key.schema if isinstance(key, Marker) else key
    if key is Extra:
        return {}
    names = convert(key)
    return names if names.get("type") == "string" else {}


def _object_schema(
    properties: dict[str, Any], required: list[str], others: Any, names: dict[str, Any]
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = required
    if others != {}:
        schema["additionalProperties"] = others
    if not properties and names not in ({}, {"type": "string"}):
        schema["propertyNames"] = names
    return schema


def to_json(value: Any) -> Any:
    """Convert a value to JSON's types; other values become text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(each) for each in value]
    return value.isoformat() if isinstance(value, date) else str(value)
