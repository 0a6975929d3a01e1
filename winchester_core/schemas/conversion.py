"""From a schema of voluptuous to JSON Schema, draft-07: what editors know.

It is never stricter than the schema: what cannot be said is left out. `voluptuous_openapi` says
what single types and ranges are; it writes for OpenAPI, where unknown keys pass, lists have the
length of texts and `object` is a mapping, so what is made of others is put together here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from voluptuous import (
    ALLOW_EXTRA,
    UNDEFINED,
    All,
    Coerce,
    In,
    Length,
    Match,
    Schema,
    Union,
)
from voluptuous import Any as AnyOf

from winchester_core.interfaces.json_schema import annotation_of
from winchester_core.schemas.alternatives import any_of
from winchester_core.schemas.mappings import mapping_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JsonSchema: TypeAlias = dict[str, Any]

COERCED: Mapping[Any, JsonSchema] = {
    int: {"type": ["number", "string"]},
    float: {"type": ["number", "string"]},
}
"""What may stand where a value of a type is made of it; for other types, anything."""

LENGTHS = {"array": "Items", "object": "Properties"}
"""How a length is called of what is no text."""


def json_schema_of(schema: Any) -> JsonSchema:
    """What a schema, or a part of one, takes. Anything, `{}`, where it does not tell."""
    annotation = annotation_of(schema)
    if annotation is not None:
        like = {} if annotation.like is UNDEFINED else json_schema_of(annotation.like)
        return {**like, **annotation.keywords}
    match schema:
        case Schema():
            return _of_whole(schema)
        case Mapping():
            return mapping_schema(schema, json_schema_of)
        case list() | tuple() | set() | frozenset():
            return _array(cast("Sequence[Any]", schema))
        case All():
            return _all(schema.validators)
        case AnyOf() | Union():
            return any_of(map(json_schema_of, schema.validators))
        case In():
            return {"enum": list(cast("Iterable[Any]", schema.container))}
        case Coerce():
            return dict(COERCED.get(schema.type, {}))
        case Match():
            return _pattern(schema.pattern)
        case Length():
            return _length(schema, None)
        case None:
            return {"type": "null"}
    return _leaf(schema)


def _of_whole(schema: Schema) -> JsonSchema:
    if isinstance(schema.schema, Mapping):
        is_open = schema.extra == ALLOW_EXTRA
        return mapping_schema(schema.schema, json_schema_of, is_open=is_open)
    return json_schema_of(schema.schema)


def _array(items: Sequence[Any]) -> JsonSchema:
    taken = any_of(map(json_schema_of, items)) if items else {}
    return {"type": "array", "items": taken} if taken else {"type": "array"}


def _all(validators: Iterable[Any]) -> JsonSchema:
    """What all of them take, up to the first that may put another value in place of the file's."""
    whole: JsonSchema = {}
    for validator in validators:
        if isinstance(validator, Length):
            part = _length(validator, whole.get("type"))
        else:
            part = json_schema_of(validator)
        if any(whole[key] != part[key] for key in whole.keys() & part.keys()):
            whole = {"allOf": [whole, part]}
        else:
            whole |= part
        if _converts(validator):
            break
    return whole


def _converts(validator: Any) -> bool:
    return inspect.isroutine(validator) and annotation_of(validator) is None


def _length(length: Length, kind: Any) -> JsonSchema:
    noun = LENGTHS.get(kind, "Length")
    ends = {"min": length.min, "max": length.max}
    return {f"{end}{noun}": bound for end, bound in ends.items() if bound is not None}


def _pattern(pattern: re.Pattern[str]) -> JsonSchema:
    if pattern.flags & (re.IGNORECASE | re.VERBOSE | re.DOTALL | re.MULTILINE):
        return {"type": "string"}
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})"}


def _leaf(schema: Any) -> JsonSchema:
    if isinstance(schema, bool | int | float | str):
        return {"const": schema}
    if schema is object or inspect.isroutine(schema):
        return {}
    if schema in (dict, list):
        return {"type": "object" if schema is dict else "array"}
    return dict(_single(schema))


def _single(schema: Any) -> JsonSchema:
    """What `voluptuous_openapi` says; `{}` of what it does not know."""
    from voluptuous_openapi import OpenApiVersion, convert

    try:
        said = convert(schema, openapi_version=OpenApiVersion.V3_1)
    except Exception:  # noqa: BLE001 - a stranger's type, whose hints may name what is not there
        return {}
    return {key: value for key, value in said.items() if key != "format"}
