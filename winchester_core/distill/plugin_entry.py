"""The entry `plugin` of a trait: a plugin's name, or its name and parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.interfaces.trait_plugin import TraitPlugin


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """Which plugin a trait wants, and with which parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def instance(self, trait_plugins: Mapping[str, type]) -> TraitPlugin:
        """Make the plugin of one trait, from parameters that its own schema has completed."""
        plugin_class = trait_plugins[self.name]
        # a plugin that was written for StackDistiller alone has no schema
        schema = getattr(plugin_class, "config_schema", None)
        parameters = dict(self.parameters) if schema is None else schema(dict(self.parameters))
        plugin: TraitPlugin = plugin_class(**parameters)
        return plugin


def plugin_entry(setting: str | Mapping[str, Any]) -> PluginEntry:
    """Read the entry of a valid definition."""
    if isinstance(setting, str):
        return PluginEntry(setting)
    return PluginEntry(setting["name"], setting.get("parameters") or {})
