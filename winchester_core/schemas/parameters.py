"""Parameters of plugins: JSON Schema, list of parameters, and short descriptions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from winchester_core.errors import PluginError
from winchester_core.plugins import describe_plugin, installed_plugins
from winchester_core.schemas.conversion import json_schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.plugins import Plugin


@dataclass(frozen=True, slots=True)
class Parameter:
    """Parameter of a plugin: default (None if it has none), accepted values, and description.

    Names of nested parameters are written as in `tls.ca_file`, or `queues[].name` within a list.
    """

    name: str
    required: bool
    default: Any
    takes: str
    description: str


def list_parameters(schema: dict[str, Any]) -> list[Parameter]:
    """Return the keys of a JSON Schema in order, each followed by its nested keys."""
    return list(_mapping_parameters(schema, ""))


def _mapping_parameters(schema: dict[str, Any], prefix: str) -> Iterator[Parameter]:
    required = schema.get("required", [])
    for key, value_schema in schema.get("properties", {}).items():
        name = f"{prefix}{key}"
        description, default = value_schema.get("description", ""), value_schema.get("default")
        yield Parameter(name, key in required, default, describe_schema(value_schema), description)
        yield from _nested_parameters(value_schema, name)


def _nested_parameters(schema: dict[str, Any], name: str) -> Iterator[Parameter]:
    for alternative in schema.get("anyOf", [schema]):
        if alternative.get("properties"):
            yield from _mapping_parameters(alternative, f"{name}.")
        if alternative.get("items"):
            yield from _nested_parameters(alternative["items"], f"{name}[]")


TYPE_NAMES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "null",
}

MAX_LISTED_KEYS: Final = 4
"""Maximum number of keys that the description of a mapping lists."""


def describe_schema(schema: Mapping[str, Any]) -> str:
    """Describe a schema, as in `whole number, 1 to 65535`, or `text or list (items: text)`."""
    if "title" in schema:
        return str(schema["title"])
    if "enum" in schema:
        return "one of " + ", ".join(map(_format_value, schema["enum"]))
    if "const" in schema:
        return _format_value(schema["const"])
    for key, separator in (("anyOf", " or "), ("allOf", ", ")):
        if key in schema and "type" not in schema:
            descriptions = dict.fromkeys(map(describe_schema, schema[key]))
            return separator.join(sorted(descriptions, key=TYPE_NAMES["null"].__eq__))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].replace("_", " ")
    return _describe_types(schema)


def _describe_types(schema: Mapping[str, Any]) -> str:
    types = schema.get("type", [])
    kinds = [types] if isinstance(types, str) else types
    return " or ".join(_describe_type(kind, schema) for kind in kinds) or "anything"


def _describe_type(kind: str, schema: Mapping[str, Any]) -> str:
    name = TYPE_NAMES[kind]
    match kind:
        case "integer" | "number":
            return name + _describe_bounds(schema)
        case "string" if "maxLength" in schema:
            return f"{name} of at most {schema['maxLength']} characters"
        case "array" if schema.get("items"):
            return f"{name} (items: {describe_schema(schema['items'])})"
        case "object" if 0 < len(schema.get("properties", ())) <= MAX_LISTED_KEYS:
            return f"{name} of {', '.join(schema['properties'])}"
        case "object" if schema.get("additionalProperties"):
            return f"{name} of text to {describe_schema(schema['additionalProperties'])}"
    return name


def _describe_bounds(schema: Mapping[str, Any]) -> str:
    minimum, exclusive_minimum = schema.get("minimum"), schema.get("exclusiveMinimum")
    maximum = schema.get("maximum")
    if minimum is not None and maximum is not None:
        return f", {minimum} to {maximum}"
    bounds = [
        f"over {exclusive_minimum}" if exclusive_minimum is not None else "",
        f"at least {minimum}" if minimum is not None else "",
        f"at most {maximum}" if maximum is not None else "",
    ]
    joined = " and ".join(filter(None, bounds))
    return f", {joined}" if joined else ""


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else json.dumps(value)


@dataclass(frozen=True, slots=True)
class PluginVariant:
    """A plugin's name in a file, its description, and the schema of its parameters.

    If the plugin cannot be loaded, its `schema` accepts anything.
    """

    name: str
    description: str
    schema: dict[str, Any]

    @property
    def is_name_sufficient(self) -> bool:
        """Return whether the plugin needs no parameters."""
        return not self.schema.get("required")


def plugin_variants(
    group: str, aliases: Mapping[str, str] | None = None
) -> Iterator[PluginVariant]:
    """Yield the plugins of `group` by name; `aliases` take precedence over names."""
    installed = installed_plugins(group)
    targets = {name: name for name in installed} | dict(aliases or {})
    for name, target in sorted(targets.items()):
        if target in installed:
            yield _plugin_variant(name, installed[target])


def _plugin_variant(name: str, plugin: Plugin) -> PluginVariant:
    try:
        loaded = plugin.load()
        schema = plugin_schema(plugin, loaded)
    except PluginError as error:
        return PluginVariant(name, error.reason, {})
    return PluginVariant(name, describe_plugin(loaded).summary or plugin.origin, schema)


def plugin_schema(plugin: Plugin, loaded: Any) -> dict[str, Any]:
    """Return the JSON Schema of a loaded plugin's parameters; `{}` if it has no schema.

    Raises `PluginError` if its `config_schema`, or a default in it, cannot be converted.
    """
    try:
        schema = getattr(loaded, "config_schema", None)
        return {} if schema is None else json_schema_of(schema)
    except (Exception, SystemExit) as error:
        cause = f"{type(error).__name__}: {error}"
        reason = f"the schema of {plugin.origin} cannot be read: {cause}"
        raise PluginError(plugin.group, plugin.name, reason) from error
