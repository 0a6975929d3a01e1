"""Parts of JSON Schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Schema = dict[str, Any]

ID: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
QUANTITY: Final[Schema] = {"type": "number"}
TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0}
ANYTHING: Final[Schema] = {}
TRAITS: Final[Schema] = {
    "type": "object",
    "description": "values by name; a time range is [begin, end]",
}


def reference(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also accepts null."""
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


def described(schema: Schema, description: str) -> Schema:
    """Return a schema with a description."""
    return {**schema, "description": description}


def choice(values: Iterable[str]) -> Schema:
    """Return the schema of one of several texts."""
    return {"type": "string", "enum": [str(each) for each in values]}


def array(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def map_schema(values: Schema, description: str = "") -> Schema:
    """Return the schema of an object with any names."""
    found: Schema = {"type": "object", "additionalProperties": values}
    return described(found, description) if description else found


def object_schema(members: Mapping[str, Schema], description: str = "") -> Schema:
    """Return the schema of an object that always has these members."""
    found: Schema = {
        "type": "object",
        "required": list(members),
        "properties": dict(members),
    }
    return described(found, description) if description else found


def items_schema(schema: Schema, **members: Schema) -> Schema:
    """Return the schema of a list with further members."""
    return object_schema({"items": array(schema), **members})


STREAM_TIME: Final = described(TIME, "stream time")
DATABASE_TIME: Final = described(TIME, "the database server's time")
