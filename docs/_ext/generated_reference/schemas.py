"""Keys of a voluptuous schema as table rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import UNDEFINED, Marker, Required, Schema

from generated_reference.markdown import code, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def keys(schema: Schema) -> Iterator[tuple[str, str, str]]:
    """Yield name, default (or `required`) and description of each key of a mapping's schema.

    Yields nothing for other schemas.
    """
    if not isinstance(schema.schema, dict):
        return
    for marker in schema.schema:
        name = str(marker.schema if isinstance(marker, Marker) else marker)
        yield name, default_of(marker), getattr(marker, "description", None) or ""


def default_of(marker: Any) -> str:
    """Return the default of a key as YAML, or `required`, or `none`."""
    default: Any = getattr(marker, "default", UNDEFINED)
    if default is not UNDEFINED:
        value = default()
        return "none" if value is None else code(yaml_text(value))
    return "required" if isinstance(marker, Required) else "none"
