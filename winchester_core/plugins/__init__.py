"""Plugins by entry point: the groups, what is installed, and loading by name."""

from winchester_core.plugins.description import Description, describe, summary_of
from winchester_core.plugins.groups import (
    COMMANDS,
    CONDITIONS,
    EVENT_SOURCES,
    HANDLERS,
    NOUNS,
    TRAIT_PLUGINS,
    noun,
)
from winchester_core.plugins.plugin import Plugin
from winchester_core.plugins.registry import Registry, available, load
from winchester_core.plugins.source import docstring_in_source

__all__ = [
    "COMMANDS",
    "CONDITIONS",
    "EVENT_SOURCES",
    "HANDLERS",
    "NOUNS",
    "TRAIT_PLUGINS",
    "Description",
    "Plugin",
    "Registry",
    "available",
    "describe",
    "docstring_in_source",
    "load",
    "noun",
    "summary_of",
]
