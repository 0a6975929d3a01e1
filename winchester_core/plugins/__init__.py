"""Plugins by entry point: groups, installed plugins, and loading by name."""

from winchester_core.plugins.plugin import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    GROUP_NOUNS,
    HANDLERS,
    TRAIT_PLUGINS,
    Plugin,
    PluginDescription,
    describe_plugin,
    group_noun,
    summary_of,
)
from winchester_core.plugins.registry import PluginRegistry, import_plugin, installed_plugins
from winchester_core.plugins.source_code import docstring_in_source

__all__ = [
    "COMMANDS",
    "CONDITIONS",
    "EVENT_SOURCES",
    "GROUP_NOUNS",
    "HANDLERS",
    "TRAIT_PLUGINS",
    "Plugin",
    "PluginDescription",
    "PluginRegistry",
    "describe_plugin",
    "docstring_in_source",
    "group_noun",
    "import_plugin",
    "installed_plugins",
    "summary_of",
]
