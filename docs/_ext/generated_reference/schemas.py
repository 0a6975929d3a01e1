"""What a voluptuous schema takes, as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import UNDEFINED, Marker, Required, Schema

from generated_reference.markdown import code, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def keys(schema: Schema) -> Iterator[tuple[str, str, str]]:
    """Name, default and description of each key of a mapping's schema; `required` for no default.

    None for a schema that is no mapping.
    """
    if not isinstance(schema.schema, dict):
        return
    for marker in schema.schema:
        name = str(marker.schema if isinstance(marker, Marker) else marker)
        yield name, default_of(marker), getattr(marker, "description", None) or ""


def default_of(marker: Any) -> str:
    """The default of a key as one would write it, or what there is in its place."""
    default: Any = getattr(marker, "default", UNDEFINED)
    if default is not UNDEFINED:
        value = default()
        return "none" if value is None else code(yaml_text(value))
    return "required" if isinstance(marker, Required) else "none"
