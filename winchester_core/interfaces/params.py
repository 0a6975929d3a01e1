"""Schemas and validators for the parameters of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import Invalid, Schema

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.model.event_types import MAX_PATTERN_LENGTH, EventTypePatterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class CheckedSchema(Schema):
    """Schema of a mapping whose keys depend on each other.

    `check` validates the whole mapping after each key is valid by itself. It raises
    `voluptuous.Invalid` with the path of the invalid key. The keys are in `schema`, as for any
    mapping, for documentation and `plugin show`.
    """

    def __init__(self, keys: Mapping[Any, Any], check: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(dict(keys))
        self._check = check

    def __call__(self, data: Any) -> Any:
        """Return the validated parameters, defaults filled in."""
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
    """Validate a glob of event types or a list of them; return a list for `EventTypePatterns`.

    Use it in a `config_schema`. Raises `voluptuous.Invalid`.
    """
    globs = [value] if isinstance(value, str) else value
    if not isinstance(globs, list):
        raise Invalid("expected a glob of event types, such as 'compute.*', or a list of globs")
    try:
        EventTypePatterns(globs)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return globs
