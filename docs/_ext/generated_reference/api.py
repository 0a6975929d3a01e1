"""Operations and objects of the console's API, from its OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from generated_reference.markdown import code, prose, table
from winchester_core.console.api.catalogue import OPERATIONS
from winchester_core.console.api.openapi import PROBLEMS
from winchester_core.console.api.schemas import SCHEMAS
from winchester_core.console.parameters import (
    ACTION_PARAMETERS,
    EFFECT_PARAMETERS,
    EVENT_PARAMETERS,
    REJECTED_PARAMETERS,
    STREAM_PARAMETERS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.console.api.operations import Operation

TITLES: Mapping[str, str] = {
    "streams": "Streams",
    "events": "Events",
    "rejected": "Rejected messages",
    "outbox": "Outbox",
    "triggers": "Triggers",
    "actions": "Actions of operators",
    "processes": "Processes",
    "plugins": "Plugins",
    "stats": "Activity",
    "statistics": "Statistics",
    "description": "Description",
}
FILTERS = {
    "streams": STREAM_PARAMETERS,
    "events": EVENT_PARAMETERS,
    "rejected": REJECTED_PARAMETERS,
    "outbox": EFFECT_PARAMETERS,
    "actions": ACTION_PARAMETERS,
}


def render_operations() -> str:
    """Render a section for each kind of objects: its operations, and the filters of its list."""
    return "\n\n".join(part for tag in TITLES for part in _section(tag))


def render_problems() -> str:
    """Render the statuses of problems."""
    rows = ((str(status), prose(text)) for status, text in PROBLEMS.items())
    return table(["status", "meaning"], rows)


def render_objects() -> str:
    """Render the members of each schema that is not a list."""
    return "\n\n".join(
        part
        for name, schema in SCHEMAS.items()
        if "items" not in schema.get("properties", {}) and name != "Description"
        for part in _object(name, schema)
    )


def _section(tag: str) -> Iterator[str]:
    operations = [each for each in OPERATIONS if each.tag == tag]
    yield f"### {TITLES[tag]}"
    yield table(["operation", "purpose", "response"], map(_row, operations))
    for each in operations:
        if each.parameters and tag not in FILTERS:
            described = (f"{code(one.name)}: {prose(one.description)}" for one in each.parameters)
            yield f"Parameters: {'; '.join(described)}."
    if tag in FILTERS:
        yield "Filters of the list:"
        rows = ((code(each.name), prose(each.description)) for each in FILTERS[tag])
        yield table(["parameter", "meaning"], rows)


def _row(operation: Operation) -> Sequence[str]:
    purpose = prose(f"{operation.summary}. {operation.description}".strip())
    return code(f"{operation.method} {operation.path}"), purpose, code(operation.result)


def _object(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if "description" in schema:
        yield prose(schema["description"])
    rows = (
        (code(member), _type(described), prose(described.get("description", "")))
        for member, described in schema["properties"].items()
    )
    yield table(["member", "type", "meaning"], rows)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code("null" if each is None else str(each)) for each in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(map(_type, schema["oneOf"]))
    found = schema.get("type", "any")
    names = found if isinstance(found, list) else [found]
    if "format" in schema:
        names = ["time" if each == "string" else each for each in names]
    if "items" in schema:
        return f"array of {_type(schema['items'])}"
    return " or ".join(names)
