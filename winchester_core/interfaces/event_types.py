"""For handlers that choose events by their type, as criteria do."""

from __future__ import annotations

from typing import Any

from voluptuous import Invalid

from winchester_core.model.event_types import EventTypePatterns


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
