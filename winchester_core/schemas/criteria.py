"""What a criterion demands of a trait: a constant, a condition, or a combination of demands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.criteria.conditions.values import parse_constant
from winchester_core.interfaces.json_schema import definition_reference
from winchester_core.plugins import CONDITIONS
from winchester_core.schemas.conversion import json_schema_of
from winchester_core.schemas.plugins import named

if TYPE_CHECKING:
    from winchester_core.schemas.plugins import Named

DEMAND = definition_reference("predicate")
DEMANDS = {"type": "array", "items": DEMAND, "minItems": 1}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "not": {**DEMAND},
    "any": DEMANDS,
    "all": DEMANDS,
}


def demand() -> dict[str, Any]:
    """A constant, or a mapping of one condition's name to its expression."""
    conditions = {**COMBINATIONS, **dict(map(_entry, named(CONDITIONS)))}
    condition = {
        "type": "object",
        "title": "condition",
        "properties": conditions,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [json_schema_of(parse_constant), condition]}


def _entry(condition: Named) -> tuple[str, dict[str, Any]]:
    return condition.name, {**condition.schema, "description": condition.description}
