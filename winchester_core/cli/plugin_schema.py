"""What a plugin takes as parameters, from its voluptuous schema."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from winchester_core.cli.moments import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_TYPES = (str, int, float, bool, type(None), list, dict)


def parameters(plugin: Any) -> list[dict[str, Any]]:
    """Each parameter of a plugin: name, whether it is required, default, and what it takes.

    Empty for a plugin whose schema is no mapping, or that has none.
    """
    from voluptuous import Schema

    schema = getattr(plugin, "config_schema", None)
    keys = schema.schema if isinstance(schema, Schema) else schema
    return list(_parameters(keys)) if isinstance(keys, dict) else []


def taken_in_words(validator: Any) -> str:
    """What a validator takes, in few words."""
    from voluptuous import All, Coerce, In, Length, Range
    from voluptuous import Any as AnyOf

    match validator:
        case type():
            return "anything" if validator is object else validator.__name__
        case In():
            return "one of " + ", ".join(map(str, cast("Any", validator.container)))
        case All():
            told = [each for each in validator.validators if not inspect.isroutine(each)]
            words = [taken_in_words(each) for each in told or validator.validators]
            return ", ".join(dict.fromkeys(words))
        case AnyOf():
            return " or ".join(taken_in_words(each) for each in validator.validators)
        case Coerce():
            return str(validator.type_name)
        case Length() | Range():
            return _bounds(validator)
        case [each]:
            return f"a list of: {taken_in_words(each)}"
        case dict():
            return "a mapping"
        case _ if callable(validator):
            name = getattr(validator, "__name__", type(validator).__name__)
            return str(name).strip("_").replace("_", " ")
    return repr(validator)


def _parameters(keys: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    from voluptuous import Marker, Required

    for marker, validator in keys.items():
        default = _default(marker)
        yield {
            "name": str(marker.schema if isinstance(marker, Marker) else marker),
            "required": isinstance(marker, Required) and default is None,
            "default": default,
            "takes": getattr(marker, "description", None) or taken_in_words(validator),
        }


def _default(marker: Any) -> Any:
    from voluptuous import UNDEFINED

    default: Any = getattr(marker, "default", UNDEFINED)
    if isinstance(default, type(UNDEFINED)):
        return None
    value = plain(default())
    return value if isinstance(value, JSON_TYPES) else str(value)


def _bounds(validator: Any) -> str:
    words = {"min": "at least", "max": "at most"}
    kind = "length " if type(validator).__name__ == "Length" else ""
    found = [
        f"{words[end]} {getattr(validator, end)}"
        for end in words
        if getattr(validator, end) is not None
    ]
    return kind + " and ".join(found)
