"""The parameters of a plugin, from the JSON Schema of what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.schemas.words import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its default in plain values (None: none), what it takes, and what it means.

    The name of one within another is written as in `tls.ca_file`, and in `queues[].name` where
    the other is a list.
    """

    name: str
    required: bool
    default: Any
    takes: str
    description: str


def parameters(schema: dict[str, Any]) -> list[Parameter]:
    """Each key of a JSON Schema in its order, those within it after it; of no mapping, nothing."""
    return list(_of_mapping(schema, ""))


def _of_mapping(schema: dict[str, Any], prefix: str) -> Iterator[Parameter]:
    required = schema.get("required", [])
    for key, taken in schema.get("properties", {}).items():
        name = f"{prefix}{key}"
        description, default = taken.get("description", ""), taken.get("default")
        yield Parameter(name, key in required, default, in_words(taken), description)
        yield from _within(taken, name)


def _within(schema: dict[str, Any], name: str) -> Iterator[Parameter]:
    for way in schema.get("anyOf", [schema]):
        if way.get("properties"):
            yield from _of_mapping(way, f"{name}.")
        if way.get("items"):
            yield from _within(way["items"], f"{name}[]")
