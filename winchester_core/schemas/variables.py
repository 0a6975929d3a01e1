"""`${NAME}` in place of a value: what a variable of the environment brings is checked when it is
known, so an editor lets it stand wherever a text, a number, true or false may."""

from __future__ import annotations

from typing import Any, Final

from winchester_core.schemas.nesting import with_inner

DEFINITION: Final = "variable"
REFERENCE: Final = {"$ref": f"#/definitions/{DEFINITION}"}
VARIABLE: Final[dict[str, Any]] = {
    "title": "environment variable",
    "description": "`${NAME}` or `${NAME:-default}` within a text",
    "type": "string",
    "pattern": r"(^|[^$])\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}

SCALARS: Final = frozenset({"string", "number", "integer", "boolean"})
ABOUT_TEXT: Final = frozenset({"pattern", "maxLength", "enum", "const", "allOf", "not"})
"""What may refuse the name of a variable where its value would be taken."""

SHORTEST: Final = len("${N}")

ANNOTATIONS: Final = ("title", "description", "default")


def with_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `schema` that takes variables, too."""
    inside = _inside(schema)
    if not _wants_variable(inside):
        return inside
    kept: dict[str, Any] = {key: inside[key] for key in ANNOTATIONS if key in inside}
    rest = {key: value for key, value in inside.items() if key not in kept}
    others = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {**kept, "anyOf": [*others, REFERENCE]}


def _inside(schema: dict[str, Any]) -> dict[str, Any]:
    """The same for the values within one that `schema` takes."""
    return with_inner(schema, with_variables, _inside)


def _wants_variable(schema: dict[str, Any]) -> bool:
    ways = schema.get("anyOf", [schema])
    return any(map(_takes_scalars, ways)) and not any(map(_takes_any_text, ways))


def _takes_scalars(schema: dict[str, Any]) -> bool:
    if types_of(schema) & SCALARS or schema.keys() & {"enum", "const"}:
        return True
    return any(map(_takes_scalars, schema.get("allOf", [])))


def _takes_any_text(schema: dict[str, Any]) -> bool:
    if "string" in types_of(schema):
        return not schema.keys() & ABOUT_TEXT and schema.get("minLength", 0) <= SHORTEST
    return not schema.keys() - set(ANNOTATIONS)


def types_of(schema: dict[str, Any]) -> set[str]:
    """The types that a schema names; none where it does not limit them."""
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)
