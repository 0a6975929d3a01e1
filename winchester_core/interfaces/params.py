"""A schema for parameters that depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Schema

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.model.event_types import MAX_PATTERN_LENGTH, EventTypePatterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class CheckedSchema(Schema):
    """The schema of a mapping, and a check of the whole once each key is right by itself.

    `check` raises `voluptuous.Invalid`, whose path names the key at fault. What takes the keys
    apart (documentation, `plugin show`) finds them in `schema`, as with any mapping.
    """

    def __init__(self, keys: Mapping[Any, Any], check: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(dict(keys))
        self._check = check

    def __call__(self, data: Any) -> Any:
        """Return the parameters, defaults filled in."""
        params = super().__call__(data)  # type: ignore[no-untyped-call]
        self._check(params)
        return params


GLOB_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_PATTERN_LENGTH,
    "not": {"const": "!"},
}


@json_schema(
    anyOf=[GLOB_SCHEMA, {"type": "array", "items": GLOB_SCHEMA, "minItems": 1}],
    title="glob of event types, or a list of them",
)
def event_types(value: Any) -> list[str]:
    """A check for `config_schema`: a glob of event types, or a list of them; returned as a list.

    `EventTypePatterns` is made of that list. Raises `voluptuous.Invalid`.
    """
    globs = [value] if isinstance(value, str) else value
    if not isinstance(globs, list):
        raise Invalid("expected a glob of event types, such as 'compute.*', or a list of globs")
    try:
        EventTypePatterns(globs)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return globs
