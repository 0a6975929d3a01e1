"""For handlers that choose events by their type, as criteria do."""

from __future__ import annotations

from typing import Any

from voluptuous import Invalid

from winchester_core.interfaces.json_schema import json_schema
from winchester_core.model.event_types import MAX_PATTERN_LENGTH, EventTypePatterns

GLOB = {"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_LENGTH, "not": {"const": "!"}}


@json_schema(
    anyOf=[GLOB, {"type": "array", "items": GLOB, "minItems": 1}],
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
