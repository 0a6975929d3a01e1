"""A mapping whose one key names a plugin, and another holds the parameters of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.schemas.plugins import Named


def by_name(
    mapping: dict[str, Any], name_key: str, params_key: str, choices: Sequence[Named]
) -> dict[str, Any]:
    """`mapping`, a schema, with the names that `name_key` may have and the parameters of each."""
    properties = mapping["properties"]
    name = {**properties[name_key], **name_of(choices)}
    name.pop("minLength", None)
    return {
        **mapping,
        "properties": {**properties, name_key: name},
        "allOf": [_rule(name_key, params_key, each) for each in choices],
    }


def name_of(choices: Sequence[Named]) -> dict[str, Any]:
    """The name of one of `choices`; editors show what each does (VS Code: `enumDescriptions`)."""
    return {
        "enum": [each.name for each in choices],
        "enumDescriptions": [each.description for each in choices],
    }


def _rule(name_key: str, params_key: str, choice: Named) -> dict[str, Any]:
    params = choice.schema
    if choice.stands_alone and params.get("type") == "object":
        params = {**params, "type": ["object", "null"]}
    then: dict[str, Any] = {
        "properties": {params_key: {**params, "description": choice.description}}
    }
    if not choice.stands_alone:
        then["required"] = [params_key]
    return {
        "if": {"properties": {name_key: {"const": choice.name}}, "required": [name_key]},
        "then": then,
    }
