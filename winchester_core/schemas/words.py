"""What a JSON Schema takes, in few words: for tables and terminals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NOUNS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "nothing",
}

FEW: Final = 4
"""How many keys of a mapping are named."""


def in_words(schema: Mapping[str, Any]) -> str:
    """Such as `whole number, 1 to 65535`, or `text or list of: text`."""
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return "one of " + ", ".join(map(_value, schema["enum"]))
    if "const" in schema:
        return _value(schema["const"])
    for key, joint in (("anyOf", " or "), ("allOf", ", ")):
        if key in schema and "type" not in schema:
            words = dict.fromkeys(map(in_words, schema[key]))
            return joint.join(sorted(words, key=NOUNS["null"].__eq__))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].replace("_", " ")
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> str:
    types = schema.get("type", [])
    listed = [types] if isinstance(types, str) else types
    return " or ".join(_noun(each, schema) for each in listed) or "anything"


def _noun(kind: str, schema: Mapping[str, Any]) -> str:
    noun = NOUNS[kind]
    match kind:
        case "integer" | "number":
            return noun + _bounds(schema)
        case "string" if "maxLength" in schema:
            return f"{noun} of at most {schema['maxLength']} characters"
        case "array" if schema.get("items"):
            return f"{noun} of: {in_words(schema['items'])}"
        case "object" if 0 < len(schema.get("properties", ())) <= FEW:
            return f"{noun} of {', '.join(schema['properties'])}"
        case "object" if schema.get("additionalProperties"):
            return f"{noun} of text to {in_words(schema['additionalProperties'])}"
    return noun


def _bounds(schema: Mapping[str, Any]) -> str:
    low, over = schema.get("minimum"), schema.get("exclusiveMinimum")
    high = schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    said = [
        f"over {over}" if over is not None else "",
        f"at least {low}" if low is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    told = " and ".join(filter(None, said))
    return f", {told}" if told else ""


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else json.dumps(value)
