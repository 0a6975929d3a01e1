"""The plugins that are installed, each with the schema of what stands beside its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.errors import PluginError
from winchester_core.plugins import describe_plugin, installed_plugins
from winchester_core.schemas.conversion import json_schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.plugins import Plugin


@dataclass(frozen=True, slots=True)
class Named:
    """A name that may stand in a file, what it does, and what its parameters may be.

    A plugin that cannot be loaded has a name, too: its `schema` takes anything.
    """

    name: str
    description: str
    schema: dict[str, Any]

    @property
    def stands_alone(self) -> bool:
        """Whether the name will do, without parameters."""
        return not self.schema.get("required")


def named(group: str, aliases: Mapping[str, str] | None = None) -> Iterator[Named]:
    """The plugins of `group` by name; the `aliases` of a configuration go before those names."""
    installed = installed_plugins(group)
    meant = {name: name for name in installed} | dict(aliases or {})
    for name, target in sorted(meant.items()):
        if target in installed:
            yield _named(name, installed[target])


def _named(name: str, plugin: Plugin) -> Named:
    try:
        loaded = plugin.load()
        schema = taken_by_plugin(plugin, loaded)
    except PluginError as error:
        return Named(name, error.reason, {})
    return Named(name, describe_plugin(loaded).summary or plugin.origin, schema)


def taken_by_plugin(plugin: Plugin, loaded: Any) -> dict[str, Any]:
    """The JSON Schema of what a loaded plugin takes; `{}`, anything, where it does not tell.

    Raises `PluginError` when its `config_schema`, or a default in it, cannot be read.
    """
    try:
        schema = getattr(loaded, "config_schema", None)
        return {} if schema is None else json_schema_of(schema)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        reason = f"the schema of {plugin.origin} cannot be read: {cause}"
        raise PluginError(plugin.group, plugin.name, reason) from error
