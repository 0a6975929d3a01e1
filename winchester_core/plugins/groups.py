"""The entry-point groups that plugins register in, and what a plugin of each is called."""

from __future__ import annotations

HANDLERS = "winchester.handlers"
CONDITIONS = "winchester.conditions"
EVENT_SOURCES = "winchester.event_sources"
TRAIT_PLUGINS = "winchester.trait_plugins"
COMMANDS = "winchester.commands"

NOUNS = {
    HANDLERS: "handler",
    CONDITIONS: "condition",
    EVENT_SOURCES: "event source",
    TRAIT_PLUGINS: "trait plugin",
    COMMANDS: "command",
}
"""Group to the word that messages use; its keys are all groups there are."""


def noun(group: str) -> str:
    """What a plugin of `group` is called in a sentence."""
    return NOUNS.get(group, f"plugin of {group}")
