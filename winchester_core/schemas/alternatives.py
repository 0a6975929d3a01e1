"""Several schemas of which one must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

NULL = {"type": "null"}


def any_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What at least one of `schemas` takes, as short as that can be said; of none, anything."""
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
        if _is_of_one_type(other):
            return {**other, "type": [other["type"], "null"]}
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _is_of_one_type(schema: dict[str, Any]) -> bool:
    """Whether another type can be added without a word on values in its way."""
    return isinstance(schema.get("type"), str) and not schema.keys() & {
        "enum",
        "const",
        "allOf",
        "anyOf",
        "not",
        "title",
    }
