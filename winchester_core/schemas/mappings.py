"""The schema of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from voluptuous import UNDEFINED, Extra, Marker, Required
from voluptuous import Any as AnyOf

from winchester_core.schemas.alternatives import any_of
from winchester_core.schemas.plain import plain

Convert: TypeAlias = Callable[[Any], dict[str, Any]]


def mapping_schema(
    keys: Mapping[Any, Any], convert: Convert, *, is_open: bool = False
) -> dict[str, Any]:
    """What a schema of `keys` takes; with `is_open`, other keys too."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    others: list[dict[str, Any]] = [{}] if is_open else []
    names: list[dict[str, Any]] = [{}] if is_open else []
    for key, validator in keys.items():
        taken = {**convert(validator), **_told_at(key)}
        literals = literal_keys(key)
        properties |= dict.fromkeys(literals, taken)
        if not literals:
            others.append(taken)
            names.append(_names(key, convert))
        elif len(literals) == 1 and is_required(key):
            required += literals
    return _object(properties, required, any_of(others) if others else False, any_of(names))


def literal_keys(key: Any) -> list[str]:
    """The keys that `key` of a schema names; none for one that describes keys."""
    key = key.schema if isinstance(key, Marker) else key
    if isinstance(key, AnyOf):
        return [name for each in key.validators for name in literal_keys(each)]
    return [str(key)] if isinstance(key, str | int) and key is not Extra else []


def is_required(key: Any) -> bool:
    """Whether a mapping without `key` is refused."""
    return isinstance(key, Required) and default_of(key) is UNDEFINED


def default_of(key: Any) -> Any:
    """The default of `key` in plain values, `UNDEFINED` where it has none."""
    default: Any = getattr(key, "default", UNDEFINED)
    return UNDEFINED if isinstance(default, type(UNDEFINED)) else plain(default())


def _told_at(key: Any) -> dict[str, Any]:
    """What the key says beside what its value must be."""
    told: dict[str, Any] = {}
    if getattr(key, "description", None):
        told["description"] = key.description
    default = default_of(key)
    if default is not UNDEFINED and default is not None:
        told["default"] = default
    return told


def _names(key: Any, convert: Convert) -> dict[str, Any]:
    key = key.schema if isinstance(key, Marker) else key
    if key is Extra:
        return {}
    names = convert(key)
    return names if names.get("type") == "string" else {}


def _object(
    properties: dict[str, Any], required: list[str], others: Any, names: dict[str, Any]
) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "object"}
    if properties:
        said["properties"] = properties
    if required:
        said["required"] = required
    if others != {}:
        said["additionalProperties"] = others
    if not properties and names not in ({}, {"type": "string"}):
        said["propertyNames"] = names
    return said
